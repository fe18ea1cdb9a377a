"""The data that the paper's experiments need: its page, size, checksum and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fourpass.data.div2k import training_images
from fourpass.data.layouts import find_datasets
from fourpass.errors import DatasetError
from fourpass.imaging.formats import SUFFIXES

SCALE = 4


@dataclass(frozen=True)
class Source:
    """One thing to fetch.

    Attributes:
        folder: where below the root it goes; a file for single files.
        page: whose page has it.
        files: names and sizes of what one fetches there.
        checksum: as published, and by whom; empty if none is published.
        why_missing: folder -> what is wrong there, empty if nothing is.
        wanted: whether experiments wait for it; other sources are fetched automatically or reported as missing.
    """

    folder: str
    page: str
    files: str
    checksum: str
    why_missing: Callable[[Path], str]
    wanted: bool = True


def _pictures(folder: Path) -> int:
    return sum(1 for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith("._"))


def _div2k(folder: Path) -> str:
    try:
        found = {split: len(training_images(folder, (split,))) for split in ("train", "valid")}
    except DatasetError as error:
        return str(error).splitlines()[0]
    if not any(folder.rglob("DIV2K_*_HR")):
        return ""  # any other folder tree of pictures serves
    short = [
        f"{found[split]} of {count} {split}"
        for split, count in (("train", 800), ("valid", 100))
        if found[split] < count
    ]
    return f"{folder}: holds {' and '.join(short)} pictures" if short else ""


def _ava(folder: Path) -> str:
    if not (folder / "AVA.txt").is_file():
        return f"{folder}/AVA.txt: does not exist"
    return "" if any(folder.rglob("*.jpg")) else f"{folder}: holds no IMAGE_ID.jpg"


def _tid2013(folder: Path) -> str:
    count = sum(1 for file in folder.rglob("*") if file.suffix.lower() == ".bmp" and file.name.lower().startswith("i"))
    if not any(folder.rglob("mos_with_names.txt")):
        return f"{folder}: mos_with_names.txt does not exist"
    return "" if count >= 3_000 else f"{folder}: holds {count} of 3,000 distorted pictures"


def _set(count: int) -> Callable[[Path], str]:
    def why(folder: Path) -> str:
        try:
            found = sum(len(dataset.pairs) for dataset in find_datasets(folder, SCALE))
        except DatasetError as error:
            return str(error).splitlines()[0]
        return "" if found == count else f"{folder}: holds {found} pictures where the set has {count}"

    return why


def _file(path: Path) -> str:
    return "" if path.is_file() else f"{path}: does not exist"


_SETS = "https://github.com/jbhuang0604/SelfExSR (its data folder), or SR_testing_datasets.zip of LapSRN's page"
SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "DIV2K": Source(
            "DIV2K",
            "https://data.vision.ee.ethz.ch/cvl/DIV2K/",
            "DIV2K_train_HR.zip (3,530,603,713 bytes), DIV2K_valid_HR.zip (448,993,893 bytes)",
            "sha256, as TensorFlow Datasets lists them: "
            "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335, "
            "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
            _div2k,
        ),
        "AVA": Source(
            "AVA",
            "https://github.com/imfing/ava_downloader (Murray et al., 2012; photos of dpchallenge.com)",
            "AVA.txt and about 255,500 JPEG files, 32 GB",
            "",
            _ava,
        ),
        "TID2013": Source(
            "TID2013",
            "https://www.ponomarenko.info/tid2013.htm",
            "tid2013.rar, 913 MB",
            "",
            _tid2013,
        ),
        "Set5": Source("Set5", _SETS, "5 pictures", "", _set(5)),
        "Set14": Source("Set14", _SETS, "14 pictures", "", _set(14)),
        "BSD100": Source("BSD100", _SETS, "100 pictures", "", _set(100)),
        "VGG19": Source(
            "vgg19-dcbb9e9d.pth",
            "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
            "548 MB; without it, training fetches it",
            "sha256 begins with dcbb9e9d, as its name says",
            _file,
            wanted=False,
        ),
        "MobileNetV2": Source(
            "mobilenet_v2-b0353104.pth",
            "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
            "14 MB; without it, training fetches it",
            "sha256 begins with b0353104, as its name says",
            _file,
            wanted=False,
        ),
        "SR score": Source(
            "model.mat",
            "https://github.com/chaoma99/sr-metric",
            "model.mat; without it, the columns of the SR score say so",
            "",
            _file,
            wanted=False,
        ),
    }
)


def missing(root: Path) -> dict[str, str]:
    """Return what is missing or incomplete below a root: source -> why."""
    reasons = {name: source.why_missing(root / source.folder) for name, source in SOURCES.items()}
    return {name: why for name, why in reasons.items() if why}
