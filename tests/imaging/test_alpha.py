"""Colour under transparency, and the bounds of enlarged transparency."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass.imaging import alpha
from fourpass.imaging.resize import imresize


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bleeding_reaches_every_hidden_pixel_and_touches_no_other(dtype: type) -> None:
    top = np.iinfo(dtype).max
    random = np.random.default_rng(0)
    colours = random.integers(0, top, (37, 53, 3)).astype(dtype)
    plane = np.zeros((37, 53), dtype)
    plane[10:14, 20:26] = random.integers(1, top, (4, 6))
    colours[10:14, 20:26] = (top // 2, top // 4, top)
    result = alpha.bleed(colours, plane)
    assert result.dtype == dtype
    assert np.array_equal(result[plane > 0], colours[plane > 0])
    hidden = result[plane == 0].astype(int)
    assert np.abs(hidden - (top // 2, top // 4, top)).max() <= 1  # nothing of the colours that were hidden


def test_nearer_colours_weigh_more() -> None:
    colours = np.zeros((8, 64, 3), np.uint8)
    colours[:, -1] = 255
    plane = np.zeros((8, 64), np.uint8)
    plane[:, 0] = plane[:, -1] = 255
    line = alpha.bleed(colours, plane)[4, :, 0].astype(int)
    assert line[1] == 0
    assert line[-2] == 255
    assert (np.diff(line) >= 0).all()


def test_faint_pixels_weigh_little() -> None:
    colours = np.array([[[255], [0], [9]]], np.uint8).repeat(1, 0)
    plane = np.array([[1, 255, 0]], np.uint8)
    wide = np.concatenate([plane, np.zeros((1, 1), np.uint8)], 1)
    filled = alpha.bleed(np.concatenate([colours, colours[:, 2:]], 1), wide)
    assert filled[0, 2:].max() <= 2


def test_many_opaque_pixels_weigh_no_more_than_one() -> None:
    """Cells of 2x2: one of four opaque pixels, one of a single one, two hidden. By hand, a level above: 200 and 100."""
    colours = np.zeros((4, 4, 1), np.uint8)
    plane = np.zeros((4, 4), np.uint8)
    colours[:2, :2], plane[:2, :2] = 200, 255
    colours[0, 2], plane[0, 2] = 100, 255
    filled = alpha.bleed(colours, plane)[..., 0]
    assert filled.tolist() == [[200, 200, 100, 100]] * 2 + [[150] * 4] * 2


def test_half_opaque_pixels_weigh_half() -> None:
    """A cell of 64 at 255 and of 190 at 85, a third: (64 + 190 / 3) / (4 / 3) = 95.5, rounded up."""
    colours = np.array([[[64], [190]], [[9], [9]]], np.uint8)
    plane = np.array([[255, 85], [0, 0]], np.uint8)
    assert alpha.bleed(colours, plane)[..., 0].tolist() == [[64, 190], [96, 96]]


def test_without_anything_to_bleed_nothing_changes() -> None:
    colours = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    for value in (0, 255, 7):
        assert np.array_equal(alpha.bleed(colours, np.full((3, 3), value, np.uint8)), colours)


def test_constant() -> None:
    assert alpha.constant(np.full((3, 4), 9, np.uint8)) == 9
    assert alpha.constant(np.array([[0, 1]], np.uint8)) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(160, 240), (120, 170), (40, 60), (90, 60)])
def test_opaque_and_transparent_stay_exact(size: tuple[int, int], dtype: type) -> None:
    top = np.iinfo(dtype).max
    plane = np.zeros((40, 60), dtype)
    plane[:, 30:] = top
    result = np.concatenate(list(alpha.enlarge(plane, size)))
    assert result.shape == size
    assert result.dtype == dtype
    columns = (np.arange(size[1]) + 0.5) * 60 / size[1]
    assert (result[:, columns < 29] == 0).all()
    assert (result[:, columns > 31] == top).all()
    assert (np.diff(result.astype(int), axis=1) >= 0).all()  # no ringing


@pytest.mark.parametrize("size", [(150, 101), (20, 31), (60, 20), (40, 60)])
def test_enlarging_is_bicubic_but_for_the_ringing(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    plane = (127 + 60 * np.sin(np.arange(40)[:, None] / 5) * np.cos(np.arange(60) / 7)).astype(np.uint8)
    plane += random.integers(0, 2, plane.shape).astype(np.uint8)
    result = np.concatenate(list(alpha.enlarge(plane, size))).astype(float)
    whole = imresize(plane.astype(np.float64), size=size)
    inside = np.abs(result - whole)
    assert np.median(inside) <= 0.5
    assert inside.max() < 4


def test_a_single_pixel() -> None:
    for value in (0, 7, 255):
        result = np.concatenate(list(alpha.enlarge(np.array([[value]], np.uint8), (4, 4))))
        assert (result == value).all()
