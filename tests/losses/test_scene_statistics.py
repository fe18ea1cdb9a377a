"""Statistics of natural scenes, beside those that NIQE is computed from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fourpass.imaging.color import luma
from fourpass.imaging.resize import imresize
from fourpass.losses.scene_statistics import StatisticsBias, scene_statistics
from fourpass.metrics.natural_scene import neighbour_products, normalise


def pictures(count: int, side: int = 64, seed: int = 0) -> Tensor:
    """Blurred noise, some of it clipped, in whole grey levels."""
    noise = np.random.default_rng(seed).normal(128, 90, (count, 3, side + 2, side + 2))
    blurred = (noise[..., :-2, :-2] + noise[..., 1:-1, 1:-1] + noise[..., 2:, 2:]) / 3
    return torch.from_numpy(np.clip(np.rint(blurred), 0, 255)).float()


def test_they_are_moments_of_what_niqe_fits() -> None:
    (picture,) = pictures(1)
    plane = np.rint(luma(picture.permute(1, 2, 0).numpy()))
    wanted = []
    for size in range(2):
        plane = imresize(plane, 0.5) if size else plane
        normal = normalise(plane, "edge")[3:-3, 3:-3]  # where the window lies inside
        wanted += [np.abs(normal).mean(), normal.std()]
        normal = np.ascontiguousarray(normal)
        for rows, columns in ((0, 1), (1, 0), (1, 1), (-1, 1)):
            moved = np.roll(normal, (rows, columns), (0, 1))
            inside = (slice(max(rows, 0), normal.shape[0] + min(rows, 0)), slice(columns, None))
            product = (normal * moved)[inside]
            positive, negative = product.clip(min=0), (-product).clip(min=0)
            wanted += [part.mean() for part in (positive, negative)]
            wanted += [np.sqrt((part**2).mean()) for part in (positive, negative)]
    found = scene_statistics(picture[None])[0].numpy()
    # The mean is subtracted from the deviation above, and a variance below 1e-4 counts as that.
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-4)


def test_a_faint_picture_by_a_direct_transcription() -> None:
    """Differences of one grey level, where what keeps the divisor and its slope above 0 counts: 1 and 1e-4."""
    levels = np.full((24, 24), 100.0)
    levels[5::7, 3::6] += 1
    picture = torch.from_numpy(levels).float().expand(1, 3, 24, 24)
    plane = np.rint(luma(np.repeat(levels[..., None], 3, axis=2)))
    assert np.unique(plane).tolist() == [102, 103]
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    around = np.lib.stride_tricks.sliding_window_view(plane - plane.mean(), (7, 7))
    mean = (around * window).sum((2, 3))
    variance = (around**2 * window).sum((2, 3)) - mean**2
    normal = (around[..., 3, 3] - mean) / (np.sqrt(variance + 1e-4) + 1)
    found = scene_statistics(picture)[0].numpy()
    wanted = [np.abs(normal).mean(), np.sqrt((normal**2).mean() + 1e-8)]
    product = normal[:, :-1] * normal[:, 1:]
    wanted += [product.clip(min=0).mean(), (-product).clip(min=0).mean()]
    wanted += [np.sqrt((part**2).mean() + 1e-8) for part in (product.clip(min=0), product.clip(max=0))]
    np.testing.assert_allclose(found[:6], wanted, rtol=2e-4)


def test_directions_without_variance_count_as_a_millionth_of_the_largest() -> None:
    """Length 2 along a direction of variance 4, and 0.01 along one of none: 2^2 / 4 and 0.01^2 / (4 * 1e-6)."""
    covariance = torch.zeros(36, 36)
    covariance[0, 0] = 4
    whitening = StatisticsBias(covariance).whitening
    for place, length, wanted in ((0, 2.0, 1.0), (7, 0.01, 25.0)):
        away = torch.zeros(36)
        away[place] = length
        assert float((away @ whitening).square().sum()) == pytest.approx(wanted, rel=1e-4)


def test_neighbours_are_those_of_the_metric() -> None:
    """A texture that is like its neighbours to the left, above and along the diagonals in four degrees."""
    noise = np.random.default_rng(4).normal(0, 20, (98, 98))
    plane = np.rint(128 + noise[1:-1, 1:-1] + 1.2 * noise[1:-1, :-2] - 0.6 * noise[:-2, 1:-1] + 0.3 * noise[:-2, :-2])
    texture = torch.from_numpy(np.clip(plane, 0, 255)).float().expand(1, 3, 96, 96)
    products = np.array([product.mean() for product in neighbour_products(normalise(plane, "edge")[None])])
    parts = scene_statistics(texture)[0, 2:18].view(4, 4).numpy()
    assert np.diff(np.sort(products)).min() > 0.02
    np.testing.assert_allclose(parts[:, 0] - parts[:, 1], products, atol=0.02)


def test_rounding_is_seen_and_not_in_the_way() -> None:
    """What files round away does not count, and the slope is there nevertheless."""
    picture = pictures(2)
    torch.testing.assert_close(scene_statistics(picture + 0.3), scene_statistics(picture))
    moved = picture.clone().requires_grad_()
    scene_statistics(moved).sum().backward()
    assert moved.grad is not None
    assert moved.grad.isfinite().all()
    assert (moved.grad != 0).float().mean() > 0.9


def test_flat_patches_have_a_finite_slope() -> None:
    flat = torch.full((1, 3, 32, 32), 77.0, requires_grad=True)
    found = scene_statistics(flat)
    found.sum().backward()
    # Means are 0; the root of what is 0 is of 1e-8, so that it has a slope.
    wanted = torch.tensor(([0, 1e-4] + [0, 0, 1e-4, 1e-4] * 4) * 2)
    torch.testing.assert_close(found.detach()[0], wanted, rtol=1e-3, atol=1e-9)
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_the_bias_is_a_whitened_mean() -> None:
    truth, upscaled = pictures(6, seed=1), pictures(6, seed=2) * 0.5 + 60
    covariance = torch.cov(scene_statistics(pictures(200, 32, seed=3)).T)
    bias = StatisticsBias(covariance, steps=1)
    away = (scene_statistics(upscaled) - scene_statistics(truth)).mean(0).double()
    wanted = away @ torch.linalg.pinv(covariance.double(), rtol=1e-9) @ away
    assert float(bias(truth, upscaled)) == pytest.approx(float(wanted), rel=0.02)
    assert float(bias(truth, truth)) == 0


def test_the_bias_forgets() -> None:
    truth, upscaled = pictures(2, seed=1), pictures(2, seed=2) * 0.5 + 60
    bias = StatisticsBias(torch.eye(36), steps=4)
    lengths = []
    for _ in range(3):
        bias(truth, upscaled)
        lengths.append(float(bias.bias.norm()))
    assert lengths[1] / lengths[0] == pytest.approx(1 + 3 / 4, rel=1e-4)
    assert lengths[2] / lengths[0] == pytest.approx(1 + 3 / 4 + 9 / 16, rel=1e-4)
    bias(truth, truth)
    assert float(bias.bias.norm()) == pytest.approx(0.75 * lengths[2], rel=1e-4)


def test_processes_agree_on_the_bias() -> None:
    truth, upscaled = pictures(2, seed=1), pictures(2, seed=2) * 0.5 + 60
    alone, together = StatisticsBias(torch.eye(36)), StatisticsBias(torch.eye(36))
    alone(truth, upscaled)
    together(truth, upscaled, lambda away: away / 2)
    torch.testing.assert_close(together.bias, alone.bias / 2)


def test_its_slope_lessens_the_bias() -> None:
    truth = pictures(4, seed=1)
    upscaled = (truth * 0.6 + 50).requires_grad_()
    bias = StatisticsBias(torch.cov(scene_statistics(pictures(200, 32, seed=3)).T), steps=1)
    before = bias(truth, upscaled)
    before.backward()
    assert upscaled.grad is not None
    step = upscaled.grad / upscaled.grad.abs().max() * 8
    with torch.no_grad():
        assert float(bias(truth, upscaled - step)) < 0.9 * float(before)
        assert float(bias(truth, upscaled + step)) > float(before)
