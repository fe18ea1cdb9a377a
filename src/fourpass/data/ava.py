"""AVA (Murray et al., 2012): photos of DPChallenge and how many people gave each of the scores 1..10."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data.scored import CROP, ScoredPictures, mean_scores
from fourpass.data.training_images import decode
from fourpass.errors import DatasetError
from fourpass.imaging.resize import imresize

VALIDATION = 5_000  # pictures (4PP-EUSR paper, section 4.2: about 5,000; the authors' program: the last of the list)
_COLUMNS = 15  # index, image id, ten counts, two tags, challenge
_TREE = "AVA.txt and, anywhere below, IMAGE_ID.jpg"


def read_votes(file: Path) -> dict[str, NDArray[np.int64]]:
    """Read ``AVA.txt``.

    Returns:
        image id -> ten vote counts, in the file's order.

    Raises:
        DatasetError: the file is missing, or a row is malformed; names the row.
    """
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot be read ({error})", subject=file) from None
    votes: dict[str, NDArray[np.int64]] = {}
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        if not columns:
            continue
        if len(columns) != _COLUMNS:
            raise DatasetError(f"{file}, row {number}: {len(columns)} columns, but AVA has {_COLUMNS}")
        try:
            counts = np.array([int(column) for column in columns[2:12]])
        except ValueError:
            raise DatasetError(f"{file}, row {number}: a vote count is not a whole number") from None
        if counts.min() < 0 or counts.sum() == 0:
            raise DatasetError(f"{file}, row {number}: vote counts {counts.tolist()} are negative or all 0")
        if columns[1] in votes:
            raise DatasetError(f"{file}, row {number}: picture {columns[1]} appears twice")
        votes[columns[1]] = counts
    if not votes:
        raise DatasetError("has no rows", subject=file)
    return votes


@dataclass(frozen=True)
class _Reader:
    files: list[Path]

    def __call__(self, index: int) -> NDArray[np.uint8]:
        return at_least(decode(self.files[index]), CROP)


def at_least(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Enlarge a picture (H, W, 3) with a side below `side` until its shorter one has it, as the authors do."""
    rows, columns = picture.shape[:2]
    if min(rows, columns) >= side:
        return picture
    factor = side / min(rows, columns)
    return imresize(picture, size=(max(side, round(rows * factor)), max(side, round(columns * factor))))


def read_ava(
    folder: Path, *, validation: int = VALIDATION, report: Callable[[str], None] = print
) -> tuple[ScoredPictures, ScoredPictures]:
    """Open AVA and split it: training, validation. The last rows of ``AVA.txt`` validate, as in the authors' program.

    Args:
        folder: holds ``AVA.txt``, and the pictures anywhere below.
        validation: pictures to validate on.
        report: takes a line on pictures that are missing. Damaged ones show when they are read, see
            `ScoredPictures.skipped`.

    Raises:
        DatasetError: the folder is not laid out so, a row is malformed, or too few pictures are there.
    """
    table = next((file for file in (folder / "AVA.txt", folder / "ava.txt") if file.is_file()), None)
    if table is None:
        raise DatasetError(f"not laid out like AVA: {_TREE}", subject=folder)
    votes = read_votes(table)
    files = {file.stem: file for file in sorted(folder.rglob("*")) if file.suffix.lower() in (".jpg", ".jpeg")}
    order = list(votes)
    rest, held_out = order[: max(0, len(order) - validation)], order[max(0, len(order) - validation) :]
    missing = [name for name in votes if name not in files]
    if missing:
        report(
            f"{folder}: {len(missing)} of {len(votes)} pictures are missing and skipped; the first is {missing[0]}.jpg"
        )
    parts = []
    for role, names in (("train on", rest), ("validate on", held_out)):
        there = [name for name in names if name in files]
        if not there:
            raise DatasetError(f"no picture to {role} is there", subject=folder, hint=f"AVA's layout is {_TREE}")
        counts = np.stack([votes[name] for name in there]).astype(np.float32)
        paths = [files[name] for name in there]
        shares = counts / counts.sum(axis=1, keepdims=True)
        parts.append(ScoredPictures(there, shares, mean_scores(shares), _Reader(paths)))
    return parts[0], parts[1]
