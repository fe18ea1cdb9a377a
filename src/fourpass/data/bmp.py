"""TID2013's own file format, 24-bit uncompressed BMP, mapped into memory: a crop costs no decoding."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.disk import atomic
from fourpass.errors import DatasetError

_HEADER = struct.Struct("<2sIHHIIiiHHIIiiII")  # BITMAPFILEHEADER and BITMAPINFOHEADER


def read_bmp(file: Path) -> NDArray[np.uint8]:
    """Map a 24-bit BMP.

    Returns:
        (H, W, 3) uint8 RGB, a read-only view of the file.

    Raises:
        DatasetError: it cannot be read, is cut short, or is no uncompressed 24-bit BMP.
    """
    try:
        with file.open("rb") as handle:
            header = handle.read(_HEADER.size)
        size = file.stat().st_size
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror})", subject=file) from None
    if len(header) < _HEADER.size:
        raise DatasetError(f"cut short: {size} bytes are too few for a BMP", subject=file)
    magic, _, _, _, start, _, width, height, _, bits, compression, *_ = _HEADER.unpack(header)
    if magic != b"BM" or bits != 24 or compression != 0 or width <= 0 or height == 0:
        raise DatasetError("not an uncompressed 24-bit BMPlike those of TID2013", subject=file)
    rows, stride = abs(height), (3 * width + 3) // 4 * 4
    if size < start + rows * stride:
        raise DatasetError(
            f"cut short: {size} bytes, but {width}x{rows} pixels take {start + rows * stride}", subject=file
        )
    data = np.memmap(file, np.uint8, "r", start, (rows, stride))
    pixels = data[:, : 3 * width].reshape(rows, width, 3)[..., ::-1]
    return np.asarray(pixels[::-1] if height > 0 else pixels)


def write_bmp(file: Path, image: NDArray[np.uint8]) -> None:
    """Write (H, W, 3) uint8 RGB; the file appears whole or not at all.

    Raises:
        DatasetError: the folder cannot be written.
    """
    rows, width, _ = image.shape
    stride = (3 * width + 3) // 4 * 4
    body = np.zeros((rows, stride), np.uint8)
    body[:, : 3 * width] = image[::-1, :, ::-1].reshape(rows, -1)
    total = _HEADER.size + body.size
    header = _HEADER.pack(b"BM", total, 0, 0, _HEADER.size, 40, width, rows, 1, 24, 0, body.size, 2835, 2835, 0, 0)
    atomic.write(file, header + body.tobytes(), DatasetError)
