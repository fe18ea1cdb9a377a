"""Pictures that repeat: what is turned around before upscaling is turned around after it."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass.upscaling import stream
from fourpass.upscaling.upscaler import Upscaler


@pytest.mark.parametrize("options", [{}, {"tile": 64}])
@pytest.mark.parametrize("channels", [0, 1, 3])
def test_a_rolled_texture_upscales_to_a_rolled_result(tiny, photo_like, options, channels):
    texture = photo_like if channels == 3 else photo_like[..., :channels] if channels else photo_like[..., 0]
    whole = Upscaler(tiny, wrap=True)
    result = Upscaler(tiny, wrap=True, **options).upscale(texture, 2).astype(int)
    assert result.shape == (150, 106, *texture.shape[2:])
    rolled = np.roll(texture, (20, 31), axis=(0, 1))
    expected = np.roll(whole.upscale(rolled, 2).astype(int), (-40, -62), axis=(0, 1))
    difference = np.abs(result - expected)
    # The tiny network's halo is EUSR's, which is enough for it; two roundings may differ by one level.
    assert difference.max() <= 1
    plain = Upscaler(tiny).upscale(texture, 2).astype(int)
    assert np.abs(result - plain).max() > 1  # it does matter


def test_other_sizes_and_small_pictures(tiny, photo_like):
    upscaler = Upscaler(tiny, wrap=True)
    assert upscaler.upscale(photo_like[:5, :3], 3).shape == (15, 9, 3)
    bands = list(upscaler.rows(photo_like, 1.7))
    assert sum(map(len, bands)) == 128


def test_a_border_is_cut_whatever_the_bands_are():
    picture = np.arange(14 * 11).reshape(14, 11)
    for heights in ([14], [1] * 14, [3, 8, 3], [2, 2, 10], [12, 2]):
        bands = np.split(picture, np.cumsum(heights)[:-1])
        found = list(stream.cut(iter(bands), 3, (8, 5)))
        np.testing.assert_array_equal(np.concatenate(found), picture[3:11, 3:8])
        assert all(len(band) for band in found)
