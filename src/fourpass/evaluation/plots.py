"""The paper's figures drawn with matplotlib: the PSNR-NIQE plane, and crops side by side with the region marked."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fourpass.disk import atomic
from fourpass.errors import ConfigError, missing_extra
from fourpass.evaluation.figures import Strip

FORMATS = ("png", "svg", "pdf")
_MISSING = "not at hand"
_COLUMNS = 6


def plane(points: Mapping[str, Mapping[str, tuple[float, float]]], dataset: str, note: str) -> Any:
    """Draw Fig. 6: methods in the plane of PSNR and NIQE, hollow where the paper measured, filled where we did.

    Args:
        points: under ``paper`` and ``ours``: method -> (PSNR in dB, NIQE).
        dataset: name of the set, for the title.
        note: the protocol, printed below.

    Returns:
        the matplotlib figure.

    Raises:
        BackendError: matplotlib is missing.
    """
    figure = _figure(7.2, 5.2)
    axes = figure.subplots()
    names = list(dict.fromkeys(name for group in points.values() for name in group))
    colours = {name: f"C{index % 10}" for index, name in enumerate(names)}
    labels: list[tuple[str, str, float, float]] = []
    for whose, group in points.items():
        for name, (psnr, niqe) in group.items():
            face = colours[name] if whose == "ours" else "none"
            axes.scatter(psnr, niqe, s=42, facecolors=face, edgecolors=colours[name], linewidths=1.4, zorder=3)
            labels.append((colours[name], name if whose == "paper" else f"{name} (ours)", psnr, niqe))
    for name in points.get("ours", {}):
        if name in points.get("paper", {}):
            ends = (points["paper"][name], points["ours"][name])
            axes.plot(*zip(*ends, strict=True), color=colours[name], linewidth=0.8, linestyle=":", zorder=2)
    axes.set_xlabel("PSNR (dB), higher is better")
    axes.set_ylabel("NIQE, lower is better")
    axes.set_title(f"{dataset}: hollow as the paper measured, filled as we did")
    axes.margins(x=0.18, y=0.08)
    axes.grid(alpha=0.3)
    figure.text(0.01, 0.01, note, fontsize=6, wrap=True)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    _label(axes, labels)
    return figure


def crops(strips: Sequence[Strip], title: str) -> Any:
    """Draw Figs. 1 and 7 to 11: the marked ground truth, and the region of every method enlarged.

    Args:
        strips: one picture each; a panel without a picture becomes an empty cell that says so.
        title: printed above.

    Returns:
        the matplotlib figure.

    Raises:
        BackendError: matplotlib is missing.
    """
    per_row = min(_COLUMNS, max(len(strip.panels) for strip in strips))
    lines = [math.ceil(len(strip.panels) / per_row) for strip in strips]
    figure = _figure(1.9 * (per_row + 2), 2.1 * sum(lines) + 0.5)
    grid = figure.add_gridspec(sum(lines), per_row + 2)
    start = 0
    for strip, count in zip(strips, lines, strict=True):
        region = strip.region
        _marked(figure.add_subplot(grid[start : start + count, :2]), strip)
        for index, panel in enumerate(strip.panels):
            axes = figure.add_subplot(grid[start + index // per_row, 2 + index % per_row])
            _bare(axes)
            axes.set_title(panel.label, fontsize=8, pad=3)
            if panel.picture is None:
                axes.text(
                    0.5, 0.5, _MISSING, ha="center", va="center", fontsize=8, color="0.4", transform=axes.transAxes
                )
                axes.set_box_aspect(region.height / region.width)
                continue
            rows = slice(region.top, region.top + region.height)
            axes.imshow(panel.picture[rows, region.left : region.left + region.width], interpolation="nearest")
        start += count
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    return figure


def save(figure: Any, path: Path) -> None:
    """Write a figure; the suffix is one of FORMATS.

    Raises:
        ConfigError: another suffix, or the file cannot be written.
    """
    if path.suffix[1:] not in FORMATS:
        raise ConfigError(f"the format of a figure is one of {', '.join(FORMATS)}", subject=path)
    # Without the date and with fixed ids, the same figure is the same file.
    metadata = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[path.suffix[1:]]
    matplotlib = _matplotlib()
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "fourpass"}):
        figure.savefig(content, format=path.suffix[1:], dpi=150, metadata=metadata)
    atomic.write(path, content.getvalue(), ConfigError)


def _label(axes: Any, labels: Sequence[tuple[str, str, float, float]]) -> None:
    """Write each label next to its point, clear of the other labels and points."""
    per_unit = 72 / axes.figure.dpi  # points a pixel
    at = [tuple(per_unit * value for value in axes.transData.transform((x, y))) for *_, x, y in labels]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in at]
    for (colour, text, *position), (x, y) in zip(labels, at, strict=True):
        width, height = 4.5 * len(text), 9.0  # of 8-point type, about
        sides = [(side, lift) for lift in (-3, 7, -13, 17, -23, 27) for side in (7, -7 - width)]
        boxes = [(x + side, y + lift, x + side + width, y + lift + height) for side, lift in sides]
        free = [not any(_overlap(box, other) for other in taken) for box in boxes]
        side, lift = sides[free.index(True) if True in free else 0]
        taken.append((x + side, y + lift, x + side + width, y + lift + height))
        axes.annotate(text, position, xytext=(side, lift), textcoords="offset points", fontsize=8, color=colour)


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _marked(axes: Any, strip: Strip) -> None:
    """The whole ground truth with the region framed in red, as in the paper."""
    from matplotlib.patches import Rectangle

    region = strip.region
    _bare(axes)
    axes.imshow(strip.panels[0].picture)
    axes.add_patch(Rectangle((region.left, region.top), region.width, region.height, fill=False, edgecolor="red"))
    axes.set_title(f"{region.dataset} {region.image}", fontsize=8, pad=3)


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])


def _figure(width: float, height: float) -> Any:
    _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise missing_extra("plots", "matplotlib") from None
    return matplotlib
