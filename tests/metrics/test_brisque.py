"""BRISQUE against LIVE's values and a direct transcription of its features."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.special import gamma

from fourpass.errors import MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.brisque import brisque, features, live_model
from fourpass.metrics.protocol import planes


@pytest.mark.shared
@pytest.mark.parametrize(("name", "expected"), [("I04", -0.107618), ("I06", 0.992889)])
def test_equals_lives_program(saturation_sample: Callable[[str], np.ndarray], name: str, expected: float) -> None:
    # LIVE's program writes features to six digits between its two halves; the score moves by 0.0005 for that.
    assert brisque(saturation_sample(name)) == pytest.approx(expected, abs=0.002)


@pytest.mark.shared
def test_equals_lives_program_to_the_last_digit_when_it_rounds_as_that(
    saturation_sample: Callable[[str], np.ndarray],
) -> None:
    model = live_model()
    found = features(planes(saturation_sample("I04"), "gray", 0)[0])
    written = np.array([float(f"{value:f}") for value in found])  # what goes into svm-scale ...
    scaled = 2 * (written - model.low) / (model.high - model.low) - 1
    scaled = np.array([float(f"{value:g}") for value in scaled])  # ... and what comes out
    distances = np.sum((model.vectors - scaled) ** 2, axis=1)
    score = model.coefficients @ np.exp(-model.gamma * distances) - model.rho
    assert score == pytest.approx(-0.107618, abs=1e-6)


def test_the_regression_is_lives() -> None:
    model = live_model()
    assert model.vectors.shape == (774, 36)
    assert (model.gamma, model.rho) == (0.05, -153.591)
    assert np.abs(model.coefficients).max() == 1024
    assert abs(model.coefficients.sum()) < 0.01  # what support vector regression asks of its coefficients
    assert (model.high > model.low).all()


@pytest.mark.parametrize("place", [0.0, 0.25, 0.5, 1.0])
def test_the_score_of_known_features_by_hand(place: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each feature this far between its ends, which become -1 and 1; summed one support vector after the other."""
    model = live_model()
    known = model.low + place * (model.high - model.low)
    monkeypatch.setattr("fourpass.metrics.brisque.features", lambda plane: known)
    score = 153.591
    for coefficient, vector in zip(model.coefficients.tolist(), model.vectors.tolist(), strict=True):
        score += coefficient * math.exp(-0.05 * sum((each - (2 * place - 1)) ** 2 for each in vector))
    assert brisque(np.zeros((20, 20), np.uint8)) == pytest.approx(score, abs=1e-6)


def test_features_by_a_direct_transcription(picture: np.ndarray) -> None:
    plane = picture[:60, :90, 1].astype(np.float64)
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    tried = np.arange(0.2, 10.0005, 0.001)
    table = gamma(2 / tried) ** 2 / (gamma(1 / tried) * gamma(3 / tried))
    expected: list[float] = []
    for level in (plane, imresize(plane, 0.5)):
        mean = correlate(level, window, mode="constant")
        normal = (level - mean) / (np.sqrt(np.abs(correlate(level**2, window, mode="constant") - mean**2)) + 1)
        wanted = np.mean(np.abs(normal)) ** 2 / np.mean(normal**2)
        expected += [tried[np.argmin(np.abs(table - wanted))], np.mean(normal**2)]
        for offset in ((0, 1), (1, 0), (1, 1), (-1, 1)):
            product = normal * np.roll(normal, offset, (0, 1))
            left, right = np.sqrt([np.mean(product[side] ** 2) for side in (product < 0, product > 0)])
            ratio = left / right
            wanted = np.mean(np.abs(product)) ** 2 / np.mean(product**2)
            wanted *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
            alpha = tried[np.argmin(np.abs(table - wanted))]
            middle = (right - left) * gamma(2 / alpha) / np.sqrt(gamma(1 / alpha) * gamma(3 / alpha))
            expected += [alpha, middle, left**2, right**2]
    np.testing.assert_allclose(features(plane), expected, rtol=1e-6, atol=1e-9)


def test_blur_and_noise_score_worse(picture: np.ndarray) -> None:
    noisy = np.clip(picture + np.random.default_rng(0).normal(0, 40, picture.shape), 0, 255)
    assert brisque(noisy) > brisque(picture) + 10


def test_refusals() -> None:
    with pytest.raises(MetricError, match="16x16"):
        brisque(np.zeros((15, 40), np.uint8))
    for flat in (np.zeros((40, 40), np.uint8), np.full((40, 40), 77, np.uint8)):
        with pytest.raises(MetricError, match="flat"):
            brisque(flat)
