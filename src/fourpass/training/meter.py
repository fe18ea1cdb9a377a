"""Means of the logged numbers, and how fast a run goes and what it waits for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from fourpass.data.loader import Prefetcher


class Meter:
    """Gathers numbers between two lines of the log."""

    def __init__(self, step: int) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)
        self._lap = self._logged = time.monotonic()
        self._step = step

    def lap(self) -> float:
        """Return the seconds since the last call."""
        before, self._lap = self._lap, time.monotonic()
        return self._lap - before

    def add(self, values: Mapping[str, float]) -> None:
        """Add the scalars of a step."""
        for name, value in values.items():
            self._values[name].append(value)

    def seconds_per_step(self, step: int) -> float:
        """Return the mean time of the steps since the last report."""
        return (time.monotonic() - self._logged) / max(1, step - self._step)

    def report(self, step: int, batches: Prefetcher[Any]) -> dict[str, float]:
        """Return the means since the last report, steps a second, and the share of time spent waiting for data."""
        now = time.monotonic()
        span = max(now - self._logged, 1e-9)
        means = {name: sum(values) / len(values) for name, values in sorted(self._values.items())}
        means["steps_per_second"] = (step - self._step) / span
        means["data_wait"] = batches.waited / span
        self._values.clear()
        self._logged, self._step, batches.waited = now, step, 0.0
        return means
