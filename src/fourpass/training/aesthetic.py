"""Phase 2, the aesthetic predictor: from AVA, or from a teacher's scores of crops of other photos (section 4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fourpass import models, weights
from fourpass.conversion.predictor_files import read_teacher
from fourpass.data.ava import read_ava
from fourpass.data.distilled import make_crops
from fourpass.data.pictures import default_cache, find_images
from fourpass.data.scored import ScoredPictures, mean_scores
from fourpass.errors import ConfigError, DatasetError
from fourpass.models.mobilenet_v1 import NIMAMobileNetV1
from fourpass.training.precision import pick_device, place
from fourpass.training.predictor_recipes import AestheticRecipe
from fourpass.training.predictor_setup import assemble
from fourpass.training.predictors import PredictorTraining, to_tensor

RECIPE = AestheticRecipe
_HELD_OUT = 10  # every so many photos, one validates
_BATCH = 32


def prepare(
    recipe: AestheticRecipe,
    data: Sequence[Path],
    *,
    validation: Path | None = None,
    cache: Path | None = None,
    device: str = "auto",
    report: Callable[[str], None] = print,
) -> PredictorTraining:
    """Gather what the phase needs.

    Args:
        recipe: its settings; with a teacher, the data are any photos, else AVA.
        data: one folder of AVA, or folders of photos.
        validation: not taken; AVA is split by a fixed seed, and every tenth photo validates.
        cache: folder for crops and the teacher's scores (110 KB a crop), made once.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes lines on pictures left out and on what is done first.

    Raises:
        ConfigError: more than one folder of AVA, or a validation folder.
        DatasetError: the folder is not laid out as it must be, or holds too few pictures.
        WeightsError: the start weights or the teacher are missing or of another kind.
    """
    if validation:
        raise ConfigError("the aesthetic predictor takes no --validation: it holds out a part of its data")
    if recipe.teacher:
        photos = [file for folder in data for file in find_images(folder)]
        folder = cache or default_cache().parent
        training, held_out = distilled_pictures(recipe, photos, folder / "distilled", device, report)
        words = f"scores by the teacher {Path(recipe.teacher).stem} of {len(training)} crops of {len(photos)} photos"
    elif len(data) == 1:
        training, held_out = read_ava(data[0], validation=recipe.validation_pictures, report=report)
        words = f"AVA, {len(training)} pictures"
    else:
        raise ConfigError(
            f"{len(data)} data folders, but AVA is one; to learn from photos, set a teacher in the recipe"
        )
    return assemble("aesthetic", recipe, training, held_out, data=words, device=device, report=report)


def distilled_pictures(
    recipe: AestheticRecipe, photos: Sequence[Path], cache: Path, device: str, report: Callable[[str], None]
) -> tuple[ScoredPictures, ScoredPictures]:
    """Crops of photos with the teacher's scores: training, validation; no photo is in both.

    Raises:
        DatasetError: fewer than two photos, or the cache cannot be written.
        WeightsError: the teacher is missing or of another kind.
    """
    held_out = list(photos[::_HELD_OUT])
    rest = [photo for photo in photos if photo not in set(held_out)]
    if not rest:
        raise DatasetError(f"{len(photos)} photos are too few to learn from and to validate on; give at least two")
    parts = []
    for files, count in ((rest, recipe.crops), (held_out, max(1, recipe.crops // 10))):
        names = "\n".join(f"{file.name} {file.stat().st_size}" for file in files)
        key = hashlib.sha256(f"1 {recipe.seed} {count} {Path(recipe.teacher).name}\n{names}".encode()).hexdigest()[:16]
        crops_file, scores_file = cache / f"{key}-crops.npy", cache / f"{key}-scores.npy"
        if not crops_file.is_file():
            report(f"cutting {count} crops of {len(files)} photos into {cache}")
            _store(crops_file, make_crops(files, count, recipe.seed, report))
        crops = np.load(crops_file, mmap_mode="r")
        if not scores_file.is_file():
            report(f"having the teacher score {count} crops")
            _store(scores_file, _teacher_scores(recipe.teacher, crops, device))
        distributions = np.load(scores_file)
        names_of_crops = [f"crop {index}" for index in range(count)]
        parts.append(ScoredPictures(names_of_crops, distributions, mean_scores(distributions), crops.__getitem__))
    return parts[0], parts[1]


def _teacher_scores(file: str, crops: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    teacher = NIMAMobileNetV1()
    metadata = weights.Metadata("nima-mobilenet-v1", {}, "teacher", "AVA", 0, "Apache-2.0")
    models.load_strictly(teacher, weights.Weights(read_teacher(file), metadata, file))
    place(teacher, pick_device(device)).eval()
    scores = []
    with torch.no_grad():
        for start in range(0, len(crops), _BATCH):
            batch = np.ascontiguousarray(crops[start : start + _BATCH].transpose(0, 3, 1, 2))
            scores.append(teacher(to_tensor(batch, pick_device(device))).float().cpu().numpy())
    return np.concatenate(scores)


def _store(file: Path, array: NDArray[np.generic]) -> None:
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as handle:
            np.save(handle, array)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DatasetError(f"{file.parent}: cannot be written ({error.strerror}); name another with --cache") from None
