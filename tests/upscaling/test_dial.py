"""The dial on the packaged weights: PSNR and NIQE fall with strength on real photos, and colours stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fourpass import DEFAULT_MODEL
from fourpass.data.training_images import decode, shrink
from fourpass.metrics.niqe import niqe
from fourpass.metrics.psnr import psnr
from fourpass.upscaling.faithful import FaithfulUpscaler
from fourpass.upscaling.upscaler import Upscaler
from fourpass.weights.family import families

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLOURS = ((0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 255), (255, 0, 255), (12, 200, 90), (128, 128, 128))


def packaged_strengths() -> tuple[float, ...]:
    """Those that the packaged weights allow."""
    found = families().get(DEFAULT_MODEL)
    return () if found is None else STRENGTHS if "strength" in found.axes else (0.0,)


@pytest.mark.slow
@pytest.mark.shared
def test_psnr_and_niqe_fall_with_strength(shared: Path) -> None:
    if len(packaged_strengths()) < len(STRENGTHS):
        pytest.skip("wants packaged weights with a dial")
    files = [shared / "data" / "eval" / "Set14" / name for name in ("comic.png", "zebra.png", "baboon.png")]
    curve = []
    for strength in STRENGTHS:
        upscaler = Upscaler(strength=strength)
        rows = []
        for file in files:
            high = decode(file)
            high = high[: high.shape[0] // 4 * 4, : high.shape[1] // 4 * 4]
            result = upscaler.upscale(shrink(high, 4), 4)
            rows.append((psnr(high, result), niqe(result, border=4)))
        curve.append(np.mean(rows, axis=0))
    decibels, scores = np.transpose(curve)
    assert (np.diff(decibels) < 0).all(), decibels
    assert (np.diff(scores) < 0).all(), scores


@pytest.mark.skipif(not packaged_strengths(), reason="wants the packaged weights")
@pytest.mark.parametrize("strength", packaged_strengths())
@pytest.mark.parametrize("scale", [2, 4])
def test_consistency_keeps_the_mean_of_any_flat_colour(strength: float, scale: int) -> None:
    upscaler = FaithfulUpscaler(strength=strength, consistent=True)
    for colour in COLOURS:
        patch = np.broadcast_to(np.array(colour, np.uint8), (16, 16, 3)).copy()
        moved = upscaler.upscale(patch, scale).mean(axis=(0, 1)) - colour
        assert np.abs(moved).max() < 1, (colour, moved)
