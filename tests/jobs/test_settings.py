"""What a run that goes on compares: contents of every file of weights, and never how its path is spelt."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fourpass import weights
from fourpass.errors import ConfigError, WeightsError
from fourpass.jobs.one_file import UpscaleOptions
from fourpass.jobs.settings import digest_of, settings, weights_files

onnx = pytest.importorskip("onnx")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with weights in it and a packaged pair of our own."""
    monkeypatch.chdir(tmp_path)
    for name in ("m", "packaged/eusr", "packaged/fourpass"):
        put(name, 1.0)
    monkeypatch.setattr(weights.file, "PACKAGED", tmp_path / "packaged")
    return tmp_path


def put(name: str, value: float) -> None:
    corner = {"strength": 1.0} if name == "packaged/fourpass" else {}
    kin = {"family": "eusr", "corner": corner} if name.startswith("packaged/") else {}
    metadata = weights.Metadata("eusr", {"features": 8}, "test", "nothing", 0, "CC0-1.0", **kin)  # type: ignore[arg-type]
    weights.save(weights.Weights({"a": np.full((3,), value, np.float32)}, metadata), f"{name}.safetensors")


def known(model: str = "m.safetensors", **options: object) -> str:
    return digest_of(settings(UpscaleOptions(), model=model, **options))  # type: ignore[arg-type]


def test_another_spelling_is_the_same(here: Path) -> None:
    os.symlink("m.safetensors", "link.safetensors")
    (here / "copy.safetensors").write_bytes((here / "m.safetensors").read_bytes())
    for other in ("./m.safetensors", str(here / "m.safetensors"), "link.safetensors", "copy.safetensors"):
        assert known(other) == known()


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ("m", {"model": "m.safetensors"}),
        ("m", {"model": "eusr", "perceptual": "m.safetensors"}),
        ("packaged/eusr", {"model": "eusr"}),
        ("packaged/fourpass", {"model": "eusr"}),  # the other end of the dial
        ("packaged/eusr", {"model": "fourpass", "strength": 0.5}),
    ],
)
def test_other_contents_of_any_weights_that_are_used_differ(changed: str, options: dict[str, object]) -> None:
    before = known(**options)  # type: ignore[arg-type]
    content = Path(f"{changed}.safetensors").read_bytes()
    put(changed, 2.0)
    assert known(**options) != before  # type: ignore[arg-type]
    Path(f"{changed}.safetensors").write_bytes(content)
    assert known(**options) == before  # type: ignore[arg-type]


def test_tensors_beside_an_onnx_file_count(here: Path) -> None:
    tensor = onnx.numpy_helper.from_array(np.zeros(64, np.float32), "w")
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    model = onnx.helper.make_model(graph)
    onnx.save(model, "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert [file.name for file in weights_files("m.onnx")] == ["m.onnx", "m.data"]
    before = known("m.onnx")
    (here / "m.data").write_bytes(b"\1" * 256)
    assert known("m.onnx") != before


def test_every_option_counts() -> None:
    seen = {known(), known(strength=0.5), known(backend="torch"), known(precision="fp32"), known(consistency=True)}
    seen |= {known(blend_pixels=True)}
    for wanted in (
        UpscaleOptions(scale=2),
        UpscaleOptions(width=2),
        UpscaleOptions(quality=9),
        UpscaleOptions(strip=True),
        UpscaleOptions(self_ensemble=True),
    ):
        seen.add(digest_of(settings(wanted, model="m.safetensors")))
    assert len(seen) == 11
    assert known("eusr") != known("fourpass")


def test_what_cannot_be_read_is_said_and_not_waited_for() -> None:
    os.mkfifo("pipe.png")
    with pytest.raises(ConfigError, match=r"pipe\.png: the strength map cannot be read .is not a regular file."):
        known(mask=Path("pipe.png"))
    with pytest.raises(WeightsError, match="no such weights file"):
        known("pipe.png")
