"""RGB to and from BT.601 YCbCr, with MATLAB's coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# MATLAB's rgb2ycbcr: rows Y, Cb, Cr; columns R, G, B; for RGB and YCbCr both on 0..255 (studio swing).
_RGB_TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255.0
_OFFSET = np.array([16.0, 128.0, 128.0])
LUMA, LUMA_OFFSET = _RGB_TO_YCBCR[0], 16.0  # what `luma` weighs R, G and B by, and adds
_YCBCR_TO_RGB = np.linalg.inv(_RGB_TO_YCBCR)


def rgb_to_ycbcr(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """Convert RGB to BT.601 YCbCr as MATLAB's ``rgb2ycbcr``, without its final rounding.

    Args:
        rgb: array (..., 3) on 0..255, any real dtype.

    Returns:
        float64 array of the same shape; Y on 16..235, Cb and Cr on 16..240.
    """
    return np.asarray(np.asarray(rgb, np.float64) @ _RGB_TO_YCBCR.T + _OFFSET)


def ycbcr_to_rgb(ycbcr: NDArray[np.generic]) -> NDArray[np.float64]:
    """Convert BT.601 YCbCr back to RGB; the exact inverse of `rgb_to_ycbcr`, neither rounded nor clipped.

    Args:
        ycbcr: array (..., 3), any real dtype.

    Returns:
        float64 array of the same shape, on 0..255 for colours that RGB has.
    """
    return np.asarray((np.asarray(ycbcr, np.float64) - _OFFSET) @ _YCBCR_TO_RGB.T)


def luma(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the Y channel of BT.601 YCbCr, unrounded (4PP-EUSR paper, section 5: "the Y channel").

    Args:
        image: (H, W, 3) RGB, or (H, W) or (H, W, 1) gray, on 0..255.

    Returns:
        float64 array (H, W) on 16..235. A gray picture is one whose R, G and B are equal.
    """
    pixels = np.asarray(image, np.float64)
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.asarray(pixels @ LUMA + LUMA_OFFSET)
    gray = pixels[..., 0] if pixels.ndim == 3 else pixels
    return np.asarray(gray * LUMA.sum() + LUMA_OFFSET)
