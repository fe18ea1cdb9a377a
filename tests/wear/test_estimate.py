"""Wear as it is estimated from photos that were worn here, by Pillow and by numpy."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from fourpass.data.training_images import decode, shrink
from fourpass.errors import ImageError
from fourpass.imaging import files
from fourpass.imaging.jpeg_tables import luma_table
from fourpass.wear.estimate import estimate
from fourpass.wear.jpeg import find_grid, quality_of_table, standard_table
from fourpass.wear.planes import tiles
from fourpass.wear.restore import restore_for

EXAMPLES = Path(__file__).parents[2] / "examples"
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module", params=["chelsea.png", "astronaut.webp"])
def photo(request: pytest.FixtureRequest) -> Pixels:
    """A clean photo: shrunk by 2, so that nothing of what its file went through is left."""
    return shrink(decode(EXAMPLES / request.param), 2)


def saved(image: Pixels, quality: int, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, **options)
    return stream.getvalue()


def reopened(image: Pixels, quality: int, **options: object) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(saved(image, quality, **options))))


def noisy(image: Pixels, sigma: float, channels: int = 3) -> Pixels:
    drawn = np.random.default_rng(0).normal(0, sigma, (*image.shape[:2], channels))
    return np.clip(np.rint(image + drawn), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 51, 75, 90, 95, 100])
def test_tables_of_libjpeg(quality: int) -> None:
    opened = Image.open(io.BytesIO(saved(np.zeros((8, 8, 3), np.uint8), quality)))
    np.testing.assert_array_equal(standard_table(quality), np.reshape(opened.quantization[0], (8, 8)))
    assert quality_of_table(standard_table(quality)) == quality


def test_a_table_of_another_program_has_the_nearest_quality() -> None:
    """Photoshop's at its quality 10 of 12."""
    table = standard_table(85).astype(float) * 1.04
    assert abs(quality_of_table(np.maximum(np.rint(table), 1)) - 85) <= 1
    assert quality_of_table(np.full((8, 8), 65535)) == 1
    assert quality_of_table(np.ones((8, 8))) == 100


@pytest.mark.parametrize("quality", [30, 50, 75, 90])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 5), (7, 1)])
def test_quality_and_grid_from_pixels(photo: Pixels, quality: int, row: int, column: int) -> None:
    cut = reopened(photo, quality)[row:, column:]
    grid = find_grid(tiles(cut))
    assert grid is not None
    assert abs(grid.quality - quality) <= 1
    assert (grid.row, grid.column) == (-row % 8, -column % 8)
    found = estimate(cut)
    assert (abs(found.quality - quality) <= 1, found.evidence) == (True, "coefficients")


def test_gray_pictures_and_other_depths(photo: Pixels) -> None:
    worn = reopened(photo, 60)
    gray = np.asarray(Image.open(io.BytesIO(saved(photo[..., 1], 60))))
    for image in (worn, gray, gray[..., None], worn.astype(np.uint16) * 257, worn.astype(np.float32) / 255):
        assert abs(estimate(image).quality - 60) <= 1
    assert estimate(worn.astype(np.uint16) * 257) == estimate(worn)


def test_tables_are_believed_unless_the_pixels_say_worse(photo: Pixels) -> None:
    """A file of quality 100 whose picture was saved at 30 before, and one of 40 that hides it."""
    lying = saved(reopened(photo, 30), 100)
    table = luma_table(lying)
    assert table is not None
    assert quality_of_table(table) == 100
    found = estimate(files.read(lying).pixels, table)
    assert (found.quality, found.evidence) == (30, "coefficients")
    honest = saved(photo, 40)
    found = estimate(files.read(honest).pixels, luma_table(honest))
    assert found.quality == pytest.approx(40, abs=1)
    assert estimate(np.full((64, 64, 3), 90, np.uint8), luma_table(honest)).evidence == "tables"
    fine = saved(photo, 100)
    assert estimate(files.read(fine).pixels, luma_table(fine)).quality >= 99


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_noise_is_measured(photo: Pixels, sigma: float) -> None:
    assert estimate(noisy(photo, sigma)).noise == pytest.approx(sigma, abs=0.3 + 0.1 * sigma)
    # Gray noise may be taken for texture in small pictures full of it, and never for more than it is.
    gray = estimate(noisy(photo, sigma, 1)).noise
    assert gray < 1.15 * sigma
    assert gray > 0.75 * sigma or sigma < 10


