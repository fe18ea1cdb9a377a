"""How sure a comparison is: paired bootstrap, Wilcoxon's signed-rank test, Holm's correction, Bradley-Terry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError

_EXACT_UP_TO = 50


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def paired_bootstrap(
    values: NDArray[np.float64], *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[list[Interval], dict[tuple[int, int], Interval]]:
    """Percentile bootstrap of the mean of each method and of the difference of each pair (Efron 1979).

    Every resample draws pictures, not single values: all methods are averaged over the same drawn pictures, so that
    what a picture does to all of them cancels in a difference.

    Args:
        values: (methods, pictures), finite.
        confidence: 0..1.
        resamples: how many means are drawn.
        seed: of the draw; the same seed gives the same intervals.

    Returns:
        an interval for each method's mean; and for each pair i < j, the interval of mean i - mean j.

    Raises:
        ConfigError: values are not finite or not (methods, pictures) with at least one of each.
    """
    if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
        raise ConfigError(
            f"values of shape {values.shape} are not finite numbers (methods, pictures)",
            hint="leave out missing values",
        )
    count = values.shape[1]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    means = values @ drawn.T / count
    tails = (50 * (1 - confidence), 50 * (1 + confidence))

    def interval(exact: float, sampled: NDArray[np.float64]) -> Interval:
        low, high = np.percentile(sampled, tails)
        return Interval(float(exact), float(low), float(high))

    exact = values.mean(axis=1)
    singles = [interval(exact[i], means[i]) for i in range(len(values))]
    pairs = {
        (i, j): interval(float((values[i] - values[j]).mean()), means[i] - means[j])
        for i in range(len(values))
        for j in range(i + 1, len(values))
    }
    return singles, pairs


def wilcoxon(differences: NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that paired differences are symmetric about zero.

    Zero differences are left out, as Wilcoxon (1945) did; equal sizes share their mean rank. Up to 50 differences the
    distribution is enumerated exactly, ties included; above that it is the normal approximation with the variance
    corrected for ties, without continuity correction.

    Args:
        differences: (pictures,), finite.

    Returns:
        p in (0, 1]; 1 when all differences are zero.

    Raises:
        ConfigError: a difference is not finite.
    """
    if not np.isfinite(differences).all():
        raise ConfigError("Wilcoxon's test takes finite differences", hint="leave out missing values")
    nonzero = differences[differences != 0]
    count = len(nonzero)
    if count == 0:
        return 1.0
    ranks = _mean_ranks(np.abs(nonzero))
    positive = float(ranks[nonzero > 0].sum())
    if count <= _EXACT_UP_TO:
        return _exact_p(ranks, positive)
    variance = float((ranks**2).sum()) / 4  # equals n (n + 1) (2 n + 1) / 24 less the correction for ties
    z = (positive - count * (count + 1) / 4) / math.sqrt(variance)
    return max(math.erfc(abs(z) / math.sqrt(2)), math.ulp(0.0))


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction (1979): p values that hold for the whole family of tests, in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for position, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = running
    return adjusted


def bradley_terry(
    wins: NDArray[np.float64], *, prior: float = 0.0, iterations: int = 10_000, tolerance: float = 1e-12
) -> NDArray[np.float64]:
    """Fit Bradley and Terry's model, P(i beats j) = s_i / (s_i + s_j), by Hunter's MM iteration (2004).

    Args:
        wins: (items, items); entry (i, j) counts how often i was preferred to j; a draw is half a win to each.
        prior: wins added to either side of every pair. Without any, strengths do not exist where an item, or a group
            of items, never lost to or never beat the rest.
        iterations: the most to make.
        tolerance: stop when no strength changes by more than this, relatively.

    Returns:
        strengths (items,), positive, with geometric mean 1.

    Raises:
        ConfigError: not a square of counts, or the strengths do not exist (see prior).
    """
    counts = np.array(wins, np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.shape[0] < 2 or (counts < 0).any():
        raise ConfigError(f"wins of shape {counts.shape} is not a square table of counts of two items or more")
    counts += prior
    np.fill_diagonal(counts, 0)
    if not _all_reach_all(counts > 0):
        raise ConfigError(
            "some items never beat, or never lost to, the others: rating them needs more votes or a prior"
        )
    games = counts + counts.T
    total = counts.sum(axis=1)
    strengths = np.ones(len(counts))
    for _ in range(iterations):
        updated: NDArray[np.float64] = total / (games / (strengths[:, None] + strengths[None])).sum(axis=1)
        updated /= math.exp(float(np.log(updated).mean()))
        if np.max(np.abs(updated / strengths - 1)) < tolerance:
            return updated
        strengths = updated
    return strengths


def _mean_ranks(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    _, group, members = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(members)
    return np.asarray((last - (members - 1) / 2)[group.reshape(-1)], np.float64)


def _exact_p(ranks: NDArray[np.float64], positive: float) -> float:
    """Count the sign patterns whose rank sum lies as far out; twice the ranks are whole numbers, ties or not."""
    doubled = np.rint(2 * ranks).astype(int)
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    observed = round(2 * positive)
    lower = ways[: observed + 1].sum()
    upper = ways[observed:].sum()
    return float(min(1.0, 2 * min(lower, upper) / 2.0 ** len(ranks)))


def _all_reach_all(beats: NDArray[np.bool_]) -> bool:
    """True when from every item a chain of victories leads to every other."""
    reach = beats | np.eye(len(beats), dtype=bool)
    for _ in range(len(beats).bit_length()):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return bool(reach.all())
