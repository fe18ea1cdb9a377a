"""How much to restore, 0..1, for an estimate of wear: by a table that `benchmarks/restore.py` fits, `restore.csv`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from fourpass.disk import atomic
from fourpass.errors import ConfigError
from fourpass.wear.estimate import Estimate

KINDS = {"quality": -1, "noise": 1, "blur": 1}  # numbers of an `Estimate`: does more mean more wear?
PACKAGED = Path(__file__).with_name("restore.csv")
HEADER = ("kind", "at", "restore")
_FAINT = 0.005  # below it a kind of wear is not reported

Knots = tuple[tuple[float, float], ...]  # (estimated number, restore), the numbers rising
Table = Mapping[str, Knots]


@dataclass(frozen=True)
class Restore:
    """How much to restore, 0 (nothing) to 1 (all that the weights can), and why, in words."""

    value: float
    reason: str


def restore_for(estimate: Estimate, table: Table | None = None) -> Restore:
    """Return how much a picture calls for: the most that any kind of its wear does.

    Args:
        estimate: of the picture.
        table: kind -> knots, linear between them and level beyond; None: the packaged one.
    """
    knots = packaged() if table is None else table
    shares = {kind: _at(getattr(estimate, kind), knots[kind]) for kind in KINDS}
    most = max(shares, key=lambda kind: shares[kind])
    if shares[most] < _FAINT:
        return Restore(0.0, "no wear shows")
    return Restore(round(shares[most], 3), _words(most, estimate))


@cache
def packaged() -> Table:
    """The table that ships."""
    return read_table(PACKAGED)


def read_table(path: Path) -> Table:
    """Read a table: lines of kind, number, restore.

    Raises:
        ConfigError: it cannot be read, or a kind is missing, unknown, or not monotone within 0..1.
    """
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        for kind, at, share in rows[1:]:
            found[kind].append((float(at), float(share)))
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", subject=path) from None
    except (ValueError, KeyError) as error:
        raise ConfigError(f"not lines of {', '.join(HEADER)} of {', '.join(KINDS)} ({error})", subject=path) from None
    table = {kind: tuple(knots) for kind, knots in found.items()}
    check_table(table, str(path))
    return table


def write_table(path: Path, table: Table) -> None:
    """Write a table as `read_table` reads it; raises ConfigError as it does."""
    check_table(table, str(path))
    rows = [(kind, f"{at:g}", f"{share:g}") for kind in KINDS for at, share in table[kind]]
    text = "".join(",".join(row) + "\n" for row in [HEADER, *rows])
    atomic.write(path, text.encode(), ConfigError)


def check_table(table: Table, source: str) -> None:
    """Raise a ConfigError unless a table has knots of each kind, and more wear never means less restore."""
    for kind, direction in KINDS.items():
        knots = np.array(table.get(kind, ()), np.float64).reshape(-1, 2)
        if not len(knots) or not np.isfinite(knots).all():
            raise ConfigError(f"{kind} has no knots, or some that are not numbers", subject=source)
        rising, turns = np.diff(knots[:, 0]) > 0, np.diff(knots[:, 1]) * direction < 0
        if not rising.all() or turns.any() or knots[:, 1].min() < 0 or knots[:, 1].max() > 1:
            raise ConfigError(
                (f"{kind} must have increasing numbers, and restore values within 0..1 that never decrease"),
                subject=source,
            )


def _at(number: float, knots: Iterable[tuple[float, float]]) -> float:
    places, shares = zip(*knots, strict=True)
    return float(np.interp(number, places, shares))


def _words(kind: str, estimate: Estimate) -> str:
    if kind == "blur":
        return f"edges blurred by {estimate.blur:.1f} pixels"
    if kind == "quality":
        sources = {"tables": "its tables", "coefficients": "its pixels", "blocks": "its blocks"}
        return f"JPEG of quality {estimate.quality:.0f} by {sources.get(estimate.evidence, estimate.evidence)}"
    return f"noise of {estimate.noise:.1f} grey levels"
