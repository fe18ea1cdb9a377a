"""TID2013's distortions made again: levels meet their PSNR, each does as its name says, type 1 is the real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fourpass.data.bmp import read_bmp
from fourpass.data.tid2013_coding import wavelet
from fourpass.data.tid2013_noise import blur, chromatic_aberration, saturation_change, to_rgb, to_ycbcr
from fourpass.data.tid2013_resynth import DISTORTIONS, LEVELS, distort, psnr_rgb, reference, synthesise
from fourpass.errors import ConfigError, DatasetError

FREE = {10: 0.6, 11: 0.2, 12: 2.0, 14: 2.0, 16: 0.6}  # dB, where the strength goes in steps


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A picture with texture, edges, gradients and colour, 192x256."""
    random = np.random.default_rng(5)
    rows, columns = np.mgrid[:192, :256].astype(np.float32)
    base = np.stack([rows + 20, 200 - columns / 2, 90 + 60 * np.sin(columns / 9)], axis=2)
    base[40:120, 60:150] = (190, 60, 40)
    base += blur(random.normal(0, 60, base.shape).astype(np.float32), 1.2)
    return np.clip(base, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("kind", [kind for kind in DISTORTIONS if kind != 18])
@pytest.mark.parametrize("level", [2, 5])
def test_meets_the_psnr_of_the_level(picture: np.ndarray, kind: int, level: int) -> None:
    if (kind, level) == (22, 2):
        pytest.skip("256 colours are too few for this picture at 30 dB")
    result = distort(picture, kind, level, seed=1)
    assert result.shape == picture.shape
    assert result.dtype == np.uint8
    assert psnr_rgb(picture, result) == pytest.approx(LEVELS[level - 1], abs=FREE.get(kind, 0.1))


def test_equal_seeds_give_equal_pictures(picture: np.ndarray) -> None:
    assert np.array_equal(distort(picture, 1, 3, seed=4), distort(picture, 1, 3, seed=4))
    assert not np.array_equal(distort(picture, 1, 3, seed=4), distort(picture, 1, 3, seed=5))


def test_light_and_contrast_go_the_way_of_the_level(picture: np.ndarray) -> None:
    means = [distort(picture, 16, level).mean() - picture.mean() for level in range(1, 6)]
    assert [mean > 0 for mean in means] == [True, False, True, False, True]
    spreads = [distort(picture, 17, level).std() - picture.std() for level in range(1, 6)]
    assert [spread > 0 for spread in spreads] == [False, True, False, True, False]


def test_saturation_of_nothing_is_gray(picture: np.ndarray) -> None:
    gray = saturation_change(picture.astype(np.float32), 0, np.random.default_rng(0))
    assert np.abs(gray[..., 0] - gray[..., 1]).max() < 1e-3
    assert np.abs(to_rgb(to_ycbcr(gray)) - gray).max() < 1e-3


def test_blur_is_scipys(picture: np.ndarray) -> None:
    from scipy.ndimage import gaussian_filter

    image = picture.astype(np.float32)
    expected = gaussian_filter(image, (1.7, 1.7, 0), truncate=4)
    assert np.abs(blur(image, 1.7) - expected).max() < 1e-2


def test_wavelet_is_undone_and_keeps_a_plane_in_the_low_band() -> None:
    random = np.random.default_rng(0)
    image = random.normal(size=(64, 96, 3)).astype(np.float32)
    assert np.abs(wavelet(wavelet(image), inverse=True) - image).max() < 1e-4
    flat = wavelet(np.full((64, 96, 3), 7, np.float32))
    assert np.abs(flat[2:, :]).max() < 1e-3
    assert np.abs(flat[:, 3:]).max() < 1e-3
    assert flat[0, 0, 0] > 1


def test_high_frequency_noise_has_no_low_frequencies(picture: np.ndarray) -> None:
    flat = np.full((64, 64, 3), 128, np.uint8)
    error = distort(flat, 5, 5).astype(float) - 128
    assert abs(error.mean()) < 0.5
    assert blur(error.astype(np.float32), 4).std() < 0.1 * error.std()


def test_aberration_leaves_green_alone(picture: np.ndarray) -> None:
    image = picture.astype(np.float32)
    moved = chromatic_aberration(image, 2.0, np.random.default_rng(0))
    assert np.array_equal(moved[..., 1], image[..., 1])
    assert not np.array_equal(moved[..., 0], image[..., 0])


@pytest.mark.parametrize(("kind", "level"), [(0, 1), (25, 1), (1, 0), (1, 6)])
def test_rejects_other_types_and_levels(picture: np.ndarray, kind: int, level: int) -> None:
    with pytest.raises(ConfigError, match=r"types 1\.\.24 at levels 1\.\.5"):
        distort(picture, kind, level)


def test_rejects_odd_sides(picture: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="multiples of 32"):
        distort(picture[:100], 1, 1)


def test_a_folder_without_kodak_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no 4\.png or 04\.png or kodim04\.png"):
        synthesise(tmp_path, tmp_path / "out", [4])


@pytest.mark.shared
def test_the_reference_is_tid2013s(shared: Path) -> None:
    real = read_bmp(shared / "data" / "tid2013" / "samples" / "I01.BMP")
    assert np.array_equal(reference(shared / "data" / "tid2013" / "kodak", 1), real)


@pytest.mark.shared
def test_type_1_has_the_statistics_of_the_real_one(shared: Path) -> None:
    samples = shared / "data" / "tid2013" / "samples"
    real, clean = read_bmp(samples / "i01_01_5.bmp"), read_bmp(samples / "I01.BMP")
    ours = distort(clean, 1, 5, seed=1)
    assert psnr_rgb(clean, real) == pytest.approx(psnr_rgb(clean, ours), abs=0.1)
    for errors in zip(*(image.astype(float) - clean for image in (real, ours)), strict=True):
        assert errors[0].std() == pytest.approx(errors[1].std(), rel=0.15)
    errors = [(image.astype(float) - clean) for image in (real, ours)]
    for error in errors:
        assert abs(np.mean(error[1:] * error[:-1]) / error.var()) < 0.01  # white down the rows
        assert abs(np.corrcoef(error[..., 0].ravel(), error[..., 1].ravel())[0, 1]) < 0.02  # channels apart
    assert errors[0].std() == pytest.approx(errors[1].std(), rel=0.01)
