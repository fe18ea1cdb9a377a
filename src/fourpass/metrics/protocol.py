"""What a metric sees of a picture: which channel, how much of the border, on what range. Checked once, here."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError, MetricError
from fourpass.imaging.color import luma

Channel = Literal["y", "y8", "gray", "rgb"]
Image = NDArray[np.generic]
Plane = NDArray[np.float64]

# MATLAB's rgb2gray: the luminance row of NTSC's YIQ, to the digits that MATLAB computes.
_RGB_TO_GRAY = np.array([0.298936021293775390, 0.587043074451121360, 0.114020904255103250])


def planes(image: Image, channel: Channel, border: int) -> list[Plane]:
    """Return the planes of a picture that a metric measures.

    Args:
        image: (H, W, 3) RGB, (H, W) or (H, W, 1) gray, on 0..255; any integer or float dtype.
        channel: ``y``: Y of BT.601 YCbCr on 16..235, unrounded (what the paper's PSNR and SSIM take);
            ``y8``: the same rounded half up to whole numbers, as MATLAB's ``rgb2ycbcr`` of a uint8 picture;
            ``gray``: MATLAB's ``rgb2gray``, rounded to whole numbers; a gray picture as it is;
            ``rgb``: the three channels, or the one of a gray picture.
        border: pixels to leave out on each of the four sides.

    Returns:
        one float64 array (H - 2 * border, W - 2 * border), or three for ``rgb`` of a colour picture.

    Raises:
        MetricError: not a picture of that form, a value that is not finite or lies outside 0..255, or nothing is
            left inside the border.
        ConfigError: the channel is not one of those, or the border is negative.
    """
    if channel not in get_args(Channel):
        raise ConfigError(f"channel {channel!r} is not one of {', '.join(get_args(Channel))}")
    if border < 0:
        raise ConfigError(f"border {border} is negative", hint="give the pixels to leave out on each side, 0 for none")
    pixels = checked(image)
    height, width = pixels.shape[:2]
    if min(height, width) <= 2 * border:
        raise MetricError(f"a {width}x{height} picture has nothing left inside a border of {border} pixels")
    inside = pixels[border : height - border, border : width - border]
    if channel in ("y", "y8"):
        plane = luma(inside)
        return [np.floor(plane + 0.5) if channel == "y8" else plane]
    if channel == "gray":
        if inside.ndim == 2:
            return [inside.astype(np.float64)]
        return [np.floor(inside.astype(np.float64) @ _RGB_TO_GRAY + 0.5)]
    if inside.ndim == 2:
        return [inside.astype(np.float64)]
    return [inside[..., index].astype(np.float64) for index in range(3)]


def single_plane(image: Image, channel: Channel, border: int) -> Plane:
    """Return the one plane that a metric without a reference measures; see `planes`.

    Raises:
        ConfigError: also where the channel is ``rgb``.
    """
    if channel == "rgb":
        raise ConfigError("this metric measures one channel, not rgb", hint="use y, y8 or gray")
    return planes(image, channel, border)[0]


def plane_pairs(reference: Image, image: Image, channel: Channel, border: int) -> list[tuple[Plane, Plane]]:
    """Return the planes of two pictures, paired; see `planes`.

    Raises:
        MetricError: the two differ in height or width, or one is gray where ``rgb`` is asked and the other not.
    """
    if np.shape(reference)[:2] != np.shape(image)[:2]:
        raise MetricError(
            f"the pictures differ in size: reference {_size(reference)}, image {_size(image)}",
            hint="crop the reference to a multiple of the scale, or check that they belong together",
        )
    left, right = planes(reference, channel, border), planes(image, channel, border)
    if len(left) != len(right):
        raise MetricError("one picture is gray and the other has colour", hint="measure them with channel 'y'")
    return list(zip(left, right, strict=True))


def checked(image: Image) -> NDArray[np.generic]:
    """Return the picture as (H, W) or (H, W, 3), with every value known to lie on 0..255.

    Raises:
        MetricError: see `planes`.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or pixels.size == 0:
        raise MetricError(
            f"array of shape {pixels.shape} is not a picture", hint="metrics take (H, W, 3) RGB or (H, W) gray"
        )
    if pixels.dtype.kind not in "uif":
        raise MetricError(
            f"dtype {pixels.dtype} is not a type of pixel values", hint="give integers or floats on 0..255"
        )
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 255):  # also true when one of them is NaN
            raise MetricError(
                f"values from {low:g} to {high:g} are not all within 0..255", hint="scale and clip the picture first"
            )
    return pixels


def _size(image: Image) -> str:
    shape = np.shape(image)
    return f"{shape[1]}x{shape[0]}" if len(shape) > 1 else str(shape)
