"""Fits the table from estimates to restore: the monotone curve by which pictures lose the least PSNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError
from fourpass.wear.restore import Knots

_STEPS = np.arange(0, 1.0001, 0.05)  # what a knot may be


@dataclass(frozen=True)
class WearSample:
    """One worn picture.

    Attributes:
        number: what was estimated of it, of the kind that is fitted.
        psnr: dB at each restore that was tried.
        weight: how much it counts.
    """

    number: float
    psnr: tuple[float, ...]
    weight: float = 1.0


def loss(sample: WearSample, restores: Sequence[float], restore: float) -> float:
    """dB that a picture loses at a restore against its best; PSNR is linear between the restores that were tried."""
    return max(sample.psnr) - float(np.interp(restore, restores, sample.psnr))


def fit(samples: Sequence[WearSample], restores: Sequence[float], places: Sequence[float], direction: int) -> Knots:
    """Return the knots, at given places, of the curve that loses the least, by weight, of all monotone ones.

    Every picture lies between two knots, so the best curve is found exactly, knot by knot.

    Args:
        samples: at least one.
        restores: rising, within 0..1, at which each sample's PSNR was measured.
        places: rising numbers of the kind, two or more.
        direction: 1 where restore must not fall with the number, -1 where it must not rise.

    Raises:
        ConfigError: there are no samples, or the places do not rise.
    """
    if not samples:
        raise ConfigError("no samples to fit a table to", hint="measure some pictures first")
    if len(places) < 2 or not (np.diff(places) > 0).all():
        raise ConfigError(f"places {list(places)} are not at least two increasing numbers")
    numbers = np.clip([sample.number for sample in samples], places[0], places[-1])
    segments = np.clip(np.searchsorted(places, numbers, side="right") - 1, 0, len(places) - 2)
    allowed = (_STEPS[None, :] - _STEPS[:, None]) * direction >= -1e-9  # [from, to]
    total = np.zeros(len(_STEPS))
    back = []
    for at in range(len(places) - 1):
        inside = [(sample, number) for sample, number, one in zip(samples, numbers, segments, strict=True) if one == at]
        cost = total[:, None] + _segment_cost(inside, restores, places[at], places[at + 1])
        cost = np.where(allowed, cost, np.inf)
        back.append(cost.argmin(axis=0))
        total = cost.min(axis=0)
    chosen = [int(total.argmin())]
    for step in reversed(back):
        chosen.append(int(step[chosen[-1]]))
    return tuple((float(place), round(float(_STEPS[one]), 2)) for place, one in zip(places, chosen[::-1], strict=True))


def _segment_cost(
    inside: Sequence[tuple[WearSample, float]], restores: Sequence[float], first: float, last: float
) -> NDArray[np.float64]:
    """Weighted loss of the samples between two knots, for each restore of the one (rows) and the other."""
    cost = np.zeros((len(_STEPS), len(_STEPS)))
    for sample, number in inside:
        share = (number - first) / (last - first)
        curve = (1 - share) * _STEPS[:, None] + share * _STEPS[None, :]
        cost += sample.weight * (max(sample.psnr) - np.interp(curve, restores, sample.psnr))
    return cost
