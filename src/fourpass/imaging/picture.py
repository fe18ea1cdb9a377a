"""A picture in memory: its frames as arrays, and its header."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ImageError
from fourpass.imaging.metadata import PictureMetadata

Pixels = NDArray[Any]  # uint8 or uint16


@dataclass(frozen=True)
class Header:
    """What is known about a picture before its pixels are decoded.

    Attributes:
        format: of the file, a key of `formats.FORMATS`; empty for a picture without a file.
        width, height: of one frame, upright.
        channels: 1 for gray, 3 for RGB; transparency not counted.
        alpha: whether it has transparency.
        depth: bits per channel that its file stores: 8, 10, 12 or 16.
        frames: pictures in the file.
        delays: milliseconds that each frame is shown; empty if there is no timing.
        loop: how often an animation is played; 0 for ever.
        metadata: what else is kept.
        left_out: in words, what else of pictures its file holds, and is not read: a video, a gain map, further frames.
    """

    format: str
    width: int
    height: int
    channels: int = 3
    alpha: bool = False
    depth: int = 8
    frames: int = 1
    delays: tuple[int, ...] = ()
    loop: int = 0
    metadata: PictureMetadata = field(default_factory=PictureMetadata)
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of one frame."""
        return self.height, self.width

    @property
    def bands(self) -> int:
        """Values per pixel, transparency included."""
        return self.channels + self.alpha

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels: uint8, or uint16 over its whole range for more bits."""
        return np.dtype(np.uint8 if self.depth == 8 else np.uint16)

    def resized(self, size: tuple[int, int]) -> Header:
        """Return the header of the same picture at (rows, columns)."""
        return replace(self, height=size[0], width=size[1], metadata=self.metadata.resized(size))


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        header: everything but the pixels.
        frames: (N, H, W, C), C 1 for gray or 3 for RGB; uint8 or uint16, over the whole range of the type.
        alphas: (N, H, W), same dtype, 0 transparent; None where there is no transparency.
    """

    header: Header
    frames: Pixels
    alphas: Pixels | None = None

    @property
    def pixels(self) -> Pixels:
        """The picture, or its first frame: (H, W, C)."""
        first: Pixels = self.frames[0]
        return first

    @property
    def alpha(self) -> Pixels | None:
        """The transparency of the picture, or of its first frame: (H, W)."""
        return None if self.alphas is None else self.alphas[0]

    @classmethod
    def of(cls, pixels: Pixels, alpha: Pixels | None = None, metadata: PictureMetadata | None = None) -> Picture:
        """Make a picture from arrays.

        Args:
            pixels: (H, W), (H, W, 1) or (H, W, 3), uint8 or uint16.
            alpha: (H, W), same dtype, or None.
            metadata: to be kept with it.

        Raises:
            ImageError: an array has another shape or dtype.
        """
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
            raise ImageError(f"array of shape {pixels.shape} is not (H, W), (H, W, 1) or (H, W, 3)")
        if pixels.dtype not in (np.uint8, np.uint16):
            raise ImageError(f"dtype {pixels.dtype} is not one of uint8, uint16", hint="convert it first")
        if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
            raise ImageError(
                f"transparency is {alpha.dtype} {alpha.shape}, but the picture is {pixels.dtype} {pixels.shape[:2]}"
            )
        header = Header(
            format="",
            width=pixels.shape[1],
            height=pixels.shape[0],
            channels=pixels.shape[2],
            alpha=alpha is not None,
            depth=8 * pixels.dtype.itemsize,
            metadata=metadata or PictureMetadata(),
        )
        return cls(header, pixels[None], None if alpha is None else alpha[None])
