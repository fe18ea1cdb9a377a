"""A picture of any kind, upscaled to the same kind: files, PIL images, numpy arrays, torch tensors."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.disk import overwriting
from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import files, formats, limits
from fourpass.imaging.jpeg_tables import luma_table
from fourpass.imaging.picture import Picture, Pixels
from fourpass.upscaling.frames import upscale_picture
from fourpass.upscaling.results import FactsListener, FrameFacts, UpscaleResult
from fourpass.upscaling.sizes import plan_size
from fourpass.upscaling.upscaler import ProgressCallback, Upscaler
from fourpass.wear.restore import Restore


def run(
    image: Any,
    upscaler: Upscaler,
    scale: float,
    size: tuple[int, int] | None,
    *,
    output: str | os.PathLike[str] | None,
    self_ensemble: bool,
    progress: ProgressCallback | None,
    measure: bool,
    began: float,
) -> UpscaleResult[Any]:
    """Upscale a picture of any kind; takes and raises the same as `fourpass.upscale`.

    Args:
        measure: whether to find the facts of each frame; the result has none otherwise.
        began: `time.monotonic` of when the work began.
    """
    job = _Job(upscaler, scale, size, self_ensemble, progress, [] if measure else None)
    if isinstance(image, (str, os.PathLike)):
        result: Any = _file(job, Path(_here(image)), None if output is None else _here(output))
    elif isinstance(image, np.ndarray):
        result = job.array(image)
    elif type(image).__module__.partition(".")[0] == "torch" and hasattr(image, "detach"):
        result = _tensor(job, image)
    elif type(image).__module__.partition(".")[0] == "PIL" or hasattr(image, "getbands"):
        result = _pil(job, image)
    else:
        raise ImageError(f"{type(image).__name__} is not a path, a PIL image, a numpy array or a torch tensor")
    assert job.reached is not None
    seconds = round(time.monotonic() - began, 3)
    return UpscaleResult(result, job.reached, tuple(job.lost), tuple(job.facts or ()), seconds, job.restore)


@dataclass
class _Job:
    """How one call processes each array once the kind of picture is known, and the facts that it gathers."""

    upscaler: Upscaler
    scale: float
    fixed_size: tuple[int, int] | None
    self_ensemble: bool
    progress: ProgressCallback | None
    facts: list[FrameFacts] | None
    lost: list[str] = field(default_factory=list)
    reached: tuple[int, int] | None = None
    restore: Restore | None = None

    def size(self, input_size: tuple[int, int]) -> tuple[int, int]:
        self.reached = self.fixed_size or plan_size(input_size, scale=self.scale)
        return self.reached

    def suffix(self, size: tuple[int, int]) -> str:
        return f"_x{self.scale:g}" if self.fixed_size is None else f"_{size[1]}x{size[0]}"

    def array(self, image: NDArray[Any], progress: ProgressCallback | None = None) -> NDArray[Any]:
        """Upscale colours, with transparency as the last of 2 or 4 channels."""
        progress = progress or self.progress
        if image.ndim != 3 or image.shape[2] not in (2, 4) or 0 in image.shape:
            size = self.size(image.shape[:2]) if image.ndim in (2, 3) and 0 not in image.shape else (1, 1)
            return self.settled(image).upscale(
                image, size=size, self_ensemble=self.self_ensemble, progress=progress, facts=self.listener
            )
        picture = Picture.of(image[..., :-1], image[..., -1])
        size = self.size(image.shape[:2])
        result = np.empty((*size, image.shape[2]), image.dtype)
        done = 0
        for band in self.bands(picture, size, progress):
            result[done : done + len(band)] = band
            done += len(band)
        return result

    def settled(self, image: NDArray[Any], table: NDArray[Any] | None = None) -> Upscaler:
        """Choose how much to restore, once per picture."""
        upscaler, self.restore = self.upscaler.for_picture(image, table)
        return upscaler

    def bands(
        self,
        picture: Picture,
        size: tuple[int, int],
        progress: ProgressCallback | None,
        table: NDArray[Any] | None = None,
    ) -> Iterator[Pixels]:
        return upscale_picture(
            self.settled(picture.pixels, table),
            picture,
            size,
            self_ensemble=self.self_ensemble,
            progress=progress,
            facts=self.listener,
        )

    @property
    def listener(self) -> FactsListener | None:
        return None if self.facts is None else self.facts.append


def _here(name: str | os.PathLike[str]) -> str:
    """Return the path that a name means, also where it is a ``file://`` URL."""
    path = overwriting.local(os.fspath(name))
    if "://" in path and not os.path.lexists(path):
        raise ConfigError(
            "is a URL, and these are files of this machine only", subject=path, hint="fourpass upscale takes URLs"
        )
    return path


def _file(job: _Job, source: Path, output: str | os.PathLike[str] | None) -> Path:
    if output is not None:
        overwriting.check([source], [output])
    picture = files.read(source)
    size = job.size(picture.header.size)
    if output is None:
        target = source.with_name(source.stem + job.suffix(size) + source.suffix)
        if os.path.exists(target):
            raise ImageError("already exists", subject=target, hint="delete it, or name an output with output=")
    else:
        target = Path(output)
    key = formats.of_path(target)
    bands = job.bands(picture, size, job.progress, luma_table(source))
    files.write_rows(target, bands, picture.header.resized(size), key=key)
    job.lost += [*limits.lost(picture.header, key), *limits.lost_pixels(picture, key)]
    return target


def _pil(job: _Job, image: Any) -> Any:
    from PIL import Image

    mode = image.mode
    if getattr(image, "n_frames", 1) > 1:
        job.lost.append("all frames but the current one")
    palette = image.palette.mode if mode == "P" and image.palette is not None else ""
    transparent = mode == "PA" or "transparency" in image.info or palette.endswith(("A", "a"))
    if mode in ("1", "L"):
        image = image.convert("LA" if transparent else "L")
    elif mode in ("P", "PA", "RGB"):
        image = image.convert("RGBA" if transparent else "RGB")
    elif mode not in ("LA", "RGBA", "I;16"):
        raise ImageError(
            f"PIL image of mode {mode} is not one of 1, L, LA, P, PA, RGB, RGBA, I;16",
            hint="convert it, or give its file",
        )
    result = Image.fromarray(job.array(np.asarray(image)))
    result.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return result


def _tensor(job: _Job, image: Any) -> Any:
    import torch

    if image.ndim not in (3, 4) or image.shape[-3] not in (1, 3):
        raise ImageError(f"tensor of shape {tuple(image.shape)} is not (C, H, W) or (N, C, H, W) with C 1 or 3")
    if not (image.is_floating_point() or image.dtype == torch.uint8):
        raise ImageError(
            f"tensor of {image.dtype} is not one of a floating type (on 0..1) or uint8", hint="convert it first"
        )
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
