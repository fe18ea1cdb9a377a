"""Whole pictures, with transparency and frames, through an Upscaler: bands of rows, ready to be written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fourpass.imaging import alpha as transparency
from fourpass.imaging.picture import Picture, Pixels
from fourpass.upscaling.results import FactsListener
from fourpass.upscaling.upscaler import ProgressCallback, Upscaler


def upscale_picture(
    upscaler: Upscaler,
    picture: Picture,
    size: tuple[int, int],
    *,
    self_ensemble: bool = False,
    progress: ProgressCallback | None = None,
    facts: FactsListener | None = None,
) -> Iterator[Pixels]:
    """Upscale every frame of a picture, colours and transparency.

    Transparency is resized without the network; colours are first extended into fully transparent pixels. Transparency
    that is the same everywhere stays so.

    Args:
        upscaler: what to upscale with.
        picture: what to upscale.
        size: (rows, columns) of a frame of the output.
        self_ensemble, progress: see `Upscaler.upscale`; progress covers all frames.
        facts: called with the measurements of each frame's colours after its last row.

    Returns:
        an iterator over arrays (band rows, columns, C), C counting transparency, from top to bottom, one frame after
        another: what `fourpass.imaging.files.write_rows` takes.

    Raises:
        ConfigError, ImageError, BackendError: as `Upscaler.rows` does.
    """
    settled, _ = upscaler.for_picture(picture.pixels)  # one for all frames
    settled.rows(picture.pixels, size=size)  # checks the arguments now; nothing runs
    return _frames(settled, picture, size, self_ensemble, progress, facts)


def _frames(
    upscaler: Upscaler,
    picture: Picture,
    size: tuple[int, int],
    self_ensemble: bool,
    progress: ProgressCallback | None,
    facts: FactsListener | None,
) -> Iterator[Pixels]:
    count = len(picture.frames)
    for index, colours in enumerate(picture.frames):
        alpha = None if picture.alphas is None else picture.alphas[index]
        opacity = None if alpha is None else transparency.constant(alpha)

        def report(share: float, index: int = index) -> None:
            assert progress is not None
            progress((index + share) / count)

        if alpha is not None and opacity is None:
            colours = transparency.bleed(colours, alpha)
        told = report if progress is not None else None
        bands = upscaler.rows(colours, size=size, self_ensemble=self_ensemble, progress=told, facts=facts)
        if alpha is None:
            yield from bands
        elif opacity is not None:
            for band in bands:
                yield np.concatenate((band, np.full_like(band[..., :1], opacity)), axis=2)
        else:
            yield from _joined(bands, transparency.enlarge(alpha, size))


def _joined(bands: Iterator[Pixels], planes: Iterator[Pixels]) -> Iterator[Pixels]:
    """Join colours (rows, W, C) and transparency (rows, W), which may come in different bands."""
    plane = next(planes)
    for band in bands:
        start = 0
        while start < len(band):
            if not len(plane):
                plane = next(planes)
            rows = min(len(band) - start, len(plane))
            yield np.concatenate((band[start : start + rows], plane[:rows, :, None]), axis=2)
            start, plane = start + rows, plane[rows:]
