"""Result pictures of a method that lie on disk, matched by name to the pictures of an evaluation set."""

from __future__ import annotations

import re
from pathlib import Path

from fourpass.data.layouts import Dataset, pictures
from fourpass.errors import DatasetError

_SCALE = re.compile(r"(?:^|[_-]|(?<=[a-z0-9]))(?:x(?P<a>\d+)|(?P<b>\d+)x|SRF_(?P<c>\d+))(?=$|[_-])", re.IGNORECASE)
_NOT_RESULTS = re.compile(r"[_-](HR|LR|GT)$", re.IGNORECASE)


def find_results(folder: Path, dataset: Dataset, scale: int) -> dict[str, Path]:
    """Find the result of every picture of a set in a folder, or in the folder's part for that set.

    A result of ``baby`` at x4 is called ``baby``, else ``babyx4``, ``baby_x4_SR``, ``baby_SRF_4`` and the like, else
    ``baby_anything``; the first of these three kinds that has a file counts.

    Args:
        folder: holds the pictures, or a subfolder named like the set (also ``results-Set5``), or ``x4`` in either.
        dataset: the set.
        scale: upscaling factor.

    Returns:
        path of the result of each picture's name.

    Raises:
        DatasetError: the folder is missing, a picture has no result, or has several of one kind.
    """
    if not folder.is_dir():
        raise DatasetError("no such results folder", subject=folder)
    place = _place(folder, dataset.name, scale)
    files = pictures(place)
    names = [pair.name for pair in dataset.pairs]
    found = {name: _candidates(name, names, files, scale) for name in names}
    for name, paths in found.items():
        if len(paths) > 1:
            raise DatasetError(
                f"{dataset.name}/{name} has several results ({', '.join(path.name for path in paths[:4])})",
                subject=place,
                hint="keep each method's results in a folder of its own",
            )
    missing = [name for name, paths in found.items() if not paths]
    if missing:
        first = missing[0]
        holds = ", ".join(path.name for path in files[:5]) or "no pictures"
        raise DatasetError(
            (f"{len(missing)} of {len(names)} pictures of {dataset.name} have no x{scale} result, for example {first}"),
            subject=place,
            hint=(
                f"looked for {first}.png, {first}x{scale}.png, {first}_SRF_{scale}.png, {first}_*.png; it holds {holds}"
            ),
        )
    return {name: paths[0] for name, paths in found.items()}


def _place(folder: Path, set_name: str, scale: int) -> Path:
    """Go down into the set's own folder and the scale's, where there are such."""
    place = folder
    for wanted in ((set_name, f"results-{set_name}"), (f"x{scale}", f"image_SRF_{scale}")):
        lower = {name.lower() for name in wanted}
        place = next(
            (child for child in sorted(place.iterdir()) if child.is_dir() and child.name.lower() in lower), place
        )
    return place


def _candidates(name: str, names: list[str], files: list[Path], scale: int) -> list[Path]:
    """Files of the best kind that has any: the name itself, the name and this scale, the name and anything."""
    longer = [other for other in names if other != name and other.startswith(name)]
    kinds: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    for path in files:
        if not path.stem.startswith(name) or _NOT_RESULTS.search(path.stem[len(name) :]):
            continue
        if any(path.stem.startswith(other) for other in longer):
            continue
        rest = path.stem[len(name) :]
        scales = {int(match["a"] or match["b"] or match["c"]) for match in _SCALE.finditer(rest)}
        if not rest:
            kinds[0].append(path)
        elif scales == {scale}:
            kinds[1].append(path)
        elif not scales and rest[0] in "_-":
            kinds[2].append(path)
    return next((kind for kind in kinds if kind), [])
