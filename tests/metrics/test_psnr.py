"""PSNR, RMSE, LR consistency and the perceptual index against numbers worked by hand, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fourpass.errors import ConfigError, FourpassError, MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.consistency import lr_psnr
from fourpass.metrics.pi import perceptual_index
from fourpass.metrics.protocol import planes
from fourpass.metrics.psnr import psnr, rmse


def test_a_constant_difference_by_hand() -> None:
    reference = np.full((20, 30, 3), 100, np.uint8)
    image = reference + np.uint8(5)
    assert rmse(reference, image, channel="rgb") == 5
    assert psnr(reference, image, channel="rgb") == pytest.approx(34.15140352195873, abs=1e-12)  # 20 log10(51)
    # Y spans 219 of 255: the same difference is 5 * 219 / 255 there.
    assert rmse(reference, image) == pytest.approx(5 * 219 / 255, abs=1e-12)
    # Y 101.88 and 106.18 round to 102 and 106.
    assert rmse(reference, image, channel="y8") == 4


def test_luma_by_hand() -> None:
    red = np.zeros((12, 12, 3), np.uint8)
    red[..., 0] = 255
    assert planes(red, "y", 0)[0][0, 0] == pytest.approx(16 + 65.481)
    assert planes(red, "y8", 0)[0][0, 0] == 81
    assert planes(red, "gray", 0)[0][0, 0] == 76  # 0.2989 * 255


def test_unequal_channels_have_one_mean() -> None:
    reference = np.zeros((10, 10, 3))
    image = reference + np.array([3.0, 0.0, 4.0])
    assert rmse(reference, image, channel="rgb", border=0) == pytest.approx(math.sqrt(25 / 3))


def test_the_border_is_left_out() -> None:
    reference = np.zeros((20, 20), np.uint8)
    image = reference.copy()
    image[3, :] = 200
    assert psnr(reference, image, border=4) == math.inf
    assert psnr(reference, image, border=3) < 40


def test_gray_equals_its_rgb() -> None:
    random = np.random.default_rng(0)
    gray, other = random.integers(0, 256, (2, 24, 24), dtype=np.uint8)
    as_rgb = [np.repeat(plane[..., None], 3, axis=2) for plane in (gray, other)]
    assert psnr(gray, other) == pytest.approx(psnr(*as_rgb), abs=1e-9)
    assert psnr(gray[..., None], other) == psnr(gray, other)


@pytest.mark.parametrize(
    ("reference", "image", "words"),
    [
        (np.zeros((20, 20)), np.zeros((20, 21)), "differ in size"),
        (np.zeros((20, 20, 4)), np.zeros((20, 20, 4)), "not a picture"),
        (np.zeros((8, 20)), np.zeros((8, 20)), "nothing left"),
        (np.zeros((20, 20)), np.full((20, 20), np.nan), "0..255"),
        (np.zeros((20, 20)), np.full((20, 20), 256.0), "0..255"),
        (np.zeros((20, 20)), np.full((20, 20), -1), "0..255"),
        (np.zeros((20, 20), bool), np.zeros((20, 20), bool), "dtype"),
        (np.zeros((0, 20)), np.zeros((0, 20)), "not a picture"),
        (np.zeros(20), np.zeros(20), "not a picture"),
    ],
)
def test_refuses_what_it_is_not_defined_for(reference: np.ndarray, image: np.ndarray, words: str) -> None:
    with pytest.raises(MetricError, match=words):
        psnr(reference, image)


def test_refuses_gray_against_colour_in_rgb_and_unknown_channels() -> None:
    with pytest.raises(MetricError, match="one picture is gray"):
        psnr(np.zeros((20, 20)), np.zeros((20, 20, 3)), channel="rgb")
    with pytest.raises(ConfigError, match="cb"):
        psnr(np.zeros((20, 20)), np.zeros((20, 20)), channel="cb")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="negative"):
        psnr(np.zeros((20, 20)), np.zeros((20, 20)), border=-1)


def test_lr_psnr_of_bicubic_and_of_a_shift(picture: np.ndarray) -> None:
    low = imresize(picture, 0.25)
    assert lr_psnr(picture, low) == math.inf  # shrunk the same way, to the bit
    faithful = lr_psnr(imresize(low, 4.0), low)
    shifted = lr_psnr(np.roll(imresize(low, 4.0), 2, axis=1), low, border=2)
    assert faithful > shifted + 5
    assert lr_psnr(picture.astype(np.float64), low) > 45  # differs by rounding alone


@pytest.mark.parametrize("size", [(40, 62), (40, 58), (40, 30), (60, 60), (20, 60), (20, 30), (10, 15), (41, 30)])
def test_lr_psnr_refuses_a_picture_of_another_shape(size: tuple[int, int]) -> None:
    """Of 30x20 pixels: one side too long or short by a whole cell, the wrong way round, or not enlarged at all."""
    rows, columns = size
    with pytest.raises(MetricError, match=f"{columns}x{rows} is not 30x20 upscaled; give the result and its own input"):
        lr_psnr(np.full((rows, columns, 3), 9, np.uint8), np.full((20, 30, 3), 9, np.uint8))


@pytest.mark.parametrize("size", [(40, 60), (40, 61), (40, 59), (30, 45), (21, 31)])
def test_lr_psnr_takes_sides_that_were_rounded(size: tuple[int, int]) -> None:
    low = np.full((20, 30, 3), 100, np.uint8)
    assert lr_psnr(np.full((*size, 3), 100, np.uint8), low) == math.inf
    # 10 of 255 everywhere: 20 log10(25.5)
    for dtype in (np.uint8, np.float32):
        assert lr_psnr(np.full((*size, 3), 110, dtype), low) == pytest.approx(28.1308036, abs=1e-5)


def test_lr_psnr_refuses_sizes_that_do_not_belong_together(picture: np.ndarray) -> None:
    for other in (picture, picture[:50, :50], picture[:0]):
        with pytest.raises(FourpassError):
            lr_psnr(picture, other)


def test_perceptual_index_by_hand() -> None:
    assert perceptual_index(8.8267, 2.1) == pytest.approx(1.63665)
