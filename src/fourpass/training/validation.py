"""Pictures that upscaling networks are validated on while they train, under the protocol of the paper's section 5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourpass.data.training_images import decode, shrink
from fourpass.metrics.psnr import psnr

BORDER = 4  # pixels cropped before measuring


class ValidationSet:
    """Pictures and their shrunk copies.

    Args:
        files: pictures; all of them must be readable.
        scales: factors that will be asked for.

    Raises:
        DatasetError: a picture cannot be read.
    """

    def __init__(self, files: Sequence[Path], scales: Iterable[int]) -> None:
        self._high = {file.stem: decode(file) for file in files}
        self._low = {scale: {name: shrink(high, scale) for name, high in self._high.items()} for scale in scales}

    def psnr(self, network: nn.Module, scale: int) -> float:
        """Return the mean PSNR in dB of Y, 4 pixels cropped, of the rounded results of ``network(batch, scale)``."""
        values = []
        for name, low in self._low[scale].items():
            upscaled = upscale(network, low, scale)
            rows, columns = upscaled.shape[:2]
            values.append(psnr(self._high[name][:rows, :columns], upscaled, channel="y", border=BORDER))
        return float(np.mean(values))

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return `psnr` of each scale, and as ``score`` that of x4, or of the largest scale where there is no x4."""
        numbers = {f"psnr_x{scale}": self.psnr(network, scale) for scale in self._low}
        judged = 4 if 4 in self._low else max(self._low)
        return {"score": numbers[f"psnr_x{judged}"], **numbers}

    def samples(self, network: nn.Module, count: int = 3, side: int = 128) -> dict[str, NDArray[np.uint8]]:
        """Return the middle of the first pictures, upscaled by the largest scale, ``side`` pixels before that."""
        scale, crops = max(self._low), {}
        for name, low in list(self._low[scale].items())[:count]:
            row, column = (max(0, (length - side) // 2) for length in low.shape[:2])
            crop = low[row : row + side, column : column + side]
            crops[f"{name}-x{scale}"] = upscale(network, crop, scale)
        return crops


def upscale(network: nn.Module, low: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Run ``network(batch, scale)`` on one (H, W, 3) uint8 picture and round the result to uint8."""
    device = next(network.parameters()).device
    with torch.no_grad():
        upscaled = network(to_batch(low).to(device), scale)[0]
    return upscaled.float().clamp(0, 255).round().byte().permute(1, 2, 0).cpu().contiguous().numpy()  # type: ignore[no-any-return]


def to_batch(image: NDArray[np.uint8]) -> Tensor:
    """Return a (H, W, 3) uint8 picture as (1, 3, H, W) float32 on 0..255, channels last."""
    batch = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    return batch.contiguous(memory_format=torch.channels_last)
