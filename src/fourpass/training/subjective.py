"""Phase 2, the subjective predictor: from TID2013, or its distortions made again from Kodak pictures (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fourpass.data.pictures import default_cache
from fourpass.data.tid2013 import VALIDATION_REFERENCES, read_tid2013, scored_pictures
from fourpass.data.tid2013_resynth import synthesise
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
        data: one folder: TID2013, or its scores beside a folder ``kodak``, whose pictures are then distorted as
            TID2013's were, into the cache (1.7 GB), once.
        validation: not taken; references 1 to 3 validate, as in the paper.
        cache: folder for the distorted pictures.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes lines on what is done first.

    Raises:
        ConfigError: more than one folder, or a validation folder.
        DatasetError: the folder is not laid out as it must be.
        WeightsError: the start weights are missing or of another kind.
    """
    if len(data) != 1 or validation:
        raise ConfigError("the subjective predictor takes one --data, TID2013, and validates on its references 1 to 3")
    scores, references = data[0], range(1, 26)
    pictures, words = scores, "TID2013, references 4 to 25"
    if (scores / KODAK).is_dir():
        references, words = range(1, 25), "TID2013's scores; its distortions made again from Kodak's pictures 4 to 24"
        pictures = (cache or default_cache().parent) / "tid2013"
        synthesise(scores / KODAK, pictures, references, report)
    pairs = read_tid2013(scores, pictures, references)
    held_out = [pair for pair in pairs if pair[0].reference in VALIDATION_REFERENCES]
    rest = [pair for pair in pairs if pair[0].reference not in VALIDATION_REFERENCES]
    return assemble(
        "subjective",
        recipe,
        scored_pictures(rest, recipe.least_deviation),
        scored_pictures(held_out, recipe.least_deviation),
        data=words,
        device=device,
        report=report,
    )
