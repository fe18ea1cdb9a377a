"""The Upscaler: arrays in, larger arrays out, in tiles that fit the memory, whole or as a stream of rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.defaults import DEFAULT_MODEL
from fourpass.engine.engine import Engine
from fourpass.errors import BackendError, ConfigError, ImageError
from fourpass.imaging import tiles
from fourpass.upscaling import stream, tiling
from fourpass.upscaling.model import Model, has_dial, is_family, load, stands_at
from fourpass.upscaling.network import Run
from fourpass.upscaling.results import FactsListener, FrameFacts
from fourpass.upscaling.shrinking import meter_of
from fourpass.upscaling.sizes import plan_size, trained_scale
from fourpass.wear.estimate import estimate
from fourpass.wear.restore import Restore, restore_for

Pixels = NDArray[Any]
ProgressCallback = Callable[[float], None]

# BT.601, full range: a gray picture runs as RGB, and its luma is what is kept.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
AUTO = "auto"
_AUTO_STEP = 0.05  # of restore: finer makes no picture better, and each value is a network to load
_KEPT = 4  # networks of different restore that stay loaded


class Upscaler:
    """A network that is ready to upscale pictures; safe to use from several threads at once.

    Args:
        model: a packaged name (``swift``, ``eusr``), a ``.safetensors`` path, an ``.onnx`` path, weights, or a
            `fourpass.blend` of two.
        engine: a `fourpass.Engine` to run on. Default: one made from `backend`, `device`, `precision` and `threads`.
        backend, device, precision, threads: see `fourpass.Engine`.
        tile: side of a tile in input pixels, including its halo. Default: chosen to fit the memory.
        max_memory: bytes that upscaling may use, beside the picture itself. Default: half of the free memory, up to
            a useful maximum. Each thread that upscales at the same time uses this much.
        strength: from 0 (faithful) to 1 (perceptual), for the packaged families. Default: what the weights say
            (``swift``: 0.5 at 4, ``eusr``: 0.9 at 4, both 0 at 2 and 8); other models run unblended.
        restore: from 0 (as it is) to 1 (cleaned of JPEG blocks, noise and blur), for the packaged families that have
            worn weights. ``auto``: as much as each picture needs, see `for_picture`; other models run unblended.
        wrap: treat the picture as a repeating texture: its left edge borders its right one. Exact at trained scales;
            other sizes are resampled without wrapping.
        keep_colour: correct colours that EUSR shifts, which takes a few percent more time; False for the network's
            bare output.

    Attributes:
        scales: the trained scales, ascending. Other sizes are made from the smallest one that suffices.
        engine: the backend, device, precision and threads that run, and why.

    Raises:
        ConfigError: an argument is out of range, the strength has no weights to blend, or an engine is given and
            described as well.
        WeightsError: the model is missing, damaged, or not one that upscales.
        BackendError: the backend is not installed.
    """

    def __init__(
        self,
        model: Model = DEFAULT_MODEL,
        *,
        engine: Engine | None = None,
        backend: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        tile: int | None = None,
        max_memory: int | None = None,
        strength: float | None = None,
        restore: float | str = AUTO,
        wrap: bool = False,
        keep_colour: bool = True,
    ) -> None:
        if tile is not None and tile < tiling.SMALLEST:
            raise ConfigError(f"tile {tile} is smaller than the minimum, {tiling.SMALLEST}")
        if max_memory is not None and max_memory < 1:
            raise ConfigError(f"max_memory {max_memory} is not a positive number of bytes")
        if engine is not None and (backend, device, precision, threads) != ("auto", "auto", "auto", None):
            raise ConfigError(
                "an engine and its backend, device, precision or threads are both given", hint="give only one of them"
            )
        self.engine = engine or Engine(backend, device=device, precision=precision, threads=threads)
        if isinstance(restore, str) and restore != AUTO:
            raise ConfigError(f"restore {restore!r} is neither a number from 0 to 1 nor {AUTO!r}")
        positions = {} if strength is None else {"strength": strength}
        if not isinstance(restore, str) and (restore or has_dial(model, "restore")):
            positions["restore"] = restore
        self._network = load(model, positions, self.engine, keep_colour=keep_colour)
        self._cleans = stands_at(model, "restore", positions) > 0
        self._auto = restore == AUTO and is_family(model) and has_dial(model, "restore")
        self._arguments: dict[str, Any] = {
            "engine": self.engine,
            "tile": tile,
            "max_memory": max_memory,
            "strength": strength,
            "wrap": wrap,
            "keep_colour": keep_colour,
        }
        self._model = model
        self._settled: OrderedDict[float, Upscaler] = OrderedDict()
        self._tile, self._wrap = tile, wrap
        self._max_memory = max_memory
        self._lock = threading.Lock()
        self._ready: dict[int, Run] = {}
        self._chosen: set[int] = set()

    @property
    def scales(self) -> tuple[int, ...]:
        """The trained scales, ascending."""
        return self._network.scales

    @property
    def default_scale(self) -> int:
        """The scale that is used when neither scale nor size is given: the largest trained one up to 4."""
        return max((each for each in self.scales if each <= 4), default=self.scales[0])

    def prepare(self, scale: int, pixels: int = 0) -> Run:
        """Load the network at a trained scale, unless it is loaded, and return what runs it.

        Args:
            scale: a trained one.
            pixels: of the picture that is to run, see `fourpass.Engine.load`.

        Raises:
            ConfigError: the scale is not a trained one.
            BackendError: the backend cannot load it.
        """
        with self._lock:
            if scale not in self._ready or (self.engine.may_measure(pixels) and scale not in self._chosen):
                if scale not in self.scales:
                    trained = ", ".join(map(str, self.scales))
                    raise ConfigError(f"scale {scale} is not one of this model's scales {trained}")
                self._ready[scale] = self._network.load(self.engine, scale, pixels)
                if self.engine.may_measure(pixels):
                    self._chosen.add(scale)
            return self._ready[scale]

    @property
    def decides(self) -> bool:
        """Whether `for_picture` finds out how much to restore."""
        return self._auto

    def for_picture(self, image: Pixels, table: NDArray[Any] | None = None) -> tuple[Upscaler, Restore | None]:
        """Return the Upscaler for a picture where `restore` is ``auto``, and what was decided.

        `upscale` and `rows` do this themselves; it is for several frames that are to be treated alike, and for whoever
        knows more of a picture than its pixels.

        Args:
            image: as `upscale` takes it.
            table: of the JPEG file that it comes from, see `fourpass.imaging.jpeg_tables.luma_table`.

        Returns:
            an Upscaler with a `restore` for this picture, a multiple of 0.05, and how it came about; or this very one
            and None where nothing is to be decided.

        Raises:
            ImageError: the array is not such a picture.
        """
        if not self._auto:
            return self, None
        _check_picture(image)
        found = restore_for(estimate(image, table))
        level = round(round(found.value / _AUTO_STEP) * _AUTO_STEP, 2)
        with self._lock:
            if level not in self._settled:
                self._settled[level] = self._at_restore(level)
            self._settled.move_to_end(level)
            while len(self._settled) > _KEPT:
                self._settled.popitem(last=False)
            return self._settled[level], Restore(level, found.reason)

    def _at_restore(self, level: float) -> Upscaler:
        return Upscaler(self._model, restore=level, **self._arguments)

    def upscale(
        self,
        image: Pixels,
        scale: float | None = None,
        *,
        size: tuple[int, int] | None = None,
        self_ensemble: bool = False,
        progress: ProgressCallback | None = None,
        facts: FactsListener | None = None,
    ) -> Pixels:
        """Upscale a picture.

        Args:
            image: RGB (H, W, 3) or gray (H, W) or (H, W, 1); uint8, uint16, or float32 on 0..1.
            scale: how many times larger; any positive number. Default: `default_scale`.
            size: (rows, columns) of the output, instead of a scale.
            self_ensemble: average over the eight rotations and flips; takes 8 times as long.
            progress: called with the share that is done, 0..1, now and then; an exception from it stops the work.
            facts: called once with the `fourpass.FrameFacts` of the result, after its last row; measuring them takes
                about as long as shrinking the result. `fourpass.upscale_and_report` returns them instead.

        Returns:
            An array of the same dtype and channels. It is made at the smallest trained scale that suffices, then
            resampled once, antialiased, in float, and rounded once.

        Raises:
            ConfigError: the size is out of reach, or a tile does not fit the memory.
            ImageError: the array is not such a picture.
            BackendError: the network fails.
        """
        image, size = self._checked(image, scale, size)
        result: Pixels | None = None
        done = 0
        for band in self.rows(image, size=size, self_ensemble=self_ensemble, progress=progress, facts=facts):
            if result is None:
                result = np.empty((size[0], *band.shape[1:]), band.dtype)
            result[done : done + len(band)] = band
            done += len(band)
        assert result is not None
        assert done == size[0]
        return result

    def rows(
        self,
        image: Pixels,
        scale: float | None = None,
        *,
        size: tuple[int, int] | None = None,
        self_ensemble: bool = False,
        progress: ProgressCallback | None = None,
        facts: FactsListener | None = None,
    ) -> Iterator[Pixels]:
        """Upscale a picture as a stream, so that the output need not fit into memory.

        Arguments and errors are those of `upscale`; arguments are checked before the first band is requested.

        Returns:
            An iterator over bands of output rows, top to bottom; together they equal what `upscale` returns.
        """
        image, size = self._checked(image, scale, size)
        settled, _ = self.for_picture(image)
        bands = settled._bands(image, size, self_ensemble, progress)
        return bands if facts is None else _measured(bands, image, size, facts)

    def _checked(
        self, image: Pixels, scale: float | None, size: tuple[int, int] | None
    ) -> tuple[Pixels, tuple[int, int]]:
        _check_picture(image)
        if scale is not None and size is not None:
            raise ConfigError("upscale takes a scale or a size, not both")
        if size is None:
            if scale is None:
                scale = self.default_scale
            size = plan_size(image.shape[:2], scale=scale)
        if min(size) < 1:
            raise ConfigError(f"size {size} is not at least 1x1")
        trained_scale(image.shape[:2], size, self.scales)
        return image, (int(size[0]), int(size[1]))

    def _bands(
        self, image: Pixels, size: tuple[int, int], self_ensemble: bool, progress: ProgressCallback | None
    ) -> Iterator[Pixels]:
        height, width = image.shape[:2]
        gray = image.ndim == 2 or image.shape[2] == 1
        scale = trained_scale((height, width), size, self.scales)
        if self._cleans and size == (height, width):
            scale = self.scales[0]  # cleaning alone: enlarged, and shrunk again
        exact = size == (scale * height, scale * width)

        def finish(pixels: NDArray[np.float32]) -> Pixels:
            done = stream.cast(pixels, image.dtype)
            return done[..., 0] if image.ndim == 2 else done

        # The surroundings that a tile sees; a network that wants multiples gets its origin where it was.
        border = -(-self._network.halo // self._network.multiple) * self._network.multiple
        border = border if self._wrap and scale > 1 else 0
        if border:
            image = np.pad(image, [(border, border), (border, border), (0, 0)][: image.ndim], mode="wrap")
        limits = tiling.Limits(self._tile, self._max_memory, exact, self_ensemble)
        ready = self.prepare(scale, height * width) if scale > 1 else Run(lambda pixels: pixels, 0)
        rows, columns = tiling.plan(self._network, image, scale, limits, ready.bytes_a_pixel, ready.budget)
        total = len(rows) * len(columns)
        count = 0

        def run(row: tiles.Span, column: tiles.Span) -> NDArray[np.float32]:
            nonlocal count
            tile = _as_float(image[row.start : row.stop, column.start : column.stop])
            if scale > 1:
                tile = self._run(ready, np.repeat(tile, 3, axis=2) if gray else tile, scale, self_ensemble)
                if gray:
                    tile = (tile @ _LUMA)[..., None]
            count += 1
            if progress is not None and count < total:
                progress(count / total)
            return tile

        bands: Any = stream.assemble(rows, columns, scale, run, finish if exact else None)
        if border:
            bands = stream.cut(bands, scale * border, (scale * height, scale * width))
        if exact:
            yield from bands
        else:
            for band in stream.resample(bands, (scale * height, scale * width), size):
                yield finish(band)
        if progress is not None:
            progress(1.0)

    def _run(self, network: Run, tile: NDArray[np.float32], scale: int, self_ensemble: bool) -> NDArray[np.float32]:
        if not self_ensemble:
            result = network(tile)
        else:
            result = np.zeros((scale * tile.shape[0], scale * tile.shape[1], 3), np.float32)
            for turns in range(4):
                for flip in (False, True):
                    turned = np.rot90(tile[:, ::-1] if flip else tile, turns)
                    output = np.rot90(network(turned), -turns)
                    result += output[:, ::-1] if flip else output
            result /= 8
        if not np.isfinite(result).all():
            raise BackendError(
                (
                    f"{self._network.name} produced values that are not finite ({self.engine.backend}, "
                    f"{self.engine.precision})"
                ),
                hint="try precision fp32 or another backend, or check the weights",
            )
        return result


def _measured(bands: Iterator[Pixels], image: Pixels, size: tuple[int, int], facts: FactsListener) -> Iterator[Pixels]:
    """Pass the bands on, and tell what is known of them after the last one."""
    meter = meter_of(image, size)
    for band in bands:
        if meter is not None:
            meter.add(band)
        yield band
    facts(FrameFacts(None if meter is None else meter.decibels()))


def _check_picture(image: Pixels) -> None:
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"{type(image).__name__} is not a numpy array", hint="fourpass.upscale takes other kinds of pictures"
        )
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))) or 0 in image.shape:
        raise ImageError(
            f"array of shape {image.shape} is not a picture",
            hint="give RGB (H, W, 3) or gray (H, W), and alpha separately",
        )
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageError(f"dtype {image.dtype} is not one of uint8, uint16, float32 (on 0..1)", hint="convert it first")
    if image.dtype == np.float32:
        low, high = float(image.min()), float(image.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):  # not so for NaN either
            raise ImageError(f"float32 picture holds values from {low:g} to {high:g}", hint="it must be on 0..1")


def _as_float(pixels: Pixels) -> NDArray[np.float32]:
    """Return a part of the picture as float32 (H, W, C) on 0..255."""
    top = 1.0 if pixels.dtype == np.float32 else float(np.iinfo(pixels.dtype).max)
    values = pixels.astype(np.float32) if top == 255 else pixels * np.float32(255 / top)
    return values[..., None] if values.ndim == 2 else values
