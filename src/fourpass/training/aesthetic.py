"""Phase 2, the aesthetic predictor: from AVA, or from a teacher's scores of crops of other photos (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fourpass import models, weights
from fourpass.conversion.predictor_files import read_teacher
from fourpass.data.ava import read_ava
from fourpass.data.distilled import (
    BESIDE_LADDERS,
    DEGRADATIONS,
    RUNGS,
    falling,
    hold_out,
    make_crops,
    make_ladders,
    photos_key,
)
from fourpass.data.scored import CROP, ScoredPictures, mean_scores
from fourpass.data.training_images import cached_array, default_cache, find_images
from fourpass.errors import ConfigError
from fourpass.models.mobilenet_v1 import NIMAMobileNetV1
from fourpass.models.nima import SCORES
from fourpass.training.precision import pick_device, place
from fourpass.training.predictor_recipes import AestheticRecipe
from fourpass.training.predictor_setup import assemble
from fourpass.training.predictors import PredictorTraining, to_tensor

RECIPE = AestheticRecipe
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
        validation: not taken; the last rows of AVA validate, and every tenth photo validates.
        cache: folder for crops and the teacher's scores (110 KB a crop), made once.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes lines on pictures left out and on what is done first.

    Raises:
        ConfigError: more than one folder of AVA, or a validation folder.
        DatasetError: the folder is not laid out as it must be, or holds too few pictures.
        WeightsError: the start weights or the teacher are missing or of another kind.
    """
    if validation:
        raise ConfigError("the aesthetic predictor takes no validation folder: it holds out a part of its data")
    if recipe.teacher:
        photos = [file for folder in data for file in find_images(folder)]
        folder = cache or default_cache().parent
        training, held_out = distilled_pictures(recipe, photos, folder / "distilled", device, report)
        words = f"scores by {Path(recipe.teacher).stem} of {len(training)} crops of {len(hold_out(photos)[0])} photos"
    elif len(data) == 1:
        training, held_out = read_ava(data[0], validation=recipe.validation_pictures, report=report)
        words = f"AVA, {len(training)} pictures"
    else:
        raise ConfigError(
            f"{len(data)} data folders, but AVA is a single folder",
            hint="to learn from photos, set a teacher in the recipe",
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
    rest, held_out = hold_out(photos)
    source = _Source(recipe, cache, device, report)
    training = source.scored(
        "crops beside ladders" if recipe.ladders else "crops",
        rest,
        recipe.crops,
        partial(make_crops, degradations=BESIDE_LADDERS if recipe.ladders else DEGRADATIONS),
    )
    if recipe.ladders:
        rungs = source.scored("ladders", rest, recipe.ladders, make_ladders)
        made = falling(rungs.distributions.reshape(-1, RUNGS, SCORES), recipe.fall).reshape(-1, SCORES)
        ladders = np.arange(len(rungs)).reshape(-1, RUNGS)
        training = training.joined(replace(rungs, distributions=made, scores=mean_scores(made), ladders=ladders))
    return training, source.scored("crops", held_out, max(1, recipe.crops // 10), make_crops)


@dataclass(frozen=True)
class _Source:
    """Makes crops and has the teacher score them, once."""

    recipe: AestheticRecipe
    cache: Path
    device: str
    report: Callable[[str], None]

    def scored(
        self, kind: str, files: Sequence[Path], count: int, make: Callable[..., NDArray[np.uint8]]
    ) -> ScoredPictures:
        """Crops of files with the teacher's scores, from the cache where they are there."""
        teacher, seed = self.recipe.teacher, self.recipe.seed
        key = photos_key(f"2 {kind} {seed} {count} {Path(teacher).name}", files)

        def cut() -> NDArray[np.uint8]:
            self.report(f"cutting {count} {kind} of {len(files)} photos into {self.cache}")
            return make(files, count, seed, self.report).reshape(-1, CROP, CROP, 3)

        def ask() -> NDArray[np.float32]:
            self.report(f"having the teacher score {len(crops)} crops")
            return teacher_scores(teacher, crops, self.device)

        crops = cached_array(self.cache / f"{key}-crops.npy", cut)
        distributions = np.array(cached_array(self.cache / f"{key}-scores.npy", ask))
        names_of_crops = [f"{kind} {index}" for index in range(len(crops))]
        return ScoredPictures(names_of_crops, distributions, mean_scores(distributions), crops.__getitem__)


def teacher_scores(file: str, crops: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    """What a teacher's file says of crops (N, 192, 192, 3): distributions (N, 10)."""
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
