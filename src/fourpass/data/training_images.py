"""A folder of pictures as memory-mapped uint8 arrays: decoded once, shrunk once, found again by content."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fourpass.disk import atomic
from fourpass.errors import ConfigError, DatasetError, ImageError
from fourpass.imaging import files
from fourpass.imaging.color import luma
from fourpass.imaging.resize import imresize

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
CELL = 8  # side of the square cells whose gradient is kept
# numpy reads the header with ast.literal_eval, and before Python 3.12 threads that parse at a time may fail
# ("AST constructor recursion depth mismatch").
_header = threading.Lock()
_Value = TypeVar("_Value", bound=np.generic)
_VERSION = "1"  # of the cached files; part of every name


@dataclass(frozen=True)
class TrainingImage:
    """One decoded picture.

    Attributes:
        source: the file that it comes from.
        high: (H, W, 3) uint8, memory-mapped.
        low: scale -> (H // scale, W // scale, 3) uint8, MATLAB's bicubic of `high` cropped to a multiple of the scale.
        gradient: (H // CELL + 1, W // CELL + 1) float64 summed-area table of the mean gradient of each cell.
        key: names its content in the cache.
        taught: scale -> (H // scale * scale, W // scale * scale, 3) uint8, what a teacher made of `low`.
    """

    source: Path
    high: NDArray[np.uint8]
    low: dict[int, NDArray[np.uint8]]
    gradient: NDArray[np.float64]
    key: str = ""
    taught: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


def default_cache() -> Path:
    """The default cache folder of decoded pictures: below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fourpass" / "pictures"


def find_images(folder: Path) -> list[Path]:
    """Return every picture file in a folder tree, sorted by path, but for macOS's ``__MACOSX`` and ``._*``.

    Raises:
        DatasetError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DatasetError("no such folder", subject=folder, hint="give a folder tree that holds pictures")
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not file.name.startswith("._")
        and "__MACOSX" not in file.relative_to(folder).parts
    )
    if not found:
        raise DatasetError(
            f"contains no pictures, not even in subfolders ({', '.join(sorted(SUFFIXES))})", subject=folder
        )
    return found


def load_pictures(
    paths: Sequence[Path],
    scales: Iterable[int],
    *,
    cache: Path | None = None,
    report: Callable[[str], None] = print,
    threads: int | None = None,
) -> list[TrainingImage]:
    """Open pictures through the cache, filling it where needed; unreadable ones are reported, counted and left out.

    Args:
        paths: picture files.
        scales: factors whose shrunk pictures are wanted.
        cache: folder of the decoded copies (3 bytes a pixel and a little more); default `default_cache`.
        report: takes one line for each picture left out, and one with their number.
        threads: pictures decoded at a time; default: one a processor.

    Raises:
        DatasetError: none of the files can be read, or the cache cannot be written.
    """
    folder = cache or default_cache()
    wanted = tuple(scales)

    def attempt(file: Path) -> TrainingImage | str:
        try:
            return _open(file, wanted, folder)
        except _UnreadableError as error:
            return f"left out: {error}"

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        results = list(pool.map(attempt, paths))
    pictures = [result for result in results if isinstance(result, TrainingImage)]
    failures = [result for result in results if isinstance(result, str)]
    for line in failures:
        report(line)
    if failures:
        report(f"{len(failures)} of {len(paths)} pictures left out because they cannot be read")
    if not pictures:
        raise DatasetError(f"none of {len(paths)} pictures can be read", hint=f"the first: {failures[0]}")
    return pictures


class _UnreadableError(DatasetError):
    """This picture cannot be decoded; the others may."""


def _open(file: Path, scales: Sequence[int], folder: Path) -> TrainingImage:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _UnreadableError(f"cannot be read ({error.strerror or error})", subject=file) from None
    stem = f"{hashlib.blake2b(content, digest_size=16).hexdigest()}-v{_VERSION}"
    high = cached_array(folder / f"{stem}.npy", partial(_decode, content, file))
    low = {scale: cached_array(folder / f"{stem}-x{scale}.npy", partial(shrink, high, scale)) for scale in scales}
    gradient = cached_array(folder / f"{stem}-gradient.npy", partial(_gradient_table, high))
    return TrainingImage(file, high, low, gradient, stem)


def decode(file: Path) -> NDArray[np.uint8]:
    """Read one picture as (H, W, 3) uint8.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        return _decode(file.read_bytes(), file)
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror})", subject=file) from None
    except _UnreadableError as error:
        raise DatasetError(error.reason, subject=error.subject, hint=error.hint) from None


def shrink(high: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Return the low-resolution input of a picture: cropped to a multiple of the scale, then MATLAB's ``imresize``.

    Raises:
        ConfigError: the picture has fewer rows or columns than the scale.
    """
    rows, columns = (side // scale * scale for side in high.shape[:2])
    if not rows or not columns:
        raise ConfigError(f"a picture of {high.shape[1]}x{high.shape[0]} pixels cannot be shrunk by {scale}")
    return imresize(high[:rows, :columns], size=(rows // scale, columns // scale))


def _decode(content: bytes, file: Path) -> NDArray[np.uint8]:
    """Decode a file's first frame as (H, W, 3) uint8: gray repeated, 16 bits rounded, transparency over white."""
    try:
        picture = files.read(content, name=str(file))
    except ImageError as error:
        raise _UnreadableError(error.reason, subject=error.subject, hint=error.hint) from None
    rows, columns = picture.pixels.shape[:2]
    if min(rows, columns) < CELL:
        raise _UnreadableError(f"{columns}x{rows} pixels are too few to learn from", subject=file)
    pixels = _to_uint8(picture.pixels)
    if picture.alphas is not None:
        alpha = _to_uint8(picture.alphas[0])[..., None] / 255.0
        pixels = np.floor(pixels * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(pixels, (rows, columns, 3)))


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values if values.dtype == np.uint8 else ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _gradient_table(high: NDArray[np.uint8]) -> NDArray[np.float64]:
    rows, columns = (side // CELL * CELL for side in high.shape[:2])
    light = luma(high[:rows, :columns])
    steps = np.zeros_like(light)
    steps[1:] += np.abs(np.diff(light, axis=0))
    steps[:, 1:] += np.abs(np.diff(light, axis=1))
    cells = steps.reshape(rows // CELL, CELL, columns // CELL, CELL).mean(axis=(1, 3))
    return np.pad(cells.cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def cached_array(file: Path, make: Callable[[], NDArray[_Value]]) -> NDArray[_Value]:
    """Map an array from a file, making it first where there is none; several processes may do so at a time.

    Raises:
        DatasetError: the file cannot be written.
    """
    if not file.exists():
        value = make()
        try:
            with atomic.whole(file, durable=False) as stream:
                np.save(stream, value)
        except OSError as error:
            raise DatasetError(
                f"decoded pictures cannot be stored there ({error.strerror})",
                subject=file.parent,
                hint="name another",
                key="cache",
            ) from None
    with _header:
        mapped: NDArray[_Value] = np.load(file, mmap_mode="r")
    return mapped
