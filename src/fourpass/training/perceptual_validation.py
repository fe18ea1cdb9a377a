"""What the perceptual phase is judged by while it trains: the paper's protocol, and strips of pictures to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fourpass.data.training_images import decode, shrink
from fourpass.imaging.resize import imresize
from fourpass.metrics.consistency import lr_psnr
from fourpass.metrics.niqe import niqe
from fourpass.metrics.psnr import psnr
from fourpass.metrics.ssim import ssim
from fourpass.training.validation import BORDER, upscale

SCALE = 4
STRIPS = 3
STRIP_SIDE = 64  # low-resolution pixels


class PerceptualValidation:
    """Pictures, their shrunk copies, and what the start weights make of them.

    Args:
        files: pictures, large enough for NIQE (two 96x96 blocks inside a border of 4).
        start: the network as the phase finds it, which strips and the tolerated loss of PSNR refer to.

    Raises:
        DatasetError: a picture cannot be read.
        MetricError: a picture is too small for NIQE.
    """

    def __init__(self, files: Sequence[Path], start: nn.Module) -> None:
        self._high = {}
        self._low = {}
        for file in files:
            high = decode(file)
            rows, columns = (side // SCALE * SCALE for side in high.shape[:2])
            self._high[file.stem] = high[:rows, :columns]
            self._low[file.stem] = shrink(high, SCALE)
            niqe(self._high[file.stem], border=BORDER)
        self._start_strips = {name: upscale(start, crop, SCALE) for name, crop in self._crops().items()}
        self.start = self.measure(start)

    def measure(self, network: nn.Module) -> dict[str, float]:
        """PSNR, SSIM and NIQE of Y, 4 pixels cropped, of the rounded x4 results, and how they shrink to their input."""
        rows = []
        for name, low in self._low.items():
            high, upscaled = self._high[name], upscale(network, low, SCALE)
            rows.append(
                (
                    psnr(high, upscaled, channel="y", border=BORDER),
                    ssim(high, upscaled, channel="y", border=BORDER),
                    niqe(upscaled, border=BORDER),
                    lr_psnr(upscaled, low),
                )
            )
        means = np.mean(rows, axis=0)
        return dict(zip(("psnr", "ssim", "niqe", "lr_psnr"), means.tolist(), strict=True))

    def strips(self, network: nn.Module) -> dict[str, NDArray[np.uint8]]:
        """Middle crops side by side: bicubic, the start weights, the network as it is, the truth."""
        pictures = {}
        for name, crop in self._crops().items():
            row, column = (SCALE * offset for offset in _middle(self._low[name]))
            height, width = (SCALE * side for side in crop.shape[:2])
            truth = self._high[name][row : row + height, column : column + width]
            columns = (imresize(crop, SCALE), self._start_strips[name], upscale(network, crop, SCALE), truth)
            pictures[name] = np.concatenate(columns, axis=1)
        return pictures

    def _crops(self) -> dict[str, NDArray[np.uint8]]:
        crops = {}
        for name, low in list(self._low.items())[:STRIPS]:
            row, column = _middle(low)
            crops[name] = low[row : row + STRIP_SIDE, column : column + STRIP_SIDE]
        return crops


def _middle(low: NDArray[np.uint8]) -> tuple[int, int]:
    row, column = (max(0, (side - STRIP_SIDE) // 2) for side in low.shape[:2])
    return row, column
