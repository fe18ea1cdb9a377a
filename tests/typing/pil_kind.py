"""A PIL image gives a PIL image; apart, for machines without PIL's types."""

from __future__ import annotations

from PIL.Image import Image
from typing_extensions import assert_type

import fourpass


def kinds(image: Image) -> None:
    assert_type(fourpass.upscale(image, 4), Image)
    assert_type(fourpass.upscale_and_report(image).image, Image)
