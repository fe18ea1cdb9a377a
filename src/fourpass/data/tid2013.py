"""TID2013 (Ponomarenko et al., 2015): pictures of 25 references, each with 24 distortions at 5 levels, and scores."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data.bmp import read_bmp
from fourpass.data.scored import ScoredPictures
from fourpass.data.training_images import decode
from fourpass.errors import DatasetError

VALIDATION_REFERENCES = (1, 2, 3)  # 4PP-EUSR paper, section 4.2
ONE_FILE = "tid2013_name_mos_std.txt"
_NAME = re.compile(r"i(\d\d)_(\d\d)_(\d)(?:\.bmp)?$", re.IGNORECASE)
_TREE = "distorted_images/i01_01_1.bmp ... and mos_with_names.txt with mos_std.txt, or " + ONE_FILE


@dataclass(frozen=True)
class Opinion:
    """Mean and deviation of the scores, on 0..9, of one distorted picture."""

    reference: int
    kind: int
    level: int
    mean: float
    deviation: float

    @property
    def name(self) -> str:
        """The picture's name, without suffix, in lower case."""
        return f"i{self.reference:02d}_{self.kind:02d}_{self.level}"


def read_opinions(folder: Path) -> list[Opinion]:
    """Read the scores in a folder: the distributed pair of files, or one file of name, mean and deviation.

    Raises:
        DatasetError: a file is missing or a row is malformed; the message names the row.
    """
    one = _find(folder, ONE_FILE)
    if one:
        return [_opinion(one, number, *row) for number, row in _rows(one, 3)]
    means, deviations = _find(folder, "mos_with_names.txt"), _find(folder, "mos_std.txt")
    if not means or not deviations:
        raise DatasetError(f"not laid out like TID2013: {_TREE}", subject=folder)
    first, second = list(_rows(means, 2)), list(_rows(deviations, 1))
    if len(first) != len(second):
        raise DatasetError(f"{deviations}: {len(second)} rows, but {means.name} has {len(first)}")
    return [
        _opinion(means, number, name, mean, deviation)
        for (number, (mean, name)), (_, (deviation,)) in zip(first, second, strict=True)
    ]


def distribution(mean: float, deviation: float) -> NDArray[np.float32]:
    """Shares (10,) of the scores 1..10: the Gaussian's mass of the bins [k - 0.5, k + 0.5], k = 0..9, normalised.

    Args:
        mean: on TID2013's 0..9; score 1 is its 0.
        deviation: on the same scale; 0, which one row has, puts everything into the nearest bin.
    """
    deviation = max(deviation, 1e-6)
    edges = [math.erf((k - 0.5 - mean) / (deviation * math.sqrt(2))) for k in range(11)]
    mass = np.maximum(np.diff(edges), 0)
    return np.asarray(mass / mass.sum(), np.float32)


def read_tid2013(
    scores: Path, pictures: Path | None = None, references: Collection[int] = range(1, 26)
) -> list[tuple[Opinion, Path]]:
    """Pair every score with its picture.

    Args:
        scores: folder with the scores.
        pictures: folder with ``distorted_images``, in any letter case; default: the same.
        references: those wanted.

    Raises:
        DatasetError: scores or pictures are missing; the message says how many and names the first.
    """
    root = pictures or scores
    folder = _find(root, "distorted_images")
    if not folder or not folder.is_dir():
        raise DatasetError("has no distorted_images", subject=root, hint=f"TID2013's layout is {_TREE}")
    files = {file.stem.lower(): file for file in sorted(folder.iterdir()) if file.suffix.lower() in (".bmp", ".png")}
    opinions = [opinion for opinion in read_opinions(scores) if opinion.reference in references]
    missing = [opinion.name for opinion in opinions if opinion.name not in files]
    if missing or not opinions:
        first = missing[0] if missing else "i01_01_1"
        raise DatasetError(
            f"{len(missing)} of {len(opinions)} scored pictures are missing; the first is {first}.bmp",
            subject=folder,
            hint="unpack the whole archive",
        )
    return [(opinion, files[opinion.name]) for opinion in opinions]


def scored_pictures(pairs: Iterable[tuple[Opinion, Path]], least_deviation: float = 0.0) -> ScoredPictures:
    """Open scored pictures for training or validation; BMPs are mapped, not read.

    Args:
        pairs: see `read_tid2013`.
        least_deviation: smaller deviations are widened to this. The published ones are those of the mean, 0.13 on
            average, so that nearly everything falls into one bin and means of 4.6 and 5.4 look the same; from 0.5
            on, the bins' mean is the mean.
    """
    chosen = list(pairs)
    opinions = [opinion for opinion, _ in chosen]
    distributions = np.stack([distribution(one.mean, max(one.deviation, least_deviation)) for one in opinions])

    def read(index: int) -> NDArray[np.uint8]:
        file = chosen[index][1]
        return read_bmp(file) if file.suffix.lower() == ".bmp" else decode(file)

    scores = np.array([opinion.mean + 1 for opinion in opinions])
    return ScoredPictures([opinion.name for opinion in opinions], distributions, scores, read)


def _find(folder: Path, name: str) -> Path | None:
    """Find an entry of a folder in any letter case."""
    if not folder.is_dir():
        raise DatasetError("no such folder", subject=folder, hint=f"TID2013's layout is {_TREE}")
    return next((entry for entry in sorted(folder.iterdir()) if entry.name.lower() == name), None)


def _rows(file: Path, columns: int) -> Iterable[tuple[int, list[str]]]:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot be read ({error})", subject=file) from None
    for number, line in enumerate(lines, start=1):
        row = line.split()
        if row and len(row) != columns:
            raise DatasetError(f"{file}, row {number}: {len(row)} columns, but TID2013 has {columns}")
        if row:
            yield number, row


def _opinion(file: Path, number: int, name: str, mean: str, deviation: str) -> Opinion:
    match = _NAME.match(name)
    if not match:
        raise DatasetError(f"{file}, row {number}: {name} is not a name like i01_01_1")
    try:
        values = float(mean), float(deviation)
    except ValueError:
        raise DatasetError(f"{file}, row {number}: {mean} or {deviation} is not a number") from None
    if not (0 <= values[0] <= 9 and 0 <= values[1] <= 9):
        raise DatasetError(f"{file}, row {number}: mean {mean} or deviation {deviation} is outside TID2013's 0..9")
    reference, kind, level = (int(part) for part in match.groups())
    return Opinion(reference, kind, level, *values)
