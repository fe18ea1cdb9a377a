"""Phase 1: train a network to be faithful, by the L1 distance at a scale drawn each step (paper, section 4.1)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourpass import models, weights
from fourpass.data.div2k import training_images
from fourpass.data.patches import PatchBatch, Patches
from fourpass.data.training_images import find_images, load_pictures
from fourpass.data.wear import cut_worn
from fourpass.errors import WeightsError
from fourpass.models.eusr import EUSR, start_as_glorot
from fourpass.training import checkpoint, distributed
from fourpass.training.loop import Tools
from fourpass.training.optimizers import build_optimizer
from fourpass.training.precision import pick_device, place
from fourpass.training.recipes import EusrRecipe, PretrainRecipe, SwiftRecipe
from fourpass.training.teacher import teach
from fourpass.training.validation import ValidationSet

RECIPES = {kind.architecture: kind for kind in (EusrRecipe, SwiftRecipe)}


@dataclass
class Pretraining:
    """The phase as `fourpass.training.loop` takes it."""

    recipe: PretrainRecipe
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    metadata: weights.Metadata
    patches: Patches
    validation: ValidationSet | None
    forward: Callable[[Tensor, int], Tensor]  # the network, compiled or not
    main: str

    def batch(self, step: int, seed: Sequence[int]) -> PatchBatch:
        """Cut this process's patches, degraded if the recipe asks for it."""
        recipe = self.recipe
        return cut_worn(self.patches, recipe.wear, seed, recipe.batch, first=distributed.rank() * recipe.batch)

    def step(self, batch: PatchBatch, tools: Tools) -> dict[str, Tensor]:
        """Upscale, compare, update."""
        low = torch.from_numpy(batch.seen).to(tools.device).float()
        high = torch.from_numpy(batch.high).to(tools.device).float()
        with tools.autocast():
            upscaled = self.forward(low.contiguous(memory_format=torch.channels_last), batch.scale)
            loss = torch.nn.functional.l1_loss(upscaled.float(), high)
        tools.update(self.main, loss)
        return {"loss": loss.detach(), f"loss_x{batch.scale}": loss.detach()}

    def validate(self) -> dict[str, float]:
        """PSNR-Y of each scale."""
        return self.validation.scores(self.networks[self.main]) if self.validation else {}

    def samples(self) -> dict[str, NDArray[np.uint8]]:
        """The first validation pictures, upscaled by the largest scale."""
        return self.validation.samples(self.networks[self.main]) if self.validation else {}


def prepare(
    recipe: PretrainRecipe,
    data: Sequence[Path],
    *,
    validation: Path | None = None,
    cache: Path | None = None,
    device: str = "auto",
    report: Callable[[str], None] = print,
) -> Pretraining:
    """Gather what the phase needs.

    Args:
        recipe: its settings.
        data: folder trees of pictures, or DIV2K.
        validation: folder of pictures to validate on; None trains blindly.
        cache: folder of decoded pictures, see `fourpass.data.training_images.load_pictures`.
        device: ``auto``, ``cpu`` or ``cuda``.
        report: takes lines about pictures left out.

    Raises:
        DatasetError: no usable picture.
        WeightsError: the start weights are missing or of another architecture.
    """
    files = [file for folder in data for file in training_images(folder)]
    checked = ValidationSet(find_images(validation), recipe.scales) if validation else None
    pictures = load_pictures(files, recipe.scales, cache=cache, report=report)
    pictures = teach(pictures, recipe.teacher, recipe.scales, cache=cache, report=report)
    patches = Patches(
        pictures,
        recipe.scales,
        recipe.odds,
        recipe.patches,
        recipe.candidates,
        report,
        recipe.draw,
        recipe.teacher_share,
    )
    names = ", ".join(sorted({folder.resolve().name for folder in data}))
    metadata = weights.Metadata(
        architecture=recipe.architecture,
        numbers=recipe.numbers,
        lineage=f"{recipe.architecture}-{secrets.token_hex(4)}",
        data=f"{len(pictures)} pictures: {names}",
        steps=0,
        licence="Apache-2.0",
    )
    torch.manual_seed(recipe.seed)
    network = models.BUILDERS[recipe.architecture](**recipe.numbers)
    if isinstance(network, EUSR) and isinstance(recipe, EusrRecipe) and recipe.glorot:
        start_as_glorot(network)
    if recipe.init:
        metadata = start_from(network, recipe.init, metadata)
    place(network, pick_device(device))
    optimizer = build_optimizer(recipe.optimizer, network.parameters(), recipe.learning_rate)
    forward = torch.compile(network, dynamic=False) if recipe.compile else network
    main = recipe.architecture
    return Pretraining(recipe, {main: network}, {main: optimizer}, metadata, patches, checked, forward, main)


def start_from(network: nn.Module, name: str, metadata: weights.Metadata) -> weights.Metadata:
    """Load start weights into a network; return `metadata` with their lineage, and their steps and data counted in.

    Raises:
        WeightsError: missing, damaged, or of another architecture or other numbers.
    """
    start = weights.load(name)
    if start.metadata.architecture != metadata.architecture:
        raise WeightsError(
            (f"weights of {start.metadata.architecture}, but this phase trains {metadata.architecture}"), subject=name
        )
    theirs, ours = checkpoint.plain(start.metadata.numbers), checkpoint.plain(metadata.numbers)
    for key in sorted(theirs.keys() | ours.keys()):
        if theirs.get(key) != ours.get(key):
            raise WeightsError(
                f"weights with {key} {theirs.get(key)}, but the recipe has {ours.get(key)}",
                subject=name,
                hint="change one of them",
            )
    models.load_strictly(network, start)
    data = metadata.data if start.metadata.data in metadata.data else f"{start.metadata.data}; {metadata.data}"
    return weights.Metadata(
        architecture=metadata.architecture,
        numbers=metadata.numbers,
        lineage=start.metadata.lineage,
        data=data,
        steps=start.metadata.steps,
        licence=start.metadata.licence,
    )
