"""`fourpass.upscale`: one call for a file, PIL image, numpy array or torch tensor, that gives back the same kind."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from fourpass.defaults import DEFAULT_MODEL
from fourpass.engine.engine import Engine
from fourpass.errors import ConfigError
from fourpass.upscaling import kinds
from fourpass.upscaling.model import Model
from fourpass.upscaling.results import LossWarning, UpscaleResult
from fourpass.upscaling.upscaler import AUTO, ProgressCallback, Upscaler

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor
    from typing_extensions import Unpack

_DType = TypeVar("_DType", bound=np.generic)
_Path = str | os.PathLike[str]


class Options(TypedDict, total=False):
    """Options of `upscale` and `upscale_and_report`; the docstring of `upscale` explains them."""

    strength: float | None
    restore: float | str | None
    size: tuple[int, int] | None
    self_ensemble: bool
    progress: ProgressCallback | None
    model: Model | None
    engine: Engine | None
    backend: str
    device: str
    precision: str
    threads: int | None
    tile: int | None
    max_memory: int | None
    upscaler: Upscaler | None


class FileOptions(Options, total=False):
    """The same, for a picture given by path."""

    output: _Path | None


@overload
def upscale(image: _Path, scale: float | None = None, **options: Unpack[FileOptions]) -> Path: ...
@overload
def upscale(image: NDArray[_DType], scale: float | None = None, **options: Unpack[Options]) -> NDArray[_DType]: ...
@overload
def upscale(image: Image, scale: float | None = None, **options: Unpack[Options]) -> Image: ...
@overload
def upscale(image: Tensor, scale: float | None = None, **options: Unpack[Options]) -> Tensor: ...
def upscale(
    image: Any,
    scale: float | None = None,
    *,
    strength: float | None = None,
    restore: float | str | None = None,
    size: tuple[int, int] | None = None,
    output: _Path | None = None,
    self_ensemble: bool = False,
    progress: ProgressCallback | None = None,
    model: Model | None = None,
    engine: Engine | None = None,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    tile: int | None = None,
    max_memory: int | None = None,
    upscaler: Upscaler | None = None,
) -> Any:
    """Upscale one picture and return the same kind of thing.

    Args:
        image: one of

            - a path: the result is written next to it as NAME_x4.EXT, or to `output`; metadata, transparency and frames
              are preserved;
            - a PIL image of mode 1, L, LA, P, PA, RGB, RGBA or I;16;
            - a numpy array: RGB (H, W, 3) or gray (H, W) or (H, W, 1), uint8, uint16, or float32 on 0..1; with
              transparency (H, W, 4) or (H, W, 2), uint8 or uint16;
            - a torch tensor (C, H, W) or (N, C, H, W), C 1 or 3, floating on 0..1, or uint8.
        scale: how many times larger; any positive number. Default: 4, or the model's own if it has no 4.
        strength: from 0 (faithful) to 1 (perceptual). Default: see `Upscaler`.
        restore: from 0 (left as it is) to 1 (fully cleaned), or ``auto``. Default: auto; see `Upscaler`.
        size: (rows, columns) of the output, instead of a scale. `fourpass.upscaling.sizes.plan_size` computes it from
            a width, a height and more.
        output: where to write; only for a path.
        self_ensemble: average over the eight rotations and flips; takes 8 times as long.
        progress: called with the fraction that is done, 0..1.
        model, engine, backend, device, precision, threads, tile, max_memory: see `Upscaler`.
        upscaler: an `Upscaler` that is already loaded, instead of `strength`, `restore` and the
            arguments above; one of them beside it is an error.

    Returns:
        The path written, or a new picture of the same kind, dtype, mode, channels and device. A PIL image comes back
        as L, LA, RGB, RGBA or I;16: palettes, 1-bit pixels and transparent colours are expanded.

    Raises:
        ConfigError: arguments that contradict each other or are out of range; `output` is the input file.
        ImageError: not one of these kinds of picture, or a file that cannot be read or written.
        WeightsError, BackendError: see `Upscaler`.

    Warns:
        LossWarning: the result lacks something of the input, metadata for example that its format cannot hold;
            `upscale_and_report` returns what, and does not warn.
    """
    result = _upscale(
        image,
        scale,
        measure=False,
        strength=strength,
        restore=restore,
        size=size,
        output=output,
        self_ensemble=self_ensemble,
        progress=progress,
        model=model,
        engine=engine,
        backend=backend,
        device=device,
        precision=precision,
        threads=threads,
        tile=tile,
        max_memory=max_memory,
        upscaler=upscaler,
    )
    if result.lost:
        name = f"{result.image}: " if isinstance(result.image, Path) else ""
        warnings.warn(f"{name}without {', '.join(result.lost)}", LossWarning, stacklevel=2)
    return result.image


@overload
def upscale_and_report(
    image: _Path, scale: float | None = None, **options: Unpack[FileOptions]
) -> UpscaleResult[Path]: ...
@overload
def upscale_and_report(
    image: NDArray[_DType], scale: float | None = None, **options: Unpack[Options]
) -> UpscaleResult[NDArray[_DType]]: ...
@overload
def upscale_and_report(
    image: Image, scale: float | None = None, **options: Unpack[Options]
) -> UpscaleResult[Image]: ...
@overload
def upscale_and_report(
    image: Tensor, scale: float | None = None, **options: Unpack[Options]
) -> UpscaleResult[Tensor]: ...
def upscale_and_report(image: Any, scale: float | None = None, **options: Any) -> UpscaleResult[Any]:
    """Upscale one picture, and also return a report: what was lost, the LR-PSNR, the time.

    Takes and raises the same as `upscale`.

    Returns:
        the result; its `image` is what `upscale` returns. Its facts of consistency and disagreement are those that the
        `upscaler` was told to find, see `fourpass.FaithfulUpscaler`.
    """
    return _upscale(image, scale, measure=True, **options)


def _upscale(
    image: Any,
    scale: float | None,
    *,
    measure: bool,
    strength: float | None = None,
    restore: float | str | None = None,
    size: tuple[int, int] | None = None,
    output: _Path | None = None,
    self_ensemble: bool = False,
    progress: ProgressCallback | None = None,
    upscaler: Upscaler | None = None,
    model: Model | None = None,
    engine: Engine | None = None,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    tile: int | None = None,
    max_memory: int | None = None,
) -> UpscaleResult[Any]:
    began = time.monotonic()
    if output is not None and not isinstance(image, (str, os.PathLike)):
        raise ConfigError("output works only for a picture given by path", hint="results of other inputs are returned")
    if scale is not None and size is not None:
        raise ConfigError("upscale takes a scale or a size, not both")
    if upscaler is None:
        upscaler = Upscaler(
            DEFAULT_MODEL if model is None else model,
            engine=engine,
            backend=backend,
            device=device,
            precision=precision,
            threads=threads,
            tile=tile,
            max_memory=max_memory,
            strength=strength,
            restore=AUTO if restore is None else restore,
        )
    else:
        _nothing_beside(
            model=model,
            engine=engine,
            backend=None if backend == "auto" else backend,
            device=None if device == "auto" else device,
            precision=None if precision == "auto" else precision,
            threads=threads,
            tile=tile,
            max_memory=max_memory,
            strength=strength,
            restore=restore,
        )
    return kinds.run(
        image,
        upscaler,
        upscaler.default_scale if scale is None else scale,
        size,
        output=output,
        self_ensemble=self_ensemble,
        progress=progress,
        measure=measure,
        began=began,
    )


def _nothing_beside(**options: object) -> None:
    """Refuse what a loaded Upscaler would not heed: options of its making; None for those that were not given."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"{', '.join(given)} and an upscaler are both given, but a loaded Upscaler keeps what it was made with",
            hint=f"make it with {' and '.join(f'{name}=' for name in given)}, or leave upscaler= out",
        )
