"""Back-projection, the disagreement map and the pixel side of the dial."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from fourpass.errors import ConfigError, ImageError
from fourpass.imaging.resize import imresize
from fourpass.upscaling.consistency import (
    back_project,
    disagreement,
    disagreement_picture,
    keep_colour,
)
from fourpass.upscaling.dial import blend, blend_levels, levels_of, strength_map

RNG = np.random.default_rng(1)


def scene(dtype: type = np.uint8, rows: int = 24, columns: int = 20) -> NDArray[np.generic]:
    """Smooth blobs away from black and white, on the dtype's range."""
    small = RNG.uniform(0.25, 0.75, (rows // 4, columns // 4, 3)).astype(np.float32)
    values = np.clip(imresize(small, size=(rows, columns)), 0, 1)
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    return (values * top).round(0 if top > 1 else 6).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("scale", [2, 4, 3])
def test_back_projection_gives_the_input_back(dtype: type, scale: int) -> None:
    low = scene(dtype)
    noisy = np.clip(low.astype(np.float64) * 0.9, 0, None).astype(dtype)
    upscaled = imresize(noisy, scale)
    result, reached = back_project(upscaled, low)
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    shrunk = imresize(result.astype(np.float64), size=low.shape[:2])
    worst = np.abs(shrunk - low.astype(np.float64)).max() / top
    assert reached.reached
    assert reached.steps >= 1
    assert worst <= 1 / 255 + 1e-6
    assert reached.worst == pytest.approx(worst, abs=1e-5)
    assert reached.lr_psnr > 48
    assert result.dtype == dtype
    assert result.shape == upscaled.shape


def test_a_consistent_picture_is_left_alone() -> None:
    high = scene(np.uint8, 48, 48)
    low = imresize(high.astype(np.float32), 0.25).round().astype(np.uint8)
    result, reached = back_project(high, low)
    assert reached.steps == 0
    np.testing.assert_array_equal(result, high)


def test_detail_survives_back_projection() -> None:
    """What shrinking cannot see is not taken away: a fine checkerboard keeps its contrast."""
    low = np.full((12, 12), 100, np.uint8)
    checkers = np.where(np.indices((48, 48)).sum(axis=0) % 2 == 0, 140, 80).astype(np.uint8)
    result, reached = back_project(checkers, low)
    assert reached.reached
    assert float(result.std()) == pytest.approx(float(checkers.std()), rel=0.05)
    assert abs(float(result.mean()) - 100) < 1


def test_out_of_steps_is_said() -> None:
    low = np.full((8, 8), 255, np.uint8)
    _, reached = back_project(np.zeros((32, 32), np.uint8), low, steps=0)
    assert not reached.reached
    assert reached.worst == 1.0
    assert reached.lr_psnr == pytest.approx(0)


def test_back_projection_of_the_identical_is_infinite_psnr() -> None:
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert math.isinf(back_project(np.full((32, 32, 3), 77, np.uint8), flat)[1].lr_psnr)


def test_back_projection_refuses() -> None:
    flat = np.zeros((8, 8), np.uint8)
    with pytest.raises(ImageError, match="16x16 pixels is larger than its upscaled picture of 8x8"):
        back_project(flat, np.zeros((16, 16), np.uint8))
    with pytest.raises(ImageError, match="must agree in dtype"):
        back_project(flat, np.zeros((4, 4), np.uint16))
    with pytest.raises(ImageError, match="float64"):
        back_project(flat.astype(np.float64), flat.astype(np.float64))
    with pytest.raises(ConfigError, match="steps -1"):
        back_project(flat, flat, steps=-1)


def test_keep_colour_removes_slow_shifts_and_leaves_detail() -> None:
    low = RNG.uniform(90, 150, (12, 16, 3)).astype(np.float32)
    detail = np.tile(np.array([[12, -12], [-12, 12]], np.float32), (24, 32))[..., None]
    output = np.repeat(np.repeat(low, 4, axis=0), 4, axis=1) + detail
    np.testing.assert_allclose(keep_colour(output, low), output, atol=1e-3)
    np.testing.assert_allclose(keep_colour(output + 3, low), output, atol=1e-3)


def test_keep_colour_sees_through_clipping() -> None:
    low = np.full((8, 8, 3), 254, np.float32)
    ringing = np.where(np.indices((32, 32)).sum(axis=0) % 2 == 0, 262, 246).astype(np.float32)[..., None]
    output = np.repeat(ringing, 3, axis=2)
    assert np.clip(output, 0, 255).mean() < 251
    assert np.clip(keep_colour(output, low), 0, 255).mean() == pytest.approx(254, abs=1.5)


@pytest.mark.parametrize(
    ("cell", "target", "added"),
    [
        # 262 shows as 255: the mean is 3.5 short, then (255 + 249.5) / 2 = 252.25 is 1.75 short, which counts twice.
        ((262, 246), 254, 3.5 + 2 * 1.75),
        # Three of four clip, so that 1/4 of each gain shows: 2.75 short, 2.0625 by two, 1.03125 by two.
        ((270, 270, 270, 240), 254, 2.75 + 2 * 2.0625 + 2 * 1.03125),
    ],
)
def test_each_round_of_keep_colour_by_hand(cell: tuple[int, ...], target: int, added: float) -> None:
    low = np.full((9, 9, 3), target, np.float32)
    pixels = np.array(cell * 2 if len(cell) == 2 else cell, np.float32).reshape(2, 2)
    output = np.tile(pixels, (9, 9))[..., None].repeat(3, axis=2)
    np.testing.assert_allclose(keep_colour(output, low) - output, added, atol=2e-4)


def test_keep_colour_looks_over_two_squares_of_five() -> None:
    """One input pixel in the middle lacks 100: a box of 5 over a box of 5 makes it a pyramid 9 wide, its top 100/25."""
    low = np.full((13, 13, 1), 100, np.float32)
    low[6, 6] = 200
    output = np.full((26, 26, 1), 100, np.float32)
    slope = np.array([0, 0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 0]) / 25
    wanted = output + imresize((100 * np.outer(slope, slope))[..., None], 2)
    np.testing.assert_allclose(keep_colour(output, low, gains=(1.0,)), wanted, atol=1e-3)


def test_disagreement_by_hand() -> None:
    faithful = np.zeros((5, 5, 3), np.uint8)
    perceptual = faithful.copy()
    perceptual[2, 2] = (255, 0, 0)
    plain = disagreement(faithful, perceptual, radius=0)
    assert plain[2, 2] == pytest.approx(1 / 3)
    assert plain.sum() == pytest.approx(1 / 3)
    spread = disagreement(faithful, perceptual, radius=1)
    np.testing.assert_allclose(spread[1:4, 1:4], 1 / 27, rtol=1e-5)
    assert spread[0].max() == 0


def test_disagreement_picture_saturates_at_white() -> None:
    values = np.array([[0, 1 / 16, 1 / 8, 1]], np.float32)
    assert disagreement_picture(values).tolist() == [[0, 128, 255, 255]]
    with pytest.raises(ConfigError, match="white 0"):
        disagreement_picture(values, white=0)


def test_strength_map_is_resized_and_gray() -> None:
    mask = np.zeros((2, 2, 4), np.uint8)
    mask[:, 1, :3] = 255
    strengths = strength_map(mask, (8, 8))
    assert strengths.shape == (8, 8)
    assert strengths[:, 0].max() < 0.05
    assert strengths[:, -1].min() > 0.95


def test_levels_that_a_map_needs() -> None:
    assert levels_of(np.array([[0.0, 0.0]], np.float32)) == (0.0,)
    assert levels_of(np.array([[1.0]], np.float32)) == (1.0,)
    assert levels_of(np.array([[0.5]], np.float32)) == (0.5,)
    assert levels_of(np.array([[0.0, 1.0]], np.float32)) == (0.0, 1.0)
    assert levels_of(np.array([[0.2]], np.float32)) == (0.0, 0.5)
    assert levels_of(np.array([[0.2, 0.9]], np.float32)) == (0.0, 0.5, 1.0)


def test_blend_levels_by_hand() -> None:
    pictures = {level: np.full((1, 5, 1), value, np.uint8) for level, value in ((0.0, 0), (0.5, 100), (1.0, 120))}
    strengths = np.array([[0, 0.25, 0.5, 0.75, 1]], np.float32)
    assert blend_levels(pictures, strengths)[0, :, 0].tolist() == [0, 50, 100, 110, 120]
    with pytest.raises(ConfigError, match="outside the range"):
        blend_levels({0.5: pictures[0.5]}, strengths)


def test_blend_by_hand_and_its_refusals() -> None:
    a, b = np.full((2, 2), 10, np.uint8), np.full((2, 2), 21, np.uint8)
    assert (blend(a, b, 0.5) == 16).all()
    assert (blend(a, b, 0) == a).all()
    assert (blend(a, b, 1) == b).all()
    with pytest.raises(ConfigError, match=r"not within 0\.\.1"):
        blend(a, b, 1.5)
    with pytest.raises(ConfigError, match="strength map of 3x2 pixels is not 2x2"):
        blend(a, b, np.zeros((2, 3), np.float32))
    with pytest.raises(ImageError, match="agree in dtype and shape"):
        blend(a, b[:1], 0.5)
