"""One standalone HTML page that compares pictures: slider, zoom, numbers, difference map and a blind test."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fourpass.data.layouts import Dataset, ImagePair, find_datasets, pictures
from fourpass.data.results import find_results
from fourpass.errors import ConfigError, DatasetError, FourpassError
from fourpass.evaluation.images import RgbImage, encode_picture, load_picture
from fourpass.evaluation.measures import METRICS, MeasuringProtocol, Sample, measure
from fourpass.evaluation.statistics import bradley_terry

REFERENCE = "Reference"
PRIOR = 0.5  # wins added to either side of every pair, so that a rating exists after one vote
_PAGE = Path(__file__).parent / "page"


@dataclass(frozen=True)
class ComparedImage:
    """One picture as several methods have it, all of one size; under REFERENCE the ground truth, if there is one."""

    name: str
    versions: Mapping[str, RgbImage]


def load_entries(sources: Mapping[str, Path], reference: Path | None, scale: int) -> list[ComparedImage]:
    """Read the pictures to compare.

    Args:
        sources: label -> picture, or folder of pictures; at least two, all of one kind.
        reference: picture or folder of the ground truth, of the same kind; None without one.
        scale: of the results; ground truth may be larger by less than this, and is cropped.

    Raises:
        ConfigError: fewer than two sources, or pictures and folders mixed.
        DatasetError: something is missing, or sizes do not fit.
    """
    given = [*sources.values(), *([reference] if reference else [])]
    for path in given:
        if not path.exists():
            raise DatasetError("no such picture or folder", subject=path)
    if len(sources) < 2 or len({path.is_dir() for path in given}) > 1:
        raise ConfigError("compare needs at least two pictures or two folders, and a reference of the same kind")
    everything = {**sources, **({REFERENCE: reference} if reference else {})}
    if not given[0].is_dir():
        return [_entry((reference or given[0]).stem, everything, scale)]
    if reference:
        truths = {pair.name: pair.high_resolution for data in find_datasets(reference, scale) for pair in data.pairs}
    else:
        truths = {path.stem: path for path in pictures(given[0])}
    if not truths:
        raise DatasetError("holds no pictures", subject=given[0])
    dataset = Dataset(
        given[-1].resolve().name, "flat", tuple(ImagePair(name, path, None) for name, path in truths.items())
    )
    found = {label: find_results(path, dataset, scale) for label, path in sources.items()}
    if reference:
        found[REFERENCE] = truths
    return [_entry(name, {label: paths[name] for label, paths in found.items()}, scale) for name in truths]


def page(entries: Sequence[ComparedImage], metrics: Sequence[str], protocol: MeasuringProtocol) -> str:
    """Return the page; all pictures, styles and scripts stand in it, and it asks nothing of any server.

    Args:
        entries: pictures, each with the same versions.
        metrics: names of METRICS to print; those that compare are left out without a reference.
        protocol: channel, border and Ma's model.

    Raises:
        FourpassError: what measuring a picture raises, with the picture named.
    """
    labels = [label for label in entries[0].versions if label != REFERENCE]
    reference = REFERENCE if REFERENCE in entries[0].versions else None
    names = [name for name in metrics if reference or not METRICS[name].compares]
    items = [_picture_data(entry, names, protocol) for entry in entries]
    means = {
        label: [_mean([item["numbers"][label][index] for item in items]) for index in range(len(names))]
        for label in entries[0].versions
    }
    content: dict[str, Any] = {
        "labels": labels,
        "reference": reference,
        "prior": PRIOR,
        "protocol": f"Protocol: {protocol.sentence()}.",
        "metrics": [
            {"label": METRICS[name].label, "better": METRICS[name].better, "decimals": METRICS[name].decimals}
            for name in names
        ],
        "pictures": items,
        "means": means,
    }
    text = json.dumps(content, allow_nan=False, sort_keys=True)
    content["id"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    # Inside <script>, only "</" and "<!--" could end or change the element.
    embedded = json.dumps(content, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    html = (_PAGE / "compare.html").read_text(encoding="utf-8")
    for mark, part in (
        ("/*STYLE*/", (_PAGE / "compare.css").read_text(encoding="utf-8")),
        ("/*SCRIPT*/", (_PAGE / "compare.js").read_text(encoding="utf-8")),
        ("/*DATA*/", embedded),
    ):
        html = html.replace(mark, part, 1)
    return html


def rate_votes(files: Sequence[Path]) -> list[tuple[str, float, float, float]]:
    """Rate methods from files of votes that pages exported.

    Returns:
        (label, Bradley-Terry strength with geometric mean 1, wins, comparisons), the strongest first; a draw is half
        a win, and `PRIOR` wins are added to either side of every pair for the strengths.

    Raises:
        DatasetError: a file is not one of exported votes, or the files are of different methods.
    """
    labels: list[str] = []
    votes: list[Mapping[str, str]] = []
    for file in files:
        content = _votes(file)
        if labels and content["labels"] != labels:
            raise DatasetError(
                f"votes on {', '.join(content['labels'])}, the others on {', '.join(labels)}", subject=file
            )
        labels = content["labels"]
        votes += content["votes"]
    wins = np.zeros((len(labels), len(labels)))
    for vote in votes:
        left, right = labels.index(vote["left"]), labels.index(vote["right"])
        share = {"left": 1.0, "none": 0.5, "right": 0.0}[vote["choice"]]
        wins[left, right] += share
        wins[right, left] += 1 - share
    strengths = bradley_terry(wins, prior=PRIOR)
    played = wins.sum(1) + wins.sum(0)
    rated = [(label, float(strengths[i]), float(wins[i].sum()), float(played[i])) for i, label in enumerate(labels)]
    return sorted(rated, key=lambda row: -row[1])


def _entry(name: str, paths: Mapping[str, Path], scale: int) -> ComparedImage:
    loaded = {label: load_picture(path) for label, path in paths.items()}
    results = {label: image.shape for label, image in loaded.items() if label != REFERENCE}
    first, shape = next(iter(results.items()))
    for label, other in results.items():
        if other != shape:
            raise DatasetError(
                f"{label} is {other[1]}x{other[0]} and {first} {shape[1]}x{shape[0]}",
                subject=name,
                hint="they must have the same size",
            )
    if REFERENCE in loaded:
        truth = loaded[REFERENCE]
        if not all(0 <= truth.shape[axis] - shape[axis] < scale for axis in (0, 1)):
            raise DatasetError(
                f"the reference is {truth.shape[1]}x{truth.shape[0]} and {first} {shape[1]}x{shape[0]}",
                subject=name,
                hint=f"it may be larger only by less than the scale ({scale})",
            )
        loaded[REFERENCE] = truth[: shape[0], : shape[1]]
    return ComparedImage(name, loaded)


def _picture_data(entry: ComparedImage, names: Sequence[str], protocol: MeasuringProtocol) -> dict[str, Any]:
    numbers: dict[str, list[float | None]] = {}
    for label, image in entry.versions.items():
        sample = Sample(entry.versions.get(REFERENCE, image), image, image)
        try:
            measured = [measure(name, sample, protocol, itself=label == REFERENCE) for name in names]
        except FourpassError as error:
            raise error.about(f"{entry.name}, {label}" + f": {error.subject}" * bool(error.subject)) from None
        numbers[label] = [None if value is None else round(value, 6) for value in measured]
    height, width = next(iter(entry.versions.values())).shape[:2]
    sources = {
        label: f"data:image/png;base64,{base64.b64encode(encode_picture(image)).decode()}"
        for label, image in entry.versions.items()
    }
    return {"name": entry.name, "width": width, "height": height, "sources": sources, "numbers": numbers}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _votes(file: Path) -> Any:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        labels, votes = content["labels"], content["votes"]
        known = all(
            vote["left"] in labels and vote["right"] in labels and vote["choice"] in ("left", "none", "right")
            for vote in votes
        )
        if content["format"] != "fourpass-votes-1" or len(labels) < 2 or not known:
            raise ValueError
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror})", subject=file) from None
    except (ValueError, KeyError, TypeError):
        raise DatasetError(
            "not a votes file", subject=file, hint="export one from a page that fourpass compare wrote"
        ) from None
    return content
