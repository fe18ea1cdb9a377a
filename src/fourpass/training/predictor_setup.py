"""What a score predictor's training starts from: network, start weights, optimizers, features; and loading one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from fourpass import models, weights
from fourpass.conversion.predictor_files import read_trunk
from fourpass.data.scored import ScoredPictures
from fourpass.errors import ConfigError, WeightsError
from fourpass.models.nima import NIMA
from fourpass.training import distributed
from fourpass.training.precision import pick_device, place
from fourpass.training.predictor_recipes import PredictorRecipe
from fourpass.training.predictors import BATCH, PredictorTraining, to_tensor
from fourpass.training.pretrain import start_from

KINDS = ("aesthetic", "subjective")


def assemble(
    kind: str,
    recipe: PredictorRecipe,
    training: ScoredPictures,
    validation: ScoredPictures,
    *,
    data: str,
    device: str,
    report: Callable[[str], None],
) -> PredictorTraining:
    """Build the network, its start weights and its optimizers around the data.

    Args:
        kind: ``aesthetic`` or ``subjective``.
        recipe: its settings.
        training, validation: the data.
        data: what that is, in words, for the weights' metadata.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes lines about pictures left out.

    Raises:
        ConfigError: the recipe wants ladders ranked, and the data have none.
        WeightsError: the start weights are missing, damaged or of another kind.
    """
    if recipe.ranked_ladders and not len(training.ladders):
        raise ConfigError(
            (
                f"ranked_ladders is {recipe.ranked_ladders}, but the training pictures hold no ladder "
                "of blur, noise or JPEG"
            ),
            subject="recipe",
            hint="set ladders to a few dozen at least",
        )
    torch.manual_seed(recipe.seed)
    network = NIMA(recipe.width, recipe.dropout)
    metadata = weights.Metadata(
        architecture="nima",
        numbers={"width": recipe.width},
        lineage=f"{kind}-{secrets.token_hex(4)}",
        data=data,
        steps=0,
        licence="Apache-2.0",
    )
    if recipe.init:
        load_predictor(recipe.init, kind)
        metadata = start_from(network, recipe.init, metadata)
    else:
        trunk = read_trunk(recipe.trunk)
        dense = {f"dense.{name}": value.detach().numpy() for name, value in network.dense.state_dict().items()}
        models.load_strictly(network, weights.Weights({**trunk, **dense}, metadata, recipe.trunk))
    place(network, pick_device(device))
    network.trunk.features[: recipe.frozen_layers].requires_grad_(False)
    count = len(training) / distributed.world()
    head_steps = 0 if recipe.init else round(recipe.head_epochs * count / recipe.head_batch)
    steps = max(1, head_steps + round(recipe.epochs * count / recipe.batch))
    phase = PredictorTraining(
        kind=kind,
        recipe=replace(recipe, steps=min(steps, recipe.steps)),
        networks={"nima": network},
        optimizers={
            "all": torch.optim.Adam(
                [one for one in network.parameters() if one.requires_grad], recipe.learning_rate, (0.9, 0.999), 1e-7
            ),
            "head": torch.optim.Adam(network.dense.parameters(), recipe.head_learning_rate, (0.9, 0.999), 1e-7),
        },
        metadata=metadata,
        training=training,
        validation=validation,
        head_steps=head_steps,
        report=report,
    )
    if head_steps and recipe.head_crops:
        report(f"computing the features of {recipe.head_crops} crops of each of {len(training)} pictures")
        phase.known = _features(phase)
    return phase


def _features(phase: PredictorTraining) -> NDArray[np.float32]:
    """Features (crops of a picture, pictures, 1280) by the untrained trunk, of crops drawn once."""
    known = np.empty((phase.recipe.head_crops, len(phase.training), phase.network.trunk.channels), np.float32)
    device = next(phase.network.parameters()).device
    network = phase.network.eval()
    for drawn in range(len(known)):
        for start in range(0, len(phase.training), BATCH):
            indices = range(start, min(start + BATCH, len(phase.training)))
            random = np.random.default_rng([phase.recipe.seed, drawn, start, 2])
            crops, _ = phase.training.batch(indices, random)
            with torch.no_grad():
                known[drawn, start : indices.stop] = network.features(to_tensor(crops, device)).float().cpu().numpy()
    network.train()
    return known


def load_predictor(name: str, kind: str) -> NIMA:
    """Load a score predictor, in evaluation mode, its weights frozen.

    Args:
        name: a packaged name or a file.
        kind: what it must predict: ``aesthetic`` or ``subjective``.

    Raises:
        WeightsError: missing, damaged, of another architecture, or a predictor of the other kind.
    """
    stored = weights.load(name)
    metadata = stored.metadata
    if metadata.architecture != "nima":
        raise WeightsError(f"weights of {metadata.architecture}, not of a score predictor (nima)", subject=name)
    found = metadata.lineage.split("-")[0]
    if found in KINDS and found != kind:
        raise WeightsError(f"predicts {found} scores, but a predictor of {kind} scores is needed", subject=name)
    network = models.build(stored)
    assert isinstance(network, NIMA)
    return network.eval().requires_grad_(False)
