"""Training pictures from a folder: the layouts of DIV2K where there is one, every picture of the tree otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fourpass.data.training_images import find_images
from fourpass.errors import DatasetError

TREE = """
  DIR/DIV2K_train_HR/0001.png ... 0800.png
  DIR/DIV2K_valid_HR/0801.png ... 0900.png   (wanted by the perceptual phase alone)
or any folder tree of pictures"""


def training_images(folder: Path, splits: Sequence[str] = ("train",)) -> list[Path]:
    """Return the files of the full-resolution pictures that a folder holds.

    Where the tree has ``DIV2K_<split>_HR`` folders, only those splits count: the shrunk pictures that lie beside them
    (``DIV2K_train_LR_bicubic/X2`` ...) are no ground truth, and are made again, equal to the bit. A picture
    that is there more than once, by name, counts once.

    Args:
        folder: root of DIV2K, one of its ``_HR`` folders, or any folder tree of pictures.
        splits: of ``train`` and ``valid``, those wanted.

    Raises:
        DatasetError: no such folder, no picture in it, or a DIV2K tree without a wanted split.
    """
    if not folder.is_dir():
        raise DatasetError("no such folder", subject=folder, hint=f"expected:{TREE}")
    if not any(folder.rglob("DIV2K_*_HR")):
        return find_images(folder)
    found = []
    for split in splits:
        homes = [home for home in folder.rglob(f"DIV2K_{split}_HR") if home.is_dir() and "__MACOSX" not in home.parts]
        if not homes:
            raise DatasetError(f"has DIV2K folders but no DIV2K_{split}_HR", subject=folder, hint=f"expected:{TREE}")
        # An archive that was unpacked twice, or into a folder of its own name, holds each picture twice; one counts.
        files: dict[str, Path] = {}
        for home in sorted(homes, key=lambda home: (len(home.parts), home)):
            for file in find_images(home):
                files.setdefault(file.name, file)
        found += [files[name] for name in sorted(files)]
    return found
