"""Bicubic x4 against the paper's Table 2: the protocol that every table of ours is measured under."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourpass.imaging.resize import imresize
from fourpass.metrics.niqe import niqe
from fourpass.metrics.psnr import psnr
from fourpass.metrics.ssim import ssim

# Set -> PSNR (dB), SSIM and NIQE of the paper, and how many pictures it has.
TABLE_2 = {
    "Set5": (28.4178, 0.8098, 8.5404, 5),
    "Set14": (26.0906, 0.7050, 7.7637, 14),
    "BSD100": (25.9566, 0.6693, 7.7120, 100),
}


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["Set5", *(pytest.param(name, marks=pytest.mark.slow) for name in ("Set14", "BSD100"))]
)
def test_bicubic_equals_table_2(shared: Path, name: str) -> None:
    rows = []
    for path in sorted((shared / "data/eval" / name).iterdir()):
        picture = np.asarray(Image.open(path).convert("RGB"))
        truth = picture[: picture.shape[0] // 4 * 4, : picture.shape[1] // 4 * 4]
        # Shrunk on uint8 as MATLAB does, enlarged in floating point and rounded once.
        large = imresize(imresize(truth, 0.25).astype(np.float64), 4.0)
        result = np.clip(np.floor(large + 0.5), 0, 255).astype(np.uint8)
        exact = psnr(truth, result, channel="y8"), ssim(truth, result, channel="y8", region="same")
        rows.append([psnr(truth, result), ssim(truth, result), niqe(result), *exact])
    decibels, similarity, naturalness, count = TABLE_2[name]
    assert len(rows) == count
    means = np.mean(rows, axis=0)
    assert means[0] == pytest.approx(decibels, abs=0.02)
    assert means[1] == pytest.approx(similarity, abs=0.002)
    assert means[2] == pytest.approx(naturalness, rel=0.006)
    # Y in whole numbers, and MATLAB's own ssim: what the paper's numbers are.
    assert means[3] == pytest.approx(decibels, abs=0.006)
    assert means[4] == pytest.approx(similarity, abs=0.0003)
