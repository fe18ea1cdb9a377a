"""``fourpass upscale``: what it can say and do about how true an output is to its input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest

from fourpass import weights
from fourpass.imaging import files
from fourpass.imaging.resize import imresize

pytest.importorskip("torch")
Run = Callable[..., tuple[int, bytes, list[str]]]
RGB = imresize(np.random.default_rng(5).integers(60, 190, (5, 6, 3)).astype(np.uint8), 4)


@pytest.fixture
def folder(tmp_path: Path, small_relatives: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with one picture; small weights stand in for the packaged ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(make.encode(RGB, "PNG"))
    return tmp_path


def entry(report: str) -> dict[str, object]:
    (found,) = json.loads(Path(report).read_text())["files"]
    return dict(found)


def test_the_report_says_how_the_output_shrinks(folder: Path, fourpass: Run) -> None:
    assert fourpass("upscale", "a.png", "-o", "b.png", "--strength", 0, "--json", "r.json")[0] == 0
    shrunk = imresize(files.read("b.png").pixels.astype(float), 0.25)
    error = np.mean((shrunk - RGB) ** 2)
    assert entry("r.json")["lr_psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=0.01)
    assert entry("r.json")["consistent"] is None


def test_consistency(folder: Path, fourpass: Run) -> None:
    command = ("upscale", "a.png", "-o", "b.png", "--strength", 1, "--consistency", "--json", "r.json")
    assert fourpass(*command)[0] == 0
    assert np.abs(imresize(files.read("b.png").pixels.astype(float), 0.25) - RGB).max() <= 1.001
    assert entry("r.json")["consistent"] is True
    assert entry("r.json")["corrections"] != 0


def test_disagreement_is_a_gray_picture_of_the_outputs_size(folder: Path, fourpass: Run) -> None:
    assert fourpass("upscale", "a.png", "-o", "b.png", "--strength", 1, "--disagreement", "d.png")[0] == 0
    assert files.read("d.png").pixels.shape == (80, 96, 1)
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    code, _, err = fourpass("upscale", "a.png", "c.png", "-o", "out", "--disagreement", "d.png")
    assert (code, err) == (2, ["fourpass: --disagreement takes one picture, not 2"])


def test_strength_map(folder: Path, fourpass: Run) -> None:
    files.write("mask.png", np.zeros((4, 4), np.uint8))
    assert fourpass("upscale", "a.png", "-o", "b.png", "--strength-map", "mask.png")[0] == 0
    assert fourpass("upscale", "a.png", "-o", "c.png", "--strength", 0)[0] == 0
    assert np.array_equal(files.read("b.png").pixels, files.read("c.png").pixels)
    code, _, err = fourpass("upscale", "a.png", "-o", "d.png", "--strength-map", "mask.png", "--strength", 1)
    assert (code, err) == (2, ["fourpass: both a strength map and a strength are given; leave one of them out"])


def test_two_models_of_different_lineages(folder: Path, fourpass: Run) -> None:
    other = weights.load("sharp")
    stranger = weights.Weights(other.tensors, replace(other.metadata, lineage="another"))
    weights.save(stranger, Path("stranger.safetensors"))
    command = ("upscale", "a.png", "-o", "b.png", "--perceptual", "stranger.safetensors")
    code, _, (err,) = fourpass(*command)
    assert code == 2
    assert err.endswith(
        "lineage is 'test' in one and 'another' in the other; blend their pixels instead (--blend-pixels)"
    )
    assert fourpass(*command, "--blend-pixels", "--strength", 1)[0] == 0
    assert fourpass("upscale", "a.png", "-o", "c.png", "-n", "stranger.safetensors")[0] == 0
    assert np.array_equal(files.read("b.png").pixels, files.read("c.png").pixels)
    code, _, err = fourpass("upscale", "a.png", "-o", "d.png", "--blend-pixels")
    assert (code, err) == (
        2,
        ["fourpass: --blend-pixels needs two models; name the second one with --perceptual"],
    )
