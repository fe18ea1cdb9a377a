"""`fourpass.upscale`: one call for a file, PIL image, numpy array or torch tensor, that gives back the same kind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.defaults import DEFAULT_MODEL
from fourpass.disk import overwriting
from fourpass.engine.engine import Engine
from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import files
from fourpass.imaging.jpeg_tables import luma_table
from fourpass.imaging.picture import Picture
from fourpass.upscaling.frames import upscale_picture
from fourpass.upscaling.model import Model
from fourpass.upscaling.sizes import plan_size
from fourpass.upscaling.upscaler import AUTO, ProgressCallback, Upscaler


def upscale(
    image: Any,
    scale: float | None = None,
    *,
    strength: float | None = None,
    restore: float | str | None = None,
    size: tuple[int, int] | None = None,
    output: str | os.PathLike[str] | None = None,
    self_ensemble: bool = False,
    progress: ProgressCallback | None = None,
    model: Model = DEFAULT_MODEL,
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

            - a path: the result is written beside it as NAME_x4.EXT, or to `output`; metadata, transparency and frames
              are preserved;
            - a PIL image of mode 1, L, LA, P, PA, RGB, RGBA or I;16;
            - a numpy array: RGB (H, W, 3) or gray (H, W) or (H, W, 1), uint8, uint16, or float32 on 0..1; with
              transparency (H, W, 4) or (H, W, 2), uint8 or uint16;
            - a torch tensor (C, H, W) or (N, C, H, W), C 1 or 3, floating on 0..1, or uint8.
        scale: how many times larger; any positive number. Default: 4, or the model's own if it has no 4.
        strength: from 0 (faithful) to 1 (perceptual). Default: see `Upscaler`.
        restore: from 0 (as it is) to 1 (cleaned), or ``auto``. Default: auto; see `Upscaler`.
        size: (rows, columns) of the output, instead of a scale. `fourpass.upscaling.sizes.plan_size` computes it from
            a width, a height and more.
        output: where to write; only for a path.
        self_ensemble: average over the eight rotations and flips; takes 8 times as long.
        progress: called with the share that is done, 0..1.
        model, engine, backend, device, precision, threads, tile, max_memory: see `Upscaler`.
        upscaler: an `Upscaler` that is already loaded, instead of `strength`, `restore` and the
            arguments above.

    Returns:
        The path written, or a new picture of the same kind, dtype, mode, channels and device. A PIL image comes back
        as L, LA, RGB, RGBA or I;16: palettes, 1-bit pixels and transparent colours are expanded.

    Raises:
        ConfigError: arguments that contradict each other or are out of range; `output` is the input file.
        ImageError: not one of these kinds of picture, or a file that cannot be read or written.
        WeightsError, BackendError: see `Upscaler`.
    """
    if output is not None and not isinstance(image, (str, os.PathLike)):
        raise ConfigError("output is for a picture given by path; others are returned")
    if scale is not None and size is not None:
        raise ConfigError("upscale takes a scale or a size, not both")
    if upscaler is None:
        upscaler = Upscaler(
            model,
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
    elif strength is not None or restore is not None:
        raise ConfigError("strength and restore belong to the Upscaler; make that with them")
    factor = upscaler.default_scale if scale is None else scale
    job = _Job(upscaler, factor, size, self_ensemble, progress)
    if isinstance(image, (str, os.PathLike)):
        return _file(job, Path(image), output)
    if isinstance(image, np.ndarray):
        return job.array(image)
    module = type(image).__module__.partition(".")[0]
    if module == "torch" and hasattr(image, "detach"):
        return _tensor(job, image)
    if module == "PIL" or hasattr(image, "getbands"):
        return _pil(job, image)
    raise ImageError(f"{type(image).__name__} is not a path, a PIL image, a numpy array or a torch tensor")


class _Job:
    """What to do with each array, once the kind of picture is known."""

    def __init__(
        self,
        upscaler: Upscaler,
        scale: float,
        size: tuple[int, int] | None,
        self_ensemble: bool,
        progress: ProgressCallback | None,
    ) -> None:
        self.upscaler = upscaler
        self.scale = scale
        self._size = size
        self.self_ensemble = self_ensemble
        self.progress = progress

    def size(self, input_size: tuple[int, int]) -> tuple[int, int]:
        return self._size or plan_size(input_size, scale=self.scale)

    def suffix(self, size: tuple[int, int]) -> str:
        return f"_x{self.scale:g}" if self._size is None else f"_{size[1]}x{size[0]}"

    def array(self, image: NDArray[Any], progress: ProgressCallback | None = None) -> NDArray[Any]:
        """Upscale colours, with transparency as the last of 2 or 4 channels."""
        progress = progress or self.progress
        if image.ndim != 3 or image.shape[2] not in (2, 4) or 0 in image.shape:
            size = self.size(image.shape[:2]) if image.ndim in (2, 3) and 0 not in image.shape else (1, 1)
            return self.upscaler.upscale(image, size=size, self_ensemble=self.self_ensemble, progress=progress)
        picture = Picture.of(image[..., :-1], image[..., -1])
        size = self.size(image.shape[:2])
        result = np.empty((*size, image.shape[2]), image.dtype)
        done = 0
        for band in upscale_picture(self.upscaler, picture, size, self_ensemble=self.self_ensemble, progress=progress):
            result[done : done + len(band)] = band
            done += len(band)
        return result


def _file(job: _Job, source: Path, output: str | os.PathLike[str] | None) -> Path:
    if output is not None:
        overwriting.check([source], [output])
    picture = files.read(source)
    size = job.size(picture.header.size)
    if output is None:
        target = source.with_name(source.stem + job.suffix(size) + source.suffix)
        if os.path.exists(target):
            raise ImageError(f"{target}: already exists; delete it, or name an output with output=")
    else:
        target = Path(output)
    settled, _ = job.upscaler.for_picture(picture.pixels, luma_table(source))
    bands = upscale_picture(settled, picture, size, self_ensemble=job.self_ensemble, progress=job.progress)
    files.write_rows(target, bands, picture.header.resized(size))
    return target


def _pil(job: _Job, image: Any) -> Any:
    from PIL import Image

    mode = image.mode
    palette = image.palette.mode if mode == "P" and image.palette is not None else ""
    transparent = mode == "PA" or "transparency" in image.info or palette.endswith(("A", "a"))
    if mode in ("1", "L"):
        image = image.convert("LA" if transparent else "L")
    elif mode in ("P", "PA", "RGB"):
        image = image.convert("RGBA" if transparent else "RGB")
    elif mode not in ("LA", "RGBA", "I;16"):
        raise ImageError(
            f"PIL image of mode {mode} is not one of 1, L, LA, P, PA, RGB, RGBA, I;16; convert it, or give its file"
        )
    result = Image.fromarray(job.array(np.asarray(image)))
    result.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return result


def _tensor(job: _Job, image: Any) -> Any:
    import torch

    if image.ndim not in (3, 4) or image.shape[-3] not in (1, 3):
        raise ImageError(f"tensor of shape {tuple(image.shape)} is not (C, H, W) or (N, C, H, W) with C 1 or 3")
    if not (image.is_floating_point() or image.dtype == torch.uint8):
        raise ImageError(f"tensor of {image.dtype} is not one of a floating type (on 0..1) or uint8; convert it first")
    batch = image.detach() if image.ndim == 4 else image.detach()[None]
    if not len(batch):
        raise ImageError("tensor holds no picture: N is 0")
    plain = batch.to("cpu", torch.uint8 if image.dtype == torch.uint8 else torch.float32)
    arrays = plain.permute(0, 2, 3, 1).contiguous().numpy()
    results = []
    for index, array in enumerate(arrays):
        progress = None
        if job.progress is not None:
            progress = _part(job.progress, index, len(arrays))
        results.append(torch.from_numpy(job.array(array, progress)).permute(2, 0, 1))
    result = torch.stack(results).to(image.device, image.dtype)
    return result if image.ndim == 4 else result[0]


def _part(progress: ProgressCallback, index: int, count: int) -> ProgressCallback:
    return lambda share: progress((index + share) / count)
