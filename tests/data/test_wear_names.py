"""Wear by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from fourpass.data.wear_names import named
from fourpass.errors import ConfigError

IMAGE = gaussian_filter(np.random.default_rng(0).normal(128, 300, (48, 64, 3)), (2, 2, 0)).clip(0, 255).astype(np.uint8)


def test_none_and_one_of_each() -> None:
    np.testing.assert_array_equal(named("none")(IMAGE, 0), IMAGE)
    stream = io.BytesIO()
    Image.fromarray(IMAGE).save(stream, "JPEG", quality=40)
    np.testing.assert_array_equal(named("jpeg:40")(IMAGE, 0), np.asarray(Image.open(stream)))
    assert (named("jpeg444:40")(IMAGE, 0) != named("jpeg:40")(IMAGE, 0)).any()
    soft = gaussian_filter(IMAGE.astype(float), (1.5, 1.5, 0))
    np.testing.assert_allclose(named("blur:1.5")(IMAGE, 0), soft, atol=0.6)
    drawn = named("noise:6")(IMAGE, 3).astype(float) - IMAGE
    assert drawn[(IMAGE > 30) & (IMAGE < 225)].std() == pytest.approx(6, rel=0.05)
    gray = named("graynoise:6")(IMAGE, 3).astype(float) - IMAGE
    inside = ((IMAGE > 30) & (IMAGE < 225)).all(2)
    assert np.ptp(gray[inside], axis=1).max() == 0
    errors = [np.abs(named(name)(IMAGE, 0).astype(float) - IMAGE).mean() for name in ("webp:20", "webp:90")]
    assert errors[0] > errors[1] > 0


def test_joined_from_left_to_right_and_the_same_for_a_seed() -> None:
    both = named("noise:5 + jpeg:70")
    np.testing.assert_array_equal(both(IMAGE, 1), named("jpeg:70")(named("noise:5")(IMAGE, 1), 0))
    np.testing.assert_array_equal(both(IMAGE, 1), both(IMAGE, 1))
    assert (both(IMAGE, 1) != both(IMAGE, 2)).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rain:3", "'rain:3' is not one of jpeg:1..100, .*blur:0.05..10; join some with"),
        ("jpeg", "'jpeg' is not one of"),
        ("jpeg:75+", "'' is not one of"),
        ("", "'' is not one of"),
        ("jpeg:0", "0 is not within 1..100"),
        ("blur:11", "11 is not within 0.05..10"),
        ("noise:-3", "'noise:-3' is not one of"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        named(text)
