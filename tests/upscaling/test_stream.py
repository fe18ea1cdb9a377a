"""Bands: resampling a stream equals resizing the whole, and numbers become pixels once."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass.imaging.resize import imresize
from fourpass.imaging.tiles import spans
from fourpass.upscaling.stream import assemble, cast, resample


def cut(image: np.ndarray, heights: list[int]):
    start = 0
    for height in heights:
        yield image[start : start + height]
        start += height
    assert start == len(image)


@pytest.mark.parametrize("size", [(75, 60), (99, 79), (100, 60), (50, 80), (13, 11), (1, 1), (100, 80), (3, 80)])
@pytest.mark.parametrize("heights", [[100], [1] * 100, [3, 90, 7], [37, 37, 26]])
def test_a_stream_resizes_as_the_whole(size, heights):
    image = np.random.default_rng(0).uniform(0, 255, (100, 80, 3)).astype(np.float32)
    bands = list(resample(cut(image, heights), (100, 80), size))
    result = np.concatenate(bands)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, imresize(image, size=size), rtol=0, atol=2e-3)


def test_a_stream_holds_no_more_than_it_needs():
    seen = []

    def bands():
        for index in range(200):
            seen.append(index)
            yield np.full((4, 8, 1), index, np.float32)

    stream = resample(bands(), (800, 8), (600, 6))
    next(stream)
    assert len(seen) < 4  # a cubic kernel, stretched by 4/3, reaches 2.7 rows; nothing waits for the end


@pytest.mark.parametrize(("halo", "blend"), [(4, False), (4, True), (0, False)])
def test_tiles_come_together_again(halo, blend):
    image = np.random.default_rng(0).uniform(0, 255, (61, 47, 3)).astype(np.float32)
    rows, columns = (spans(length, 20, halo, blend=blend) for length in image.shape[:2])

    def enlarge(row, column):
        return image[row.start : row.stop, column.start : column.stop].repeat(2, axis=0).repeat(2, axis=1)

    result = np.concatenate(list(assemble(rows, columns, 2, enlarge)))
    np.testing.assert_allclose(result, image.repeat(2, axis=0).repeat(2, axis=1), rtol=0, atol=1e-4)


def test_blending_hides_a_seam():
    rows, columns = spans(10, 10, 0), spans(100, 60, 10, blend=True)

    def step(row, column):
        return np.full((row.stop, column.stop - column.start, 1), 0.0 if column.start == 0 else 100.0, np.float32)

    (band,) = assemble(rows, columns, 1, step)
    line = band[0, :, 0]
    assert line[44] == 0
    assert line[55] == 100
    np.testing.assert_allclose(line[45:55], np.arange(5, 100, 10), atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint8, [-3, 0.49, 0.5, 127.5, 254.6, 300], [0, 0, 1, 128, 255, 255]),
        (np.uint16, [-1, 0.001, 0.01, 128, 254.999, 256], [0, 0, 3, 32896, 65535, 65535]),
        (np.float32, [-1, 0, 51, 255, 256], [0, 0, 0.2, 1, 1]),
    ],
)
def test_pixels_are_clipped_and_rounded_half_up(dtype, values, expected):
    result = cast(np.array(values, np.float32), dtype)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, np.array(expected, dtype), atol=1e-7 if dtype == np.float32 else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_survives(dtype):
    top = np.iinfo(dtype).max
    values = np.arange(top + 1, dtype=dtype)
    np.testing.assert_array_equal(cast(values.astype(np.float32) * np.float32(255 / top), dtype), values)