def test_texture_is_no_noise() -> None:
    """As much in every octave, as natural pictures have: white noise over the frequency, then shrunk as photos are."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft2(rng.standard_normal((512, 512)))
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))
    frequency[0, 0] = np.inf
    texture = np.fft.irfft2(spectrum / frequency)
    image = shrink(np.clip(128 + 30 * texture / texture.std(), 0, 255).astype(np.uint8)[..., None], 2)[..., 0]
    steps = np.abs(np.diff(image.astype(float), axis=0)).mean()
    assert steps > 10  # as under noise of deviation 9
    assert estimate(image).noise < 1
    assert estimate(noisy(image[..., None], 6.0, 1)).noise == pytest.approx(6, abs=2.5)


def test_blur_is_measured(photo: Pixels) -> None:
    widths = [estimate(photo).blur]
    for sigma in (1.0, 1.6, 2.4):
        soft = gaussian_filter(photo.astype(float), (sigma, sigma, 0))
        widths.append(estimate(np.rint(soft).astype(np.uint8)).blur)
        assert widths[-1] == pytest.approx(sigma, rel=0.25)
    assert widths == sorted(widths)
    assert widths[0] < 0.9


def test_clean_photos_call_for_nothing(photo: Pixels) -> None:
    found = estimate(photo)
    assert (found.quality, found.evidence) == (100, "none")
    assert found.noise < 1
    assert restore_for(found).value == 0
    assert restore_for(found).reason == "no wear shows"


def test_what_is_decided_rises_with_wear_and_says_why(photo: Pixels) -> None:
    asked = [restore_for(estimate(reopened(photo, quality))) for quality in (97, 90, 75, 50)]
    values = [one.value for one in asked]
    assert values == sorted(values)
    assert values[0] < 0.4 < 0.7 < values[-1] <= 1
    assert asked[2].reason == "JPEG of quality 75 by its pixels"
    table = luma_table(saved(photo, 75))
    assert restore_for(estimate(photo, table)).reason == "JPEG of quality 75 by its tables"
    grainy = restore_for(estimate(noisy(photo, 8.0)))
    assert grainy.value > 0.6
    assert grainy.reason.startswith("noise of ")
    json.dumps(asdict(estimate(photo)))


def test_large_pictures_are_judged_by_tiles() -> None:
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.normal(128, 300, (1100, 1300, 3)), (3, 3, 0)).clip(0, 255)
    worn = noisy(reopened(image.astype(np.uint8), 70), 0.0)
    parts = tiles(worn)
    assert len(parts) == 16
    assert {part.shape for part in parts} == {(256, 256, 3)}
    np.testing.assert_array_equal(parts[-1], worn[832:1088, 1040:1296])  # the last multiples of 16 that fit
    assert estimate(worn).quality == pytest.approx(70, abs=1)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1), np.uint8),
        np.full((2, 3, 3), 255, np.uint8),
        np.full((9, 400, 3), 17, np.uint8),
        np.full((64, 64, 3), 0, np.uint8),
        np.full((300, 300), 65535, np.uint16),
        np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64),
        np.random.default_rng(0).integers(0, 2, (50, 70, 3), np.uint8) * 255,
        np.indices((80, 80)).sum(0).astype(np.uint8) % 2 * 255,
        np.random.default_rng(0).integers(0, 256, (17, 19, 3), np.uint8),
    ],
    ids=["1x1", "2x3", "strip", "black", "white16", "ramp", "clipped", "chequers", "tiny noise"],
)
def test_any_picture_has_an_estimate(image: NDArray[np.generic]) -> None:
    found = estimate(image)
    assert all(np.isfinite(value) for value in asdict(found).values() if not isinstance(value, str))
    assert 1 <= found.quality <= 100
    assert found.blocks >= 0
    assert 0 <= restore_for(found).value <= 1
    if float(image.max()) == float(image.min()):
        assert restore_for(found).value == 0


def test_odd_arrays_are_named() -> None:
    for shape in ((4, 4, 2), (0, 3), (4,), (2, 3, 4, 3)):
        with pytest.raises(ImageError, match=r"is not \(H, W\), \(H, W, 1\) or \(H, W, 3\)"):
            estimate(np.zeros(shape, np.uint8))
