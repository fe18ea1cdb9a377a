"""``fourpass score``: table, JSON, map, and what it refuses; on predictors of reference weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fourpass import weights
from fourpass.cli.score import score
from fourpass.conversion.predictors import from_keras
from fourpass.errors import ConfigError, ImageError, WeightsError


@pytest.fixture(scope="module")
def predictors(references: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("predictors")
    files = {}
    for kind in ("aesthetic", "subjective"):
        with np.load(references / f"nima_{kind}.npz") as stored:
            arrays = {key.removeprefix("var:"): stored[key] for key in stored.files if key.startswith("var:")}
        metadata = weights.Metadata("nima", {"width": 0.35}, f"{kind}-reference", "random", 0, "Apache-2.0")
        files[kind] = str(folder / f"{kind}.safetensors")
        weights.save(weights.Weights(from_keras(arrays, kind), metadata), files[kind])
    return files


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (210, 220, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(images: list[Path], predictors: dict[str, str], **options: object) -> None:
    defaults = {
        "as_json": False,
        "heat_map": None,
        "metrics": "niqe",
        "ma_model": None,
        "backend": "auto",
        "threads": 1,
    }
    score(images, **{**defaults, **predictors, **options})  # type: ignore[arg-type]


def test_prints_json_with_both_scores_and_metrics(
    photo: Path, predictors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run([photo, photo], predictors, as_json=True, metrics="niqe,brisque,ma,pi")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 2
    assert lines[0] == lines[1]
    row = lines[0]
    assert (row["file"], row["width"], row["height"]) == (str(photo), 220, 210)
    for kind in ("aesthetic", "subjective"):
        assert 1 <= row[kind]["lowest_patch"] <= row[kind]["mean"] <= row[kind]["highest_patch"] <= 10
        assert sum(row[kind]["distribution"]) == pytest.approx(1, abs=1e-3)
    assert row["niqe"] > 0
    assert isinstance(row["brisque"], float)
    assert row["ma"] == row["pi"] == "needs model.mat"


def test_prints_a_table_and_writes_a_map(
    photo: Path, predictors: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run([photo], predictors, heat_map=tmp_path / "map.png")
    printed = capsys.readouterr().out
    assert "aesthetic" in printed
    assert "NIQE" in printed
    with Image.open(tmp_path / "map.png") as written:
        assert written.size == (440, 210)


def test_a_metric_that_is_not_defined_says_why(
    predictors: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Image.new("RGB", (220, 210), (9, 9, 9)).save(tmp_path / "flat.png")
    run([tmp_path / "flat.png"], predictors, as_json=True)
    assert "texture" in json.loads(capsys.readouterr().out)["niqe"]


def test_refuses_in_one_line(photo: Path, predictors: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--map takes one picture, not 2"):
        run([photo, photo], predictors, heat_map=tmp_path / "map.png")
    with pytest.raises(ConfigError, match="metric 'psnr' is not one of niqe"):
        run([photo], predictors, metrics="psnr")
    with pytest.raises(ImageError, match=r"absent\.png"):
        run([tmp_path / "absent.png"], predictors)
    swapped = {"aesthetic": predictors["subjective"], "subjective": predictors["aesthetic"]}
    with pytest.raises(WeightsError, match="predicts subjective scores, but a predictor of aesthetic scores is needed"):
        run([photo], swapped)
    Image.new("RGB", (20, 300)).save(tmp_path / "thin.png")
    with pytest.raises(ImageError, match="20x300 pixels are too few"):
        run([tmp_path / "thin.png"], predictors)


def test_a_user_sees_one_line_and_exit_code_2(
    fourpass: Callable[..., Any], predictors: dict[str, str], tmp_path: Path
) -> None:
    names = [f"--{kind}={file}" for kind, file in predictors.items()]
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = fourpass("score", tmp_path / "torn.png", *names)
    assert result.code == 2
    assert len(result.err) == 1
    assert result.err[0].startswith("fourpass: ")
    assert "torn.png" in result.err[0]


def test_imports_no_torch() -> None:
    code = "import sys, fourpass.cli.score, fourpass.upscaling.score; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
