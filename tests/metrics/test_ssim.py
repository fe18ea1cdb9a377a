"""SSIM against scikit-image and, with repeated borders, against a direct sum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate
from skimage.metrics import structural_similarity

from fourpass.errors import ConfigError, MetricError
from fourpass.metrics.filters import filter_valid, gaussian
from fourpass.metrics.protocol import planes
from fourpass.metrics.ssim import ssim


def _skimage(left: np.ndarray, right: np.ndarray) -> float:
    return float(
        structural_similarity(
            left, right, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
    )


@pytest.mark.parametrize("channel", ["y", "y8", "gray", "rgb"])
@pytest.mark.parametrize("border", [0, 4])
def test_equals_scikit_image(picture: np.ndarray, channel: str, border: int) -> None:
    random = np.random.default_rng(1)
    worse = np.clip(picture + random.normal(0, 15, picture.shape), 0, 255).astype(np.uint8)
    pairs = zip(planes(picture, channel, border), planes(worse, channel, border), strict=True)  # type: ignore[arg-type]
    expected = np.mean([_skimage(left, right) for left, right in pairs])
    assert ssim(picture, worse, channel=channel, border=border) == pytest.approx(expected, abs=1e-9)  # type: ignore[arg-type]


def test_same_region_by_a_direct_sum(picture: np.ndarray) -> None:
    left, right = picture[:40, :50, 0].astype(float), picture[:40, :50, 1].astype(float)
    window = np.outer(gaussian(11, 1.5), gaussian(11, 1.5))
    mean_l, mean_r, ll, rr, lr = (
        correlate(plane, window, mode="nearest") for plane in (left, right, left**2, right**2, left * right)
    )
    c1, c2 = 6.5025, 58.5225
    expected = (2 * mean_l * mean_r + c1) * (2 * (lr - mean_l * mean_r) + c2)
    expected /= (mean_l**2 + mean_r**2 + c1) * (ll - mean_l**2 + rr - mean_r**2 + c2)
    assert ssim(left, right, channel="rgb", border=0, region="same") == pytest.approx(expected.mean(), abs=1e-12)


def test_equal_pictures_have_one_and_it_is_symmetric(picture: np.ndarray) -> None:
    assert ssim(picture, picture) == pytest.approx(1, abs=1e-12)
    other = np.roll(picture, 1, axis=0)
    assert ssim(picture, other) == pytest.approx(ssim(other, picture), abs=1e-12)
    flat = np.full((30, 30), 80, np.uint8)
    assert ssim(flat, flat) == pytest.approx(1, abs=1e-9)


def test_refusals(picture: np.ndarray) -> None:
    with pytest.raises(MetricError, match="11x11"):
        ssim(picture[:18, :40], picture[:18, :40])
    assert ssim(picture[:19, :40], picture[:19, :40]) == pytest.approx(1)
    with pytest.raises(ConfigError, match="region"):
        ssim(picture, picture, region="full")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(11, 11), (11, 64), (45, 43), (97, 33)])
@pytest.mark.parametrize("size", [3, 7, 11])
def test_the_filter_equals_scipys(shape: tuple[int, int], size: int) -> None:
    plane = np.random.default_rng(3).normal(size=(2, *shape))
    taps = np.random.default_rng(4).normal(size=size)
    reach = size // 2
    inside = (slice(reach, shape[0] - reach), slice(reach, shape[1] - reach))
    expected = np.stack([correlate(layer, np.outer(taps, taps))[inside] for layer in plane])
    np.testing.assert_allclose(filter_valid(plane, taps), expected, atol=1e-12)
