"""LR-PSNR: how closely an upscaled picture downscales to its input."""

from __future__ import annotations

import numpy as np

from fourpass.errors import MetricError
from fourpass.imaging.resize import imresize
from fourpass.metrics.protocol import Channel, Image, checked
from fourpass.metrics.psnr import psnr


def lr_psnr(upscaled: Image, low_resolution: Image, *, channel: Channel = "rgb", border: int = 0) -> float:
    """Return the PSNR of the upscaled picture, shrunk by MATLAB's bicubic, against its low-resolution input.

    A faithful method reaches 45 dB and more; one that invents, or shifts the picture by a fraction of a pixel, less.

    Args:
        upscaled: (sH, sW, 3) RGB or (sH, sW) gray on 0..255, integer or float; uint8 is rounded as MATLAB does.
        low_resolution: the input, (H, W, 3) or (H, W); H and W divide the upscaled ones by one scale.
        channel: ``rgb`` (one mean over all three channels), ``y``, ``y8`` or ``gray``.
        border: low-resolution pixels left out on each side.

    Returns:
        decibels; infinity where nothing differs.

    Raises:
        MetricError: the sizes are not those of one picture at two scales, or as `fourpass.metrics.psnr.psnr`.
        ConfigError: an unknown channel or a negative border.
    """
    big, small = checked(upscaled), checked(low_resolution)
    height, width = small.shape[:2]
    scale = big.shape[0] / height
    if scale <= 1 or abs(big.shape[1] - scale * width) >= scale:
        raise MetricError(
            f"{big.shape[1]}x{big.shape[0]} is not {width}x{height} upscaled", hint="give the result and its own input"
        )
    if big.dtype.kind in "ui":
        shrunk: Image = imresize(big.astype(np.uint8), size=(height, width))
    else:
        shrunk = np.clip(imresize(big.astype(np.float64), size=(height, width)), 0, 255)
    return psnr(small, shrunk, channel=channel, border=border)
