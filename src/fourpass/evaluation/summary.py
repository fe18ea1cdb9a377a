"""Summarise measurements: means with intervals, tests of every pair, and tables of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from fourpass.errors import ConfigError
from fourpass.evaluation.evaluate import Measurement
from fourpass.evaluation.measures import METRICS, NEEDS_MODEL, MeasuringProtocol, column
from fourpass.evaluation.methods import Method
from fourpass.evaluation.statistics import Interval, holm, paired_bootstrap, wilcoxon
from fourpass.evaluation.tables import Table

INTERVALS = "In brackets: 95 % confidence interval of the mean, percentile bootstrap over pictures, 10,000 resamples."


@dataclass(frozen=True)
class Summary:
    """The mean of each metric of one method on one set; None where it was not measured."""

    dataset: str
    method: str
    images: int
    means: Mapping[str, Interval | None]


@dataclass(frozen=True)
class Comparison:
    """How two methods differ in one metric on the same pictures: first minus second, and Wilcoxon's p."""

    dataset: str
    metric: str
    first: str
    second: str
    difference: Interval
    p: float
    p_holm: float


def with_means_of_runs(
    measured: Sequence[Measurement], methods: Sequence[Method]
) -> tuple[list[Measurement], list[Method]]:
    """Add, for methods that were run with several seeds, the mean of their runs on each picture.

    Runs are labelled ``NAME#0``, ``NAME#1`` and so on; their mean is called NAME, and what is tested is NAME: seeds are
    no pictures, and must not be counted as such.

    Raises:
        ConfigError: a method is called NAME too, or NAME has one run alone.
    """
    runs: dict[str, list[Method]] = {}
    for method in methods:
        if "#" in method.label:
            runs.setdefault(method.label.rpartition("#")[0], []).append(method)
    found, rows = list(measured), list(methods)
    for name, given in runs.items():
        if len(given) < 2 or any(method.label == name for method in methods):
            raise ConfigError(f"give at least two runs, and no method named {name!r} itself", subject=f"{name}#...")
        labels = {method.label for method in given}
        pictures: dict[tuple[str, str], list[Measurement]] = {}
        for item in measured:
            if item.method in labels:
                pictures.setdefault((item.dataset, item.image), []).append(item)
        for (dataset, image), items in pictures.items():
            values = {key: _mean([item.values[key] for item in items]) for key in items[0].values}
            found.append(Measurement(dataset, image, name, values))
        sha256 = "+".join(method.sha256 for method in given)
        note = f"mean of {len(given)} runs that differ in their seed"
        rows.append(replace(given[0], label=name, sha256=sha256, note=note))
    return found, rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def summarise(measured: Sequence[Measurement]) -> tuple[list[Summary], list[Comparison]]:
    """Reduce measurements to means with paired bootstrap intervals, and to a test of every pair of methods.

    Holm's correction is over the pairs of one set and metric.
    """
    summaries, comparisons = [], []
    for dataset in dict.fromkeys(item.dataset for item in measured):
        of_set = [item for item in measured if item.dataset == dataset]
        labels = list(dict.fromkeys(item.method for item in of_set))
        by_method = {label: [item for item in of_set if item.method == label] for label in labels}
        means: dict[str, dict[str, Interval | None]] = {label: {} for label in labels}
        for name in of_set[0].values:
            known = [label for label in labels if by_method[label][0].values[name] is not None]
            for label in labels:
                means[label][name] = None
            if not known:
                continue
            values = np.array([[item.values[name] for item in by_method[label]] for label in known], np.float64)
            singles, pairs = paired_bootstrap(values)
            means |= {label: means[label] | {name: single} for label, single in zip(known, singles, strict=True)}
            p_values = [wilcoxon(values[i] - values[j]) for i, j in combinations(range(len(known)), 2)]
            for (i, j), p, corrected in zip(combinations(range(len(known)), 2), p_values, holm(p_values), strict=True):
                comparisons.append(Comparison(dataset, name, known[i], known[j], pairs[i, j], p, corrected))
        summaries += [Summary(dataset, label, len(by_method[label]), means[label]) for label in labels]
    return summaries, comparisons


