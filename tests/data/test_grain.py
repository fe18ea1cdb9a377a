"""Grain laid over training patches."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass.data.grain import add_grain
from fourpass.data.training_images import shrink


def test_it_has_its_level_and_is_mostly_gray() -> None:
    low, high = np.full((3, 64, 64), 128, np.uint8), np.full((3, 256, 256), 128, np.uint8)
    _, grained = add_grain(low, high, 4.0, np.random.default_rng(0))
    grain = grained.astype(float) - 128
    assert grain.std() == pytest.approx(np.hypot(4, 1 / np.sqrt(12)), rel=0.02)  # and what rounding adds
    assert abs(grain.mean()) < 0.05
    channels = np.corrcoef(grain.reshape(3, -1))
    assert channels[0, 1] == pytest.approx(1 / 1.09, abs=0.03)  # 1 shared, 0.3 each channel's own
    assert abs(np.corrcoef(grain[0, :, 1:].ravel(), grain[0, :, :-1].ravel())[0, 1]) < 0.02


def test_low_is_the_shrunk_high() -> None:
    high = np.random.default_rng(1).integers(60, 190, (128, 128, 3), np.uint8)
    low = shrink(high, 4)
    got_low, got_high = add_grain(low.transpose(2, 0, 1), high.transpose(2, 0, 1), 6.0, np.random.default_rng(2))
    wanted = shrink(np.ascontiguousarray(got_high.transpose(1, 2, 0)), 4)
    away = np.abs(wanted.astype(int) - got_low.transpose(1, 2, 0))
    assert away.max() <= 2  # rounded once here, twice there
    assert np.abs(wanted.astype(int) - low).mean() > 2 * away.mean()


def test_it_stays_within_range_and_leaves_its_input() -> None:
    low, high = np.zeros((3, 8, 8), np.uint8), np.full((3, 32, 32), 255, np.uint8)
    _, grained = add_grain(low, high, 3.0, np.random.default_rng(0))
    assert grained.dtype == np.uint8
    assert 240 < grained.min() < 255
    assert high.min() == 255
