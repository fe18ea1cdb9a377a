"""What a client may know before it sends a picture: models and their dials, limits, and what a size would mean."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from fourpass import weights
from fourpass.errors import FourpassError
from fourpass.imaging import formats, limits
from fourpass.imaging.picture import Header
from fourpass.server import problems
from fourpass.server.options import Options, format_key
from fourpass.server.settings import Settings
from fourpass.upscaling.sizes import plan_size, trained_scale
from fourpass.weights import family

_SENSIBLE = 100e6  # output pixels; more than any screen or printer shows


class Speeds:
    """Seconds that this server takes for a million pixels, by trained scale, from what it has done so far."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[float, float]] = {}  # seconds and pixels, of late

    def note(self, report: dict[str, Any]) -> None:
        """Learn from a worker's report; large pictures say more than little ones, and new ones more than old ones."""
        if report.get("trained") and report.get("network_pixels"):
            seconds, pixels = self._sums.get(report["trained"], (0.0, 0.0))
            self._sums[report["trained"]] = (
                0.7 * seconds + report["seconds"],
                0.7 * pixels + report["network_pixels"],
            )

    def estimate(self, scale: int, pixels: int) -> float | None:
        """Return the seconds for so many pixels at a trained scale; of another scale's speed where it must be."""
        if scale == 1:
            return 0.1 * pixels / 1e6
        if not self._sums:
            return None
        nearest = min(self._sums, key=lambda known: abs(known - scale))
        total, measured = self._sums[nearest]
        return pixels * total / measured


def models(settings: Settings) -> dict[str, Any]:
    """Return the packaged weights, the dials of the model that is served, and what the server takes."""
    found = []
    for name in weights.available():
        metadata = weights.load(name).metadata
        if "scales" in metadata.numbers:  # those that upscale
            found.append({"name": name, **json.loads(json.dumps(asdict(metadata), default=list))})
    names = ("max_bytes", "max_pixels", "max_output_pixels", "small_pixels")
    return {
        "models": found,
        "default": settings.model,
        "scales": scales(settings.model),
        "dials": dials(settings.model),
        "formats": [
            {"name": formats.FORMATS[key].suffixes[0][1:], "max_side": formats.FORMATS[key].max_side}
            for key in formats.WRITTEN
        ],
        "limits": {name: getattr(settings, name) for name in names},
    }


def dials(model: str) -> list[dict[str, Any]]:
    """Return the axes of a model: what their ends are, and where they stand by scale when nobody says."""
    found = family.find(model)
    if found is None:
        return []
    known, corner = found
    usual = {
        axis: {
            scale: known.default(axis, scale) if model == known.name else corner.get(axis, 0.0)
            for scale in scales(model)
        }
        for axis in known.axes
    }
    return [{"name": axis, "ends": list(family.AXES[axis]), "defaults": usual[axis]} for axis in known.axes]


@cache
def scales(model: str) -> tuple[int, ...]:
    """Return the trained scales of a model, as far as its metadata tell; those of EUSR for files that say nothing."""
    found = family.find(model)
    try:
        numbers = weights.load(found[0].name if found else model).metadata.numbers
    except FourpassError:  # a file of another program
        return (2, 4, 8)
    return tuple(sorted(int(scale) for scale in numbers["scales"]))


def plan(settings: Settings, speeds: Speeds, rows: int, columns: int, source: str, options: Options) -> dict[str, Any]:
    """Return what a picture would become: size, format, time, what speaks against it, and the largest sensible size.

    Args:
        settings: of the server.
        speeds: what it measured.
        rows, columns: of the picture.
        source: suffix or key of its format; of an unknown one: as PNG.
        options: as they would be sent.

    Raises:
        ConfigError: the format is not one that is written.
    """
    trained = scales(settings.model)
    usual = max((each for each in trained if each <= 4), default=trained[0])
    key = options.key() or _key(source)
    size = plan_size((rows, columns), **(options.size() or {"scale": usual}))
    problem = _problem(settings, key, rows, columns, size, trained, options.quality)
    scale = 1
    if not problem:
        scale = trained_scale((rows, columns), size, trained)
    seconds = speeds.estimate(scale, rows * columns * scale**2)
    return {
        "size": [size[1], size[0]],
        "megapixels": round(size[0] * size[1] / 1e6, 2),
        "format": formats.FORMATS[key].suffixes[0][1:],
        "seconds": None if seconds is None or problem else round(seconds * (8 if options.self_ensemble else 1), 1),
        "problem": problem,
        "sensible": _sensible(settings, key, rows, columns, trained, options.quality),
    }


def _key(source: str) -> str:
    key = format_key(source)
    if key not in formats.FORMATS:
        return "png"
    return formats.written_as(key)


def _problem(
    settings: Settings,
    key: str,
    rows: int,
    columns: int,
    size: tuple[int, int],
    trained: Sequence[int],
    quality: int | None,
) -> str | None:
    pixels = size[0] * size[1]
    if rows * columns > settings.max_pixels:
        return f"the photo has more than the {settings.max_pixels / 1e6:.4g} megapixels that this server takes"
    if pixels > settings.max_output_pixels:
        return f"this server makes up to {settings.max_output_pixels / 1e6:.4g} megapixels; ask for less"
    try:
        trained_scale((rows, columns), size, trained)
        limits.check(Header(key, size[1], size[0]), key, "the result", quality)
    except FourpassError as error:
        return problems.of_error(error).detail
    return None


def _sensible(
    settings: Settings, key: str, rows: int, columns: int, trained: Sequence[int], quality: int | None
) -> dict[str, int] | None:
    """Return the largest size up to 4 times as an option: a trained scale, else a longer side; None where none fits."""
    most = min(settings.max_output_pixels, _SENSIBLE)
    largest = max((each for each in trained if each <= 4), default=trained[0])
    for scale in sorted(trained, reverse=True):
        size = plan_size((rows, columns), scale=scale)
        if (
            scale <= largest
            and size[0] * size[1] <= most
            and not _problem(settings, key, rows, columns, size, trained, quality)
        ):
            return {"scale": scale}
    longest = int(min(math.sqrt(most * max(rows, columns) / min(rows, columns)), formats.FORMATS[key].max_side))
    size = plan_size((rows, columns), longest=longest)
    if longest <= max(rows, columns) or _problem(settings, key, rows, columns, size, trained, quality):
        return None
    return {"longest": longest}
