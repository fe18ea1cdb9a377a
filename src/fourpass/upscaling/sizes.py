"""Compute the output's rows and columns from a factor, a width, megapixels or a box."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fourpass.errors import ConfigError


def plan_size(
    input_size: tuple[int, int],
    *,
    scale: float | None = None,
    width: int | None = None,
    height: int | None = None,
    longest: int | None = None,
    megapixels: float | None = None,
    fit: tuple[int, int] | None = None,
) -> tuple[int, int]:
    """Return the (rows, columns) of the output; the picture keeps its proportions, to the nearest pixel.

    Args:
        input_size: (rows, columns) of the picture.
        scale: output pixels per input pixel, along each axis.
        width: output columns.
        height: output rows.
        longest: output pixels along the longer side.
        megapixels: output area, in millions of pixels, reached as nearly as whole pixels allow.
        fit: (columns, rows) of a box, as people write it (1920x1080): the largest output that fits inside.

    Returns:
        (rows, columns), each at least 1.

    Raises:
        ConfigError: not exactly one of them is given, or it is not a positive number.
    """
    wishes = {
        "scale": scale,
        "width": width,
        "height": height,
        "longest": longest,
        "megapixels": megapixels,
        "fit": fit,
    }
    given = [name for name, value in wishes.items() if value is not None]
    if len(given) != 1:
        what = "none was given" if not given else f"{' and '.join(given)} were given"
        raise ConfigError(f"the output size takes exactly one of {', '.join(wishes)}", hint=what)
    rows, columns = input_size
    if fit is not None:
        _positive("fit", min(fit))
        by_width = fit[0] * rows <= fit[1] * columns
        name, value = ("width", fit[0]) if by_width else ("height", fit[1])
    elif longest is not None:
        name, value = ("width" if columns >= rows else "height"), longest
    else:
        name, value = given[0], wishes[given[0]]  # type: ignore[assignment]
    _positive(given[0], value)
    if name == "width":
        return max(1, _round(rows * value / columns)), int(value)
    if name == "height":
        return int(value), max(1, _round(columns * value / rows))
    factor = value if name == "scale" else math.sqrt(value * 1e6 / (rows * columns))
    return max(1, _round(rows * factor)), max(1, _round(columns * factor))


def trained_scale(input_size: tuple[int, int], size: tuple[int, int], scales: Sequence[int]) -> int:
    """Return the smallest trained scale that reaches a size, or 1 if the picture is already large enough.

    Args:
        input_size: (rows, columns) of the picture.
        size: (rows, columns) of the output.
        scales: what the model was trained for.

    Raises:
        ConfigError: no scale is large enough.
    """
    for scale in (1, *sorted(scales)):
        if scale * input_size[0] >= size[0] and scale * input_size[1] >= size[1]:
            return scale
    factor = max(size[0] / input_size[0], size[1] / input_size[1])
    largest = max(scales)
    raise ConfigError(
        (
            f"{input_size[1]}x{input_size[0]} to {size[1]}x{size[0]} is a factor of {factor:.4g}, "
            f"beyond this model's largest, {largest}"
        ),
        hint=f"upscale twice: by {largest} first, then to the size you want",
    )


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value}", hint="it must be a positive number")


def _round(value: float) -> int:
    """Round half up, so that a size does not depend on whether its neighbour is even."""
    return math.floor(value + 0.5)
