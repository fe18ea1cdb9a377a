"""The Upscaler that looks back at its input, with small made-up weights in place of the packaged ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fourpass.errors import ConfigError
from fourpass.imaging.resize import imresize
from fourpass.upscaling.faithful import FaithfulUpscaler
from fourpass.upscaling.results import FrameFacts
from fourpass.upscaling.shrinking import ShrinkMeter
from fourpass.upscaling.upscaler import Upscaler

pytest.importorskip("torch")


def picture(rows: int = 20, columns: int = 24) -> Any:
    blobs = np.random.default_rng(2).integers(60, 190, (rows // 4, columns // 4, 3)).astype(np.uint8)
    return imresize(blobs, size=(rows, columns))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [(80, 96), (53, 61), (20, 24)])
def test_the_meter_is_imresize_in_bands(dtype: Any, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    image = rng.uniform(0, 1 if dtype is np.float32 else np.iinfo(dtype).max, (20, 24, 3)).astype(dtype)
    large = rng.uniform(0, 1 if dtype is np.float32 else np.iinfo(dtype).max, (*size, 3)).astype(dtype)
    meter = ShrinkMeter(image, size)
    for start in range(0, size[0], 7):
        meter.add(large[start : start + 7])
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    error = np.mean(((imresize(large.astype(np.float64), size=(20, 24)) - image) / top) ** 2)
    assert meter.decibels() == pytest.approx(-10 * np.log10(error), abs=1e-4)


@pytest.mark.usefixtures("small_relatives")
def test_a_plain_run_is_measured_and_left_alone() -> None:
    upscaler = FaithfulUpscaler(strength=0.0, backend="torch")
    found: list[FrameFacts] = []
    result = upscaler.upscale(picture(), 4, facts=found.append)
    plain = Upscaler(strength=0.0, backend="torch").upscale(picture(), 4, facts=found.append)
    np.testing.assert_array_equal(result, plain)
    first, second = found
    assert first == second
    assert first.lr_psnr is not None
    assert 0 < first.lr_psnr < 100
    assert first.consistent is None


@pytest.mark.usefixtures("small_relatives")
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_consistency_gives_the_input_back(strength: float) -> None:
    upscaler = FaithfulUpscaler(strength=strength, backend="torch", consistent=True)
    found: list[FrameFacts] = []
    result = upscaler.upscale(picture(), 4, facts=found.append)
    (facts,) = found
    assert facts.consistent
    assert np.abs(imresize(result.astype(float), 0.25) - picture()).max() <= 1 + 1e-3
    with pytest.raises(ConfigError, match="consistency works only for enlarging; 12x10"):
        upscaler.upscale(picture(), size=(10, 12))


@pytest.mark.usefixtures("small_relatives")
def test_disagreement_is_found_once_a_frame() -> None:
    shares: list[float] = []
    upscaler = FaithfulUpscaler(strength=0.3, backend="torch", disagreement=True)
    found: list[FrameFacts] = []
    upscaler.upscale(picture(), 2, progress=shares.append, facts=found.append)
    (facts,) = found
    assert facts.disagreement is not None
    assert facts.disagreement.shape == (40, 48)
    assert facts.disagreement.max() > 0
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.usefixtures("small_relatives")
def test_a_mask_chooses_the_strength_by_place() -> None:
    mask = np.zeros((80, 96), np.uint8)
    mask[:, 48:] = 255
    both = FaithfulUpscaler(mask=mask, backend="torch").upscale(picture(), 4)
    faithful, perceptual = (Upscaler(strength=level, backend="torch").upscale(picture(), 4) for level in (0.0, 1.0))
    np.testing.assert_array_equal(both[:, :46], faithful[:, :46])
    np.testing.assert_array_equal(both[:, 50:], perceptual[:, 50:])


@pytest.mark.usefixtures("small_relatives")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 1)])
def test_gray_is_held_to_its_input_too(shape: tuple[int, ...], dtype: Any) -> None:
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    gray = (picture()[..., 0].reshape(shape) / 255 * top).astype(dtype)
    plain = Upscaler(strength=0.0, backend="torch").upscale(gray, 4)
    upscaler = FaithfulUpscaler(strength=0.0, backend="torch", consistent=True)
    found: list[FrameFacts] = []
    result = upscaler.upscale(gray, 4, facts=found.append)
    assert result.shape == plain.shape == (80, 96, *shape[2:])
    assert result.dtype == dtype
    (facts,) = found
    assert facts.consistent

    def off(larger: Any) -> float:
        return float(np.abs(imresize(larger.astype(float), 0.25) - gray).max() / top)

    assert off(plain) > 1.01 / 255  # so that there was something to correct
    assert off(result) <= 1.01 / 255


@pytest.mark.usefixtures("small_relatives")
def test_mask_and_strength_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="leave one of them out"):
        FaithfulUpscaler(mask=np.zeros((2, 2), np.uint8), strength=0.5, backend="torch")
