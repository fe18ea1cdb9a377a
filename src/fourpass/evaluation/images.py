"""The pictures of an evaluation as 8-bit RGB: ground truth cropped to a multiple of the scale, inputs read or made."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data.layouts import ImagePair
from fourpass.errors import DatasetError, ImageError
from fourpass.imaging import files, writer
from fourpass.imaging import picture as imaging
from fourpass.imaging.resize import imresize

RgbImage = NDArray[np.uint8]


def load_picture(path: Path) -> RgbImage:
    """Read a picture as RGB (H, W, 3) uint8; gray is repeated, more bits are rounded to 8, an opaque alpha is dropped.

    Raises:
        ImageError: not a picture, or one with transparency.
    """
    read = files.read(path)
    if read.alpha is not None and (read.alpha != np.iinfo(read.alpha.dtype).max).any():
        raise ImageError("has transparent pixels", subject=path, hint="measure it without its alpha channel")
    pixels = read.pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels.astype(np.uint32) + 128) // 257
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), np.uint8)


def load_pair(pair: ImagePair, scale: int) -> tuple[RgbImage, RgbImage]:
    """Read the ground truth and the input of a picture.

    Returns:
        ground truth (scale * H, scale * W, 3); input (H, W, 3), from its file or, without one, shrunk from the
        cropped ground truth as MATLAB's ``imresize`` does on uint8.

    Raises:
        DatasetError: the two do not belong to one picture at this scale, or the picture is smaller than the scale.
        ImageError: as `load_picture`.
    """
    truth = load_picture(pair.high_resolution)
    if pair.low_resolution is None:
        height, width = truth.shape[0] // scale, truth.shape[1] // scale
        if min(height, width) < 1:
            raise DatasetError(f"is smaller than {scale}x{scale} pixels", subject=pair.high_resolution)
        truth = truth[: height * scale, : width * scale]
        return truth, imresize(truth, size=(height, width))
    low = load_picture(pair.low_resolution)
    height, width = low.shape[:2]
    spare = (truth.shape[0] - scale * height, truth.shape[1] - scale * width)
    if not all(0 <= extra < scale for extra in spare):
        raise DatasetError(
            f"{pair.low_resolution} is {width}x{height} and its ground truth is {truth.shape[1]}x{truth.shape[0]}",
            hint=f"the scale between them is not {scale}",
        )
    return truth[: height * scale, : width * scale], low


def load_result(path: Path, reference: RgbImage, scale: int) -> RgbImage:
    """Read a result from disk, at the size of its cropped ground truth.

    A result made from the uncropped ground truth is larger by less than the scale; what the crop takes from that, at
    the right and the bottom, it takes from the result.

    Raises:
        DatasetError: it is of another size.
        ImageError: as `load_picture`.
    """
    image = load_picture(path)
    height, width = reference.shape[:2]
    if not all(0 <= image.shape[axis] - reference.shape[axis] < scale for axis in (0, 1)):
        raise DatasetError(
            f"{path} is {image.shape[1]}x{image.shape[0]}, but its ground truth is {width}x{height}",
            hint="is it a result of another scale?",
        )
    return image[:height, :width]


def save_picture(path: Path, image: RgbImage) -> None:
    """Write a picture (H, W, 3), its folders made on the way.

    Raises:
        ImageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot be created ({error.strerror})", subject=path.parent) from None
    files.write(path, image)


def encode_picture(image: RgbImage) -> bytes:
    """Return a picture (H, W, 3) as the bytes of a PNG file."""
    with tempfile.TemporaryFile(buffering=0) as stream:
        writer.encode(stream, image[None], imaging.Picture.of(image).header, "png", name="a picture of the page")
        stream.seek(0)
        return stream.read()
