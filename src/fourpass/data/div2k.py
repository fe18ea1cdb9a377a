"""Training pictures from a folder: the layouts of DIV2K where there is one, every picture of the tree otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fourpass.data.pictures import find_images
from fourpass.errors import DatasetError

TREE = """
  DIR/DIV2K_train_HR/0001.png ... 0800.png
  DIR/DIV2K_valid_HR/0801.png ... 0900.png   (wanted by the perceptual phase alone)
or any folder tree of pictures"""


def training_images(folder: Path, splits: Sequence[str] = ("train",)) -> list[Path]:
    """Return the files of the full-resolution pictures that a folder holds.

    Where the tree has ``DIV2K_<split>_HR`` folders, only those splits count: the shrunk pictures that lie beside them
    (``DIV2K_train_LR_bicubic/X2`` ...) are no ground truth, and are made again, equal to the bit.

    Args:
        folder: root of DIV2K, one of its ``_HR`` folders, or any folder tree of pictures.
        splits: of ``train`` and ``valid``, those wanted.

    Raises:
        DatasetError: no such folder, no picture in it, or a DIV2K tree without a wanted split.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; wanted:{TREE}")
    if not any(folder.rglob("DIV2K_*_HR")):
        return find_images(folder)
    found = []
    for split in splits:
        homes = sorted(home for home in folder.rglob(f"DIV2K_{split}_HR") if home.is_dir())
        if not homes:
            raise DatasetError(f"{folder}: has DIV2K folders but no DIV2K_{split}_HR; wanted:{TREE}")
        for home in homes:
            found += find_images(home)
    return found
