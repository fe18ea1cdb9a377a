"""Output sizes, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourpass.errors import ConfigError
from fourpass.upscaling.sizes import plan_size, trained_scale


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"scale": 4}, (1200, 1600)),
        ({"scale": 1.5}, (450, 600)),
        ({"scale": 0.001}, (1, 1)),
        ({"width": 1000}, (750, 1000)),
        ({"height": 1000}, (1000, 1333)),
        ({"longest": 1920}, (1440, 1920)),
        ({"megapixels": 12}, (3000, 4000)),
        ({"fit": (1920, 1080)}, (1080, 1440)),
        ({"fit": (1000, 5000)}, (750, 1000)),
    ],
)
def test_of_a_picture_of_300_rows_and_400_columns(wish, expected):
    assert plan_size((300, 400), **wish) == expected


def test_halves_are_rounded_up():
    assert plan_size((3, 5), scale=1.5) == (5, 8)  # 4.5 and 7.5
    assert plan_size((1, 5000), width=100) == (1, 100)


def test_longest_of_an_upright_picture():
    assert plan_size((400, 300), longest=800) == (800, 600)


@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    box=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_what_fits_fits_and_touches_a_side(size, box):
    rows, columns = plan_size(size, fit=box)
    assert columns <= box[0]
    assert rows <= box[1]
    assert columns == box[0] or rows == box[1]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "exactly one of scale, width, .*; none was given"),
        ({"width": 10, "height": 10}, "width and height were given"),
        ({"scale": 0}, "scale is 0; it must be a positive number"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"scale": float("inf")}, "scale is inf"),
        ({"width": -3}, "width is -3"),
        ({"longest": 0}, "longest is 0"),
        ({"megapixels": -1}, "megapixels is -1"),
        ({"fit": (100, 0)}, "fit is 0"),
    ],
)
def test_wishes_that_cannot_be(wish, message):
    with pytest.raises(ConfigError, match=message):
        plan_size((300, 400), **wish)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((100, 200), 1), ((50, 20), 1), ((101, 200), 2), ((200, 400), 2), ((300, 600), 4), ((10, 1000), 8)],
)
def test_the_smallest_sufficient_scale(size, expected):
    assert trained_scale((100, 200), size, (2, 4, 8)) == expected


@given(side=st.integers(1, 5000), scale=st.sampled_from([2, 4, 8]), below=st.floats(0, 0.5))
def test_rounding_never_needs_the_next_scale(side, scale, below):
    size = plan_size((side, 777), scale=scale - below)
    assert trained_scale((side, 777), size, (2, 4, 8)) <= scale


def test_beyond_the_largest():
    with pytest.raises(ConfigError, match=r"200x100 to 2000x1000 is a factor of 10, .* 8; upscale twice: by 8 first"):
        trained_scale((100, 200), (1000, 2000), (2, 4, 8))
