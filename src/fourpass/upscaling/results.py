"""What upscaling reports besides pixels: how faithful each frame is to its input, and what was lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourpass.wear.restore import Restore

_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class FrameFacts:
    """Measurements of one upscaled frame.

    Attributes:
        lr_psnr: PSNR, in dB, of the result shrunk by MATLAB's bicubic against the input; infinite where equal, None
            where the result is smaller than the input.
        worst: largest difference between the two, of the full range 0..1; None unless consistency was asked for.
        steps: corrections made for consistency; None unless consistency was asked for.
        consistent: whether the difference is within 1/255 everywhere; None unless consistency was asked for.
        disagreement: float32 (H, W), see `fourpass.upscaling.consistency.disagreement`; None unless asked for.
    """

    lr_psnr: float | None = None
    worst: float | None = None
    steps: int | None = None
    consistent: bool | None = None
    disagreement: NDArray[np.float32] | None = None


FactsListener: TypeAlias = Callable[[FrameFacts], None]


@dataclass(frozen=True)
class UpscaleResult(Generic[_Kind]):
    """An upscaled picture and the report on how it was made.

    Attributes:
        image: the path written, or the picture, of the kind that was given.
        size: (rows, columns) of a frame.
        lost: in words, what the output lacks: metadata, bit depth or frames that its format cannot hold.
        frames: the facts of each frame, in order; those of a batch for a torch tensor (N, C, H, W).
        seconds: that reading, upscaling and writing took; loading the network counts where it was not loaded yet.
        restore: how much the picture was cleaned and why, if that was chosen automatically; else None.
    """

    image: _Kind
    size: tuple[int, int]
    lost: tuple[str, ...]
    frames: tuple[FrameFacts, ...]
    seconds: float
    restore: Restore | None = None

    @property
    def lr_psnr(self) -> float | None:
        """The lowest LR-PSNR of the frames, in dB; infinite if each downscales exactly to its input, None if it
        was not measured."""
        return min((each.lr_psnr for each in self.frames if each.lr_psnr is not None), default=None)

    @property
    def consistent(self) -> bool | None:
        """Whether every frame downscales to its input within 1/255; None unless consistency was asked for."""
        known = [each.consistent for each in self.frames if each.consistent is not None]
        return all(known) if known else None

    @property
    def corrections(self) -> int | None:
        """The most corrections that a frame took; None unless consistency was asked for."""
        return max((each.steps for each in self.frames if each.steps is not None), default=None)


class LossWarning(UserWarning):
    """The written picture lacks something that its input has; `fourpass.upscale_and_report` returns what."""


def rounded(decibels: float | None) -> float | None:
    """Return an LR-PSNR for a report: three decimals, and None for infinity, which JSON lacks."""
    return None if decibels is None or math.isinf(decibels) else round(decibels, 3)
