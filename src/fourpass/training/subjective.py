"""Phase 2, the subjective predictor: from TID2013, or its distortions made again from Kodak pictures (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data.distilled import LADDERS, RUNGS, hold_out, ladder_kinds, make_ladders, photos_key
from fourpass.data.scored import CROP, ScoredPictures
from fourpass.data.tid2013 import VALIDATION_REFERENCES, Opinion, distribution, read_tid2013, scored_pictures
from fourpass.data.tid2013_resynth import DISTORTIONS, synthesise
from fourpass.data.training_images import cached_array, default_cache, find_images
from fourpass.errors import ConfigError
from fourpass.training.predictor_recipes import SubjectiveRecipe
from fourpass.training.predictor_setup import assemble
from fourpass.training.predictors import PredictorTraining

RECIPE = SubjectiveRecipe
KODAK = "kodak"  # folder of Kodak's pictures beside the scores, where TID2013's own pictures are missing


def prepare(
    recipe: SubjectiveRecipe,
    data: Sequence[Path],
    *,
    validation: Path | None = None,
    cache: Path | None = None,
    device: str = "auto",
    report: Callable[[str], None] = print,
) -> PredictorTraining:
    """Gather what the phase needs.

    Args:
        recipe: its settings.
        data: TID2013, or its scores beside a folder ``kodak``, whose pictures are then distorted as TID2013's were,
            into the cache (1.7 GB), once; and, for ladders, a folder of photos.
        validation: not taken; references 1 to 3 validate, as in the paper.
        cache: folder for the distorted pictures.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes lines on what is done first.

    Raises:
        ConfigError: another number of folders, or a validation folder.
        DatasetError: the folder is not laid out as it must be.
        WeightsError: the start weights are missing or of another kind.
    """
    if validation:
        raise ConfigError("the subjective predictor takes no validation folder: it validates on references 1 to 3")
    if len(data) != 1 + bool(recipe.ladders):
        wanted = "two, TID2013 and photos for the recipe's ladders" if recipe.ladders else "one, TID2013"
        raise ConfigError(f"{len(data)} data folders, but the subjective predictor takes {wanted}")
    scores, references = data[0], range(1, 26)
    pictures, words = scores, "TID2013, references 4 to 25"
    if (scores / KODAK).is_dir():
        references, words = range(1, 25), "TID2013's scores; its distortions made again from Kodak's pictures 4 to 24"
        pictures = (cache or default_cache().parent) / "tid2013"
        synthesise(scores / KODAK, pictures, references, report)
    pairs = read_tid2013(scores, pictures, references)
    held_out = [pair for pair in pairs if pair[0].reference in VALIDATION_REFERENCES]
    rest = [pair for pair in pairs if pair[0].reference not in VALIDATION_REFERENCES]
    training = scored_pictures(rest, recipe.least_deviation)
    if recipe.ladders:
        photos, _ = hold_out(find_images(data[1]))
        opinions = [opinion for opinion, _ in rest]
        folder = (cache or default_cache().parent) / "ladders"
        training = training.joined(photo_ladders(recipe, photos, opinions, folder, report))
        words += f"; {recipe.ladders} crops of {len(photos)} photos, distorted, with the mean scores of type and level"
    return assemble(
        "subjective",
        recipe,
        training,
        scored_pictures(held_out, recipe.least_deviation),
        data=words,
        device=device,
        report=report,
    )


def photo_ladders(
    recipe: SubjectiveRecipe,
    photos: Sequence[Path],
    opinions: Sequence[Opinion],
    cache: Path,
    report: Callable[[str], None],
) -> ScoredPictures:
    """Crops of photos as they are and at five levels of a distortion, with the mean scores of type and level.

    Half the ladders are of blur, noise or JPEG, the others of any type.

    Args:
        recipe: says how many.
        photos: files.
        opinions: of the training references, which the means are of.
        cache: folder for the crops, 660 KB a ladder.
        report: takes lines on photos left out.

    Raises:
        DatasetError: no photo is usable, or the cache cannot be written.
    """
    kinds = [*(8 * LADDERS), *DISTORTIONS]

    def make() -> NDArray[np.uint8]:
        report(f"cutting and distorting {recipe.ladders} crops of {len(photos)} photos into {cache}")
        return make_ladders(photos, recipe.ladders, recipe.seed, report, kinds=kinds)

    key = photos_key(f"1 {recipe.ladders} {recipe.seed}", photos)
    crops = cached_array(cache / f"{key}.npy", make).reshape(-1, CROP, CROP, 3)
    means, chosen = [], ladder_kinds(recipe.ladders, recipe.seed, kinds)
    for kind in chosen:
        levels = [[one.mean for one in opinions if (one.kind, one.level) == (kind, level)] for level in range(1, RUNGS)]
        means += [recipe.clean_score, *(float(np.mean(level)) for level in levels)]
    distributions = np.stack([distribution(mean, max(recipe.least_deviation, 0.5)) for mean in means])
    names = [f"ladder {index // RUNGS}, rung {index % RUNGS}" for index in range(len(crops))]
    falling = np.arange(len(crops)).reshape(-1, RUNGS)[np.isin(chosen, LADDERS)]
    return ScoredPictures(names, distributions, np.array(means) + 1, crops.__getitem__, ladders=falling)
