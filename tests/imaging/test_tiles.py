"""Tile geometry: properties that every cut must have, and cuts worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpass.errors import ConfigError
from fourpass.imaging.tiles import Span, spans, square


def test_a_short_picture_is_one_tile():
    assert spans(100, 100, 16) == [Span(0, 100, 0, 100)]


def test_by_hand():
    # Two tiles of at most 60 with a halo of 10: (100 - 20) / 2 + 20 = 60, from 0 and from 40, changing over at 50.
    assert spans(100, 60, 10) == [Span(0, 60, 0, 50), Span(40, 100, 50, 100)]
    assert spans(100, 60, 10, blend=True) == [Span(0, 60, 0, 55, 0, 10), Span(40, 100, 45, 100, 10, 0)]
    # Three tiles would do with 54 each: no longer than they have to be.
    assert [span.stop - span.start for span in spans(122, 60, 10)] == [54, 54, 54]


def test_no_pixel_fades_between_three_tiles():
    # Six tiles of 44 in 61 lie 3 or 4 apart. Half of what two share would be 20; a step of 3 leaves room for 2.
    cut = spans(61, 44, 20, blend=True)
    assert [span.start for span in cut] == [0, 3, 7, 10, 14, 17]
    assert [span.fade_out for span in cut] == [2, 2, 2, 2, 2, 0]


@given(
    length=st.integers(1, 900),
    halo=st.integers(0, 30),
    extra=st.integers(1, 60),
    blend=st.booleans(),
    multiple=st.sampled_from([1, 2, 8]),
)
def test_properties(length, halo, extra, blend, multiple):
    tile = (2 * halo + extra + multiple) // multiple * multiple
    cut = spans(length, tile, halo, blend=blend, multiple=multiple)
    total = np.zeros(length * 2)
    for span in cut:
        assert 0 <= span.start <= span.first < span.last <= span.stop <= length
        assert span.stop - span.start <= tile
        assert len(cut) == 1 or (span.stop - span.start) % multiple == 0
        # Wherever the picture goes on, a tile sees its halo; half of it where it fades out.
        seen = halo // 2 if blend else halo
        assert span.start == 0 or span.first - span.start >= seen
        assert span.stop == length or span.stop - span.last >= seen
        total[2 * span.first : 2 * span.last] += span.weights(2)
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert len({span.stop - span.start for span in cut}) == 1


def test_no_room_for_the_halo():
    with pytest.raises(ConfigError, match="a tile of 32 pixels has no room for a halo of 16"):
        spans(100, 32, 16)


def test_the_largest_tile_of_an_area():
    assert square(10_000, 500, 500) == (100, 100)
    assert square(10_000, 20, 5000) == (20, 500)
    assert square(10_000, 5000, 20) == (500, 20)
