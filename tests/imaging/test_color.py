"""Colour conversion against MATLAB's documented values."""

import numpy as np
import pytest

from fourpass.imaging.color import luma, rgb_to_ycbcr, ycbcr_to_rgb


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81.481, 90.203, 240)),
        ((0, 255, 0), (144.553, 53.797, 34.214)),
        ((0, 0, 255), (40.966, 240, 109.786)),
    ],
)
def test_corners_of_the_cube(rgb, ycbcr):
    np.testing.assert_allclose(rgb_to_ycbcr(np.array(rgb, np.uint8)), ycbcr, atol=1e-9)


def test_there_and_back():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3))
    np.testing.assert_allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb, atol=1e-9)


def test_luma_is_the_first_channel_and_gray_is_equal_channels():
    gray = np.random.default_rng(1).integers(0, 256, (6, 5), np.uint8)
    rgb = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_allclose(luma(rgb), rgb_to_ycbcr(rgb)[..., 0], atol=1e-12)
    np.testing.assert_allclose(luma(gray), luma(rgb), atol=1e-9)
    np.testing.assert_allclose(luma(gray[..., None]), luma(gray))
