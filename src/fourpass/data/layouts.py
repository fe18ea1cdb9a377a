"""Where the pictures of an evaluation set lie: five layouts in the wild, found by themselves or explained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from fourpass.errors import DatasetError
from fourpass.imaging.formats import SUFFIXES

_PLAIN_NAMES = re.compile(r"(HR|GT|original|GTmod\d+|image_SRF_\d+|DIV2K_valid_HR)$", re.IGNORECASE)


@dataclass(frozen=True)
class ImagePair:
    """One picture of a set.

    Attributes:
        name: what its results are called, for example ``baby`` or ``0801``.
        high_resolution: file of the ground truth.
        low_resolution: file of the input; None when it has to be made from the ground truth.
    """

    name: str
    high_resolution: Path
    low_resolution: Path | None


@dataclass(frozen=True)
class Dataset:
    """A named set of pictures, sorted by name, and the layout that it was found in."""

    name: str
    layout: str
    pairs: tuple[ImagePair, ...]


def find_datasets(folder: Path, scale: int) -> list[Dataset]:
    """Find the evaluation set in a folder, or the sets in its subfolders.

    Args:
        folder: one of the layouts of `expected`, or a folder of such folders.
        scale: upscaling factor; decides which inputs are looked for.

    Returns:
        at least one set, sorted by folder name.

    Raises:
        DatasetError: no folder there, no layout known in it, or a layout with an input missing.
    """
    if not folder.is_dir():
        raise DatasetError("no such folder", subject=folder, hint="name a folder of pictures", key="data-folder")
    found = _find(folder, scale)
    if found:
        return [found]
    below = [_find(child, scale) for child in _folders(folder)]
    datasets = [dataset for dataset in below if dataset]
    if datasets:
        return datasets
    holds = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    listing = ", ".join(holds[:6]) + (f" and {len(holds) - 6} more" if len(holds) > 6 else "")
    raise DatasetError(
        f"no evaluation set for x{scale} found (it holds {listing or 'nothing'})",
        subject=folder,
        hint=f"expected {expected(scale)}",
    )


def expected(scale: int) -> str:
    """Say in one line what the five layouts look like at a scale."""
    return (
        f"pictures (baby.png ...), or HR/ + LR_bicubic/X{scale}/, or GTmod12/ + LRbicx{scale}/, or "
        f"image_SRF_{scale}/*_SRF_{scale}_HR.png + *_LR.png, or DIV2K_valid_HR/0801.png + "
        f"DIV2K_valid_LR_bicubic/X{scale}/0801x{scale}.png, or a folder of such folders"
    )


def pictures(folder: Path) -> list[Path]:
    """Files directly in a folder whose suffix is a picture's, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _find(folder: Path, scale: int) -> Dataset | None:
    for layout in (_div2k, _hr_lr_bicubic, _basicsr, _selfexsr, _flat):
        found = layout(folder, scale)
        if found:
            return found
    return None


def _div2k(folder: Path, scale: int) -> Dataset | None:
    """``DIV2K_valid_HR/0801.png`` and ``DIV2K_valid_LR_bicubic/X4/0801x4.png``."""
    high = folder / "DIV2K_valid_HR"
    if not (high.is_dir() and pictures(high)):
        return None
    low = folder / "DIV2K_valid_LR_bicubic" / f"X{scale}"
    return _paired(folder, high, low, scale, "DIV2K")


def _hr_lr_bicubic(folder: Path, scale: int) -> Dataset | None:
    """``HR/baby.png`` and ``LR_bicubic/X4/babyx4.png``."""
    high = folder / "HR"
    if not (high.is_dir() and pictures(high)):
        return None
    return _paired(folder, high, folder / "LR_bicubic" / f"X{scale}", scale, "HR + LR_bicubic")


def _basicsr(folder: Path, scale: int) -> Dataset | None:
    """BasicSR: ``GTmod12/baby.png`` and ``LRbicx4/baby.png``."""
    high = next((child for child in _folders(folder) if re.match(r"GTmod\d+$", child.name)), None)
    if high is None or not pictures(high):
        return None
    return _paired(folder, high, folder / f"LRbicx{scale}", scale, "BasicSR")


def _selfexsr(folder: Path, scale: int) -> Dataset | None:
    """SelfExSR: ``image_SRF_4/img_001_SRF_4_HR.png`` and ``..._LR.png``; the inner folder may be given itself."""
    inner = folder / f"image_SRF_{scale}"
    if not inner.is_dir():
        others = [child.name for child in _folders(folder) if re.match(r"image_SRF_\d+$", child.name)]
        if others:
            raise DatasetError(
                f"has {', '.join(others)} but no image_SRF_{scale}",
                subject=folder,
                hint="choose another scale",
                key="scale",
            )
        inner = folder
    named = re.compile(r"(?P<name>.+)_SRF_(?P<scale>\d+)_HR$")
    matches = [(path, match) for path in pictures(inner) if (match := named.match(path.stem))]
    if not matches:
        return None
    pairs = []
    for path, match in matches:
        if int(match["scale"]) != scale:
            raise DatasetError(
                f"made for x{match['scale']}, not x{scale}", subject=path, hint="choose another scale", key="scale"
            )
        low = path.with_name(f"{match['name']}_SRF_{scale}_LR{path.suffix}")
        if not low.is_file():
            raise DatasetError(f"its input {low.name} is missing beside it", subject=path)
        pairs.append(ImagePair(match["name"], path, low))
    return Dataset(_set_name(inner), "SelfExSR", tuple(pairs))


def _flat(folder: Path, scale: int) -> Dataset | None:
    """Ground truth pictures side by side; inputs are made from them."""
    found = pictures(folder)
    if not found:
        return None
    _refuse_twins(found)
    return Dataset(_set_name(folder), "flat", tuple(ImagePair(path.stem, path, None) for path in found))


def _paired(folder: Path, high: Path, low: Path, scale: int, layout: str) -> Dataset:
    """Pair the pictures of two folders by name; without the second folder, inputs are to be made."""
    truths = pictures(high)
    _refuse_twins(truths)
    if not low.is_dir():
        pairs = tuple(ImagePair(path.stem, path, None) for path in truths)
        return Dataset(_set_name(folder), f"{layout}, without its X{scale} inputs", pairs)
    inputs = {path.stem: path for path in pictures(low)}
    found = []
    for path in truths:
        match = inputs.get(f"{path.stem}x{scale}") or inputs.get(path.stem)
        if match is None:
            raise DatasetError(
                f"neither {path.stem}x{scale}.png nor {path.stem}.png is in {low}",
                subject=path,
                hint="complete that folder, or remove it so that the inputs are generated",
            )
        found.append(ImagePair(path.stem, path, match))
    return Dataset(_set_name(folder), layout, tuple(found))


def _refuse_twins(paths: list[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise DatasetError(f"has the same name as {seen[path.stem].name}", subject=path, hint="keep one of the two")
        seen[path.stem] = path


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _set_name(folder: Path) -> str:
    """Name of the set: the folder's, or its parent's where the folder's says only what kind of pictures it holds."""
    resolved = folder.resolve()
    return resolved.parent.name if _PLAIN_NAMES.match(resolved.name) else resolved.name
