"""A network at all its scales and the input it expects: what an Upscaler runs, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fourpass.engine import graphs
from fourpass.engine.backends import OutOfDeviceMemory, Session
from fourpass.engine.engine import Engine
from fourpass.engine.sources import OurWeights, Source
from fourpass.errors import ConfigError
from fourpass.imaging.tiles import Span
from fourpass.upscaling.consistency import keep_colour
from fourpass.weights import Weights

OTHER_HALO = 32  # the halo of networks whose receptive field is unknown
_COLOUR_REACH = 4  # of `keep_colour`, on top of the network's own; measured too: what lies further hardly matters


@dataclass(frozen=True)
class Run:
    """A network that is ready at one scale.

    Attributes:
        function: upscales float32 (H, W, 3) on 0..255 to (sH, sW, 3), not clipped.
        bytes_a_pixel: memory that it takes per pixel of its input.
        budget: see `fourpass.engine.backends.Session`.
    """

    function: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    bytes_a_pixel: float
    budget: int | None = None

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.function(image)


class Network(Protocol):
    """What an Upscaler and its tiles must know about a network.

    Attributes:
        name: for messages.
        scales: the trained ones, ascending.
        halo: input pixels needed around a tile for its output to equal that of the whole picture.
        multiple: sides of its input must be multiples of it.
        fixed: the only (rows, columns) of its input, or None when it takes any.
    """

    @property
    def name(self) -> str: ...
    @property
    def scales(self) -> tuple[int, ...]: ...
    @property
    def halo(self) -> int: ...
    @property
    def multiple(self) -> int: ...
    @property
    def fixed(self) -> tuple[int, int] | None: ...

    def features(self, scale: int) -> float:
        """Channels of its widest layers for each output pixel, for the memory that it takes."""
        ...

    def load(self, engine: Engine, scale: int, pixels: int = 0) -> Run:
        """Prepare it to run at one of its scales on a picture of this many pixels (see `Engine.load`)."""
        ...


@dataclass(frozen=True)
class OneNetwork:
    """One network; see `Network` for the other attributes.

    Attributes:
        sources: what the engine loads at each trained scale.
        widths: `features` at each scale; 64 by default.
        top: the value of white: 255 or 1.
        dtype: of its input.
        keeps_colour: take slow shifts of colour out of the output, see `fourpass.upscaling.consistency.keep_colour`.
    """

    name: str
    sources: Mapping[int, Source]
    halo: int
    widths: Mapping[int, float]
    top: float = 255.0
    dtype: type[np.floating] = np.float32
    multiple: int = 1
    fixed: tuple[int, int] | None = None
    keeps_colour: bool = False

    @property
    def scales(self) -> tuple[int, ...]:
        return tuple(sorted(self.sources))

    def features(self, scale: int) -> float:
        return self.widths.get(scale, 64.0)

    def load(self, engine: Engine, scale: int, pixels: int = 0) -> Run:
        session = engine.load(self.sources[scale], pixels)
        needs = session.bytes_a_pixel(self.features(scale) * scale**2)
        return Run(partial(self.run, session), needs, session.budget)

    def run(self, session: Session, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Upscale (H, W, 3) on 0..255 with a session of one of `sources`; returns float32 (sH, sW, 3), not clipped.

        An input too large for the device's memory is split into quarters.
        """
        try:
            return self._whole(session, image)
        except OutOfDeviceMemory:
            if self.fixed is not None or min(image.shape[:2]) < 2 * self.multiple:
                raise
        rows, columns = (_halves(length, self.halo, self.multiple) for length in image.shape[:2])
        bands = [
            np.concatenate([self._part(session, image, row, column) for column in columns], axis=1) for row in rows
        ]
        return np.concatenate(bands)

    def _part(self, session: Session, image: NDArray[np.float32], row: Span, column: Span) -> NDArray[np.float32]:
        result = self.run(session, image[row.start : row.stop, column.start : column.stop])
        scale = result.shape[0] // (row.stop - row.start)
        return result[
            scale * (row.first - row.start) : scale * (row.last - row.start),
            scale * (column.first - column.start) : scale * (column.last - column.start),
        ]

    def _whole(self, session: Session, image: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        given = image
        rows, columns = self.fixed or (-(-side // self.multiple) * self.multiple for side in (height, width))
        if (rows, columns) != (height, width):
            image = np.pad(image, ((0, rows - height), (0, columns - width), (0, 0)), mode="symmetric")
        batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
        if self.top != 255:
            batch *= np.float32(self.top / 255)
        result = session.run(batch.astype(self.dtype, copy=False))
        scale = result.shape[2] // rows
        pixels = result[0, :, : scale * height, : scale * width].transpose(1, 2, 0).astype(np.float32, copy=False)
        if self.top != 255:
            pixels = pixels * np.float32(255 / self.top)
        return keep_colour(pixels, given) if self.keeps_colour else pixels


@dataclass(frozen=True)
class PixelBlend:
    """Two networks whose outputs are blended: (1 - share) of the first, share of the second."""

    first: Network
    second: Network
    share: float

    def __post_init__(self) -> None:
        if not self.scales:
            raise ConfigError(
                f"{self.first.name} upscales by {self.first.scales} and {self.second.name} by {self.second.scales}: "
                "they have no scale in common"
            )
        if self.second.fixed is not None and self.second.fixed != self.first.fixed:
            raise ConfigError(
                f"{self.second.name} takes only pictures of {self.second.fixed}",
                hint="give it as the first of the two",
            )

    @property
    def name(self) -> str:
        return f"{self.first.name} + {self.second.name}"

    @property
    def scales(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.first.scales) & set(self.second.scales)))

    @property
    def halo(self) -> int:
        return max(self.first.halo, self.second.halo)

    @property
    def multiple(self) -> int:
        return int(np.lcm(self.first.multiple, self.second.multiple))

    @property
    def fixed(self) -> tuple[int, int] | None:
        return self.first.fixed

    def features(self, scale: int) -> float:
        return max(self.first.features(scale), self.second.features(scale))

    def load(self, engine: Engine, scale: int, pixels: int = 0) -> Run:
        if self.share in (0, 1):
            return (self.second if self.share else self.first).load(engine, scale, pixels)
        first, second = self.first.load(engine, scale, pixels), self.second.load(engine, scale, pixels)
        share = np.float32(self.share)
        budgets = [each.budget for each in (first, second) if each.budget is not None]
        return Run(
            lambda image: (1 - share) * first(image) + share * second(image),
            max(first.bytes_a_pixel, second.bytes_a_pixel),
            min(budgets, default=None),
        )


def _halves(length: int, halo: int, multiple: int) -> list[Span]:
    """Split an axis into two overlapping tiles, or leave it whole if it is too short."""
    middle = -(-(length // 2) // multiple) * multiple
    reach = -(-halo // multiple) * multiple
    if middle + reach >= length or middle - reach <= 0:
        return [Span(0, length, 0, length)]
    return [Span(0, middle + reach, 0, middle), Span(middle - reach, length, middle, length)]


def ours(at: Mapping[int, Weights], keeps_colour: bool = True) -> OneNetwork:
    """Return the network of fourpass weights, which may differ by scale.

    Args:
        at: scale -> weights, all of one architecture.
        keeps_colour: whether the output gets its input's colours back where no path carries them past the network.
    """
    first = next(iter(at.values()))
    known = graphs.architecture(first)
    keeps_colour = keeps_colour and not known.carries_colour
    return OneNetwork(
        first.source,
        {scale: OurWeights(weights, scale) for scale, weights in at.items()},
        known.halo + (_COLOUR_REACH if keeps_colour else 0),
        {scale: graphs.features(weights, scale) for scale, weights in at.items()},
        keeps_colour=keeps_colour,
    )