def summary_table(
    summaries: Sequence[Summary], methods: Sequence[Method], protocol: MeasuringProtocol, command: str = ""
) -> Table:
    """Table of means; its CSV rows are those of ``evaluation/results/*.csv``."""
    by_label = {method.label: method for method in methods}
    names = list(summaries[0].means)
    rows, records = [], []
    for item in summaries:
        method = by_label[item.method]
        cells = [_cell(name, item.means[name], method, protocol) for name in names]
        rows.append([item.dataset, item.method, *cells])
        record: dict[str, Any] = {"dataset": item.dataset, "method": item.method}
        record |= {"scale": protocol.scale, "images": item.images}
        for name in names:
            record |= _interval(column(METRICS[name], protocol), item.means[name], METRICS[name].decimals)
        record |= {"steps": method.steps, "weights": method.sha256, "protocol": protocol.sentence(), "command": command}
        records.append(record | {"note": method.note})
    counts = ", ".join(f"{name} {count}" for name, count in {s.dataset: s.images for s in summaries}.items())
    title = f"Mean over the pictures of each set ({counts})"
    notes = [f"Protocol: {protocol.sentence()}.", INTERVALS]
    notes += [f"{method.label}: {method.note}." for method in methods if method.note]
    headings = ["Set", "Method", *(_heading(name) for name in names)]
    return Table(title, headings, rows, notes, records)


def comparison_table(comparisons: Sequence[Comparison], protocol: MeasuringProtocol) -> Table:
    """Table of every pair of methods: mean difference with its interval, p, and p after Holm's correction."""
    rows, records = [], []
    for item in comparisons:
        metric = METRICS[item.metric]
        pair = f"{item.first} - {item.second}"
        shown = _shown(item.difference, metric.decimals, "+")
        rows.append([item.dataset, pair, metric.label, shown, f"{item.p:.2g}", f"{item.p_holm:.2g}"])
        record: dict[str, Any] = {
            "dataset": item.dataset,
            "metric": column(metric, protocol),
            "first": item.first,
            "second": item.second,
        }
        record |= _interval("difference", item.difference, metric.decimals + 2)
        records.append(record | {"p": item.p, "p_holm": item.p_holm, "protocol": protocol.sentence()})
    notes = [
        f"Protocol: {protocol.sentence()}.",
        "Differences: first minus second on the same pictures, with the 95 % paired bootstrap interval. p: Wilcoxon's "
        "signed-rank test, two-sided, exact up to 50 pictures; Holm: corrected for all pairs of a set and metric.",
    ]
    return Table(
        "Every pair of methods", ["Set", "Pair", "Metric", "Difference", "p", "p (Holm)"], rows, notes, records
    )


def image_table(measured: Sequence[Measurement], protocol: MeasuringProtocol) -> Table:
    """Table of every single picture."""
    names = list(measured[0].values)
    headings = [column(METRICS[name], protocol) for name in names]
    rows, records = [], []
    for item in measured:
        cells = ["" if value is None else f"{value:.{METRICS[name].decimals}f}" for name, value in item.values.items()]
        rows.append([item.dataset, item.method, item.image, *cells])
        record: dict[str, Any] = {"dataset": item.dataset, "method": item.method, "image": item.image}
        record["scale"] = protocol.scale
        for name, heading in zip(names, headings, strict=True):
            value = item.values[name]
            record[heading] = None if value is None else round(value, 6)
        records.append(record | {"protocol": protocol.sentence()})
    notes = [f"Protocol: {protocol.sentence()}."]
    return Table("Every picture", ["Set", "Method", "Picture", *map(_heading, names)], rows, notes, records)


def _heading(name: str) -> str:
    return f"{METRICS[name].label} {'↑' if METRICS[name].better == 'higher' else '↓'}"


def _cell(name: str, mean: Interval | None, method: Method, protocol: MeasuringProtocol) -> str:
    if mean is not None:
        return _shown(mean, METRICS[name].decimals)
    if METRICS[name].compares and method.kind == "ground-truth":
        return "–"
    assert METRICS[name].forests
    return NEEDS_MODEL


def _shown(interval: Interval, decimals: int, sign: str = "") -> str:
    fewer = max(decimals - 1, 1)
    return f"{interval.mean:{sign}.{decimals}f} [{interval.low:{sign}.{fewer}f}, {interval.high:{sign}.{fewer}f}]"


def _interval(name: str, interval: Interval | None, decimals: int) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    values = (interval.mean, interval.low, interval.high)
    return {f"{name}{end}": round(value, decimals) for end, value in zip(("", "_low", "_high"), values, strict=True)}
