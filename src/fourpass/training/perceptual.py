"""Phase 3: fine-tune EUSR against a discriminator and two score predictors (4PP-EUSR paper, sections 3.2 to 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourpass import models, weights
from fourpass.data.div2k import training_images
from fourpass.data.grain import add_grain
from fourpass.data.patches import Patches
from fourpass.data.training_images import TrainingImage, find_images, load_pictures
from fourpass.data.wear import MARGIN, lay
from fourpass.errors import ConfigError, WeightsError
from fourpass.losses import terms as table
from fourpass.losses.perceptual import Predictor
from fourpass.losses.scene_statistics import StatisticsBias, scene_statistics
from fourpass.models.discriminator import Discriminator
from fourpass.models.multipass import multipass
from fourpass.models.nima import NIMA, mean_score
from fourpass.paths import PATHS, SCALE
from fourpass.training import distributed
from fourpass.training.adversary import Adversary
from fourpass.training.guards import Guards
from fourpass.training.loop import Tools
from fourpass.training.optimizers import build_optimizer
from fourpass.training.perceptual_recipe import PerceptualRecipe
from fourpass.training.perceptual_validation import PerceptualValidation
from fourpass.training.precision import pick_device, place
from fourpass.training.predictor_setup import load_predictor

PREDICTORS = ("aesthetic", "subjective")
STATISTICS_PATCHES = 480


RECIPE = PerceptualRecipe


@dataclass(frozen=True)
class PerceptualBatch:
    """Patches of one step.

    Attributes:
        low: (N, 3, patch, patch) uint8, worn where the recipe says so.
        truth: (N, 3, 4 * patch, 4 * patch) uint8.
        paths: which of `fourpass.models.multipass.PATHS` the step takes.
        generator_waits: whether only the discriminator learns.
        seed: what the step draws from.
    """

    low: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    paths: tuple[str, ...]
    generator_waits: bool
    seed: tuple[int, ...]


@dataclass
class PerceptualTraining:
    """The phase as `fourpass.training.loop` takes it."""

    recipe: PerceptualRecipe
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    metadata: weights.Metadata
    sources: Mapping[tuple[str, int], Patches]
    predictors: Mapping[str, nn.Module]
    validation: PerceptualValidation | None
    guards: Guards
    main: str = "generator"

    def batch(self, step: int, seed: Sequence[int]) -> PerceptualBatch:
        """Cut this process's patches, each from whole or reduced pictures, and draw the step's paths."""
        recipe, (side, count) = self.recipe, self.recipe.patch_at(step)
        first, cuts = distributed.rank() * count, []
        for number in range(first, first + count):
            rng = np.random.default_rng([*seed, 0, number])
            source = "reduced" if rng.random() < recipe.reduced_share else "whole"
            cut = self.sources[source, side].batch(seed, 1, first=number, margin=MARGIN if recipe.wear else 0)
            if rng.random() < recipe.flat_share:
                colour = rng.integers(0, 256, (1, 3, 1, 1), np.uint8)
                cut.low[:], cut.high[:] = colour, colour
            elif recipe.grain:
                level = rng.uniform(0, 2 * recipe.grain)
                cut.low[0], cut.high[0] = add_grain(cut.low[0], cut.high[0], level, rng)
            cuts.append(lay(cut, recipe.wear, seed, first=number) if recipe.wear else cut)
        odds = np.asarray(recipe.path_odds) / sum(recipe.path_odds)
        drawn = np.random.default_rng([*seed, 0]).choice(len(PATHS), recipe.paths_per_step, replace=False, p=odds)
        return PerceptualBatch(
            np.concatenate([cut.seen for cut in cuts]),
            np.concatenate([cut.high for cut in cuts]),
            tuple(list(PATHS)[index] for index in sorted(drawn)),
            bool(recipe.loss_weights["adversarial"]) and step < recipe.discriminator_warm_up,
            tuple(seed),
        )

    def step(self, batch: PerceptualBatch, tools: Tools) -> dict[str, Tensor]:
        """Upscale along the paths, teach the discriminator, then the generator (section 4.3)."""
        recipe, generator = self.recipe, self.networks[self.main]
        low, truth = (_to_tensor(array, tools.device) for array in (batch.low, batch.truth))
        values: dict[str, Tensor] = {}
        with torch.set_grad_enabled(not batch.generator_waits):
            with tools.autocast():
                passes = multipass(generator, low, paths=batch.paths, downscale=recipe.downscale)
            upscaled = [one.float() for one in passes.values()]
            values["drift"] = torch.stack([colour_drift(one.detach(), low) for one in upscaled]).mean()
            if recipe.jitter:
                truth, *upscaled = _cut_together([truth, *upscaled], recipe.jitter, batch.seed)

            networks = self.asked(tools)
            if "discriminator" in self.networks:
                adversary = Adversary(recipe, self.networks["discriminator"], tools)
                values |= adversary.teach(truth, upscaled, batch.seed)
                networks["discriminator"] = adversary.judge_beside(truth)
            terms = table.generator_terms(truth, upscaled, recipe.loss_weights, networks, self.settings)
            loss = table.weighted_sum(terms, recipe.loss_weights)
        if not batch.generator_waits:
            tools.update("generator", loss)
            self.guards.watch(values)
        return {name: value.detach() for name, value in ({"loss": loss} | terms | values).items()}

    @property
    def settings(self) -> table.TermSettings:
        """The settings of the terms besides their weights."""
        alphas = {"aesthetic": self.recipe.alpha_aesthetic, "subjective": self.recipe.alpha_subjective}
        return table.TermSettings(alphas, self.recipe.representation)

    def asked(self, tools: Tools) -> dict[str, Callable[..., Any]]:
        """The networks that the terms ask, the discriminator aside, in the recipe's precision."""
        networks: dict[str, Callable[..., Any]] = {
            name: _predictor(network, tools) for name, network in self.predictors.items()
        }
        if "subjective" in self.predictors:
            networks["subjective maps"] = self._maps(tools)
        if "statistics" in self.networks:
            bias = self.networks["statistics"]
            networks["statistics"] = lambda truth, upscaled: bias(truth, upscaled, distributed.mean)
        return networks

    def _maps(self, tools: Tools) -> Callable[[Tensor], Sequence[Tensor]]:
        network = self.predictors["subjective"]
        assert isinstance(network, NIMA)

        def maps(image: Tensor) -> Sequence[Tensor]:
            with tools.autocast():
                return network.maps(image, self.recipe.map_layers)

        return maps

    def validate(self) -> dict[str, float]:
        """The paper's metrics of the x4 path; the score is minus NIQE, and less where too much PSNR was given up."""
        if not self.validation:
            return {}
        numbers = self.validation.measure(self.networks[self.main])
        excess = self.validation.start["psnr"] - numbers["psnr"] - self.recipe.psnr_drop
        return {"score": -numbers["niqe"] - 10 * max(0.0, excess), **numbers}

    def samples(self) -> dict[str, NDArray[np.uint8]]:
        """Strips: bicubic, start, now, truth."""
        return self.validation.strips(self.networks[self.main]) if self.validation else {}


def colour_drift(upscaled: Tensor, low_resolution: Tensor) -> Tensor:
    """Mean distance between the mean colour of each upscaled patch and its input's, (N, 3, H, W) each, on 0..255."""
    return (upscaled.mean((2, 3)) - low_resolution.mean((2, 3))).abs().mean()


def prepare(
    recipe: PerceptualRecipe,
    data: Sequence[Path],
    *,
    validation: Path | None = None,
    cache: Path | None = None,
    device: str = "auto",
    report: Callable[[str], None] = print,
) -> PerceptualTraining:
    """Gather what the phase needs; arguments as `fourpass.training.pretrain.prepare` takes them.

    Raises:
        DatasetError: no usable picture.
        WeightsError: the start weights or a predictor's are missing or of another architecture.
    """
    start = weights.load(recipe.init)
    if not {2, 4, 8} <= set(start.metadata.numbers.get("scales", ())):
        raise WeightsError(
            f"weights of {start.metadata.architecture} that lack x2, x4 or x8",
            subject=recipe.init,
            hint="this phase starts from eusr, swift, or weights trained further from them",
        )
    target, asked = pick_device(device), table.asked(recipe.loss_weights)
    predictors = {
        name: place(load_predictor(getattr(recipe, name), name), target)
        for name in PREDICTORS
        if any(network.split()[0] == name for network in asked)
    }
    files = [file for folder in data for file in training_images(folder, ("train", "valid"))]
    pictures = load_pictures(files, (2, 4, 8), cache=cache, report=report)
    sources = {}
    for name, chosen in (("whole", pictures), ("reduced", [reduced(picture) for picture in pictures])):
        if name == "whole" or recipe.reduced_share:
            for side in {recipe.patch, recipe.patch_at(recipe.steps)[0]}:
                sources[name, side] = Patches(chosen, (SCALE,), (1.0,), (side,), recipe.candidates, report, recipe.draw)

    torch.manual_seed(recipe.seed)
    generator = place(models.build(start), target)
    freeze(generator, recipe.frozen)
    networks: dict[str, nn.Module] = {"generator": generator}
    rates = {"generator": recipe.learning_rate}
    if "discriminator" in asked:
        judge = Discriminator(
            SCALE * recipe.patch,
            recipe.verdict,
            recipe.discriminator_width,
            layers=recipe.discriminator_layers,
            view=recipe.view,
        )
        networks["discriminator"] = place(judge, target)
        rates["discriminator"] = recipe.discriminator_learning_rate
    if "statistics" in asked:
        networks["statistics"] = place(StatisticsBias(_truth_covariance(sources, recipe)), target)
    optimizers = {
        name: build_optimizer(
            recipe.optimizer if name == "generator" else "adam", networks[name].parameters(), rate, beta=recipe.momentum
        )
        for name, rate in rates.items()
    }
    names = ", ".join(sorted({folder.resolve().name for folder in data}))
    metadata = replace(
        start.metadata,
        data=f"{start.metadata.data}; perceptual phase: {len(pictures)} pictures: {names}",
        note="; ".join(["perceptual", *beside_the_paper(recipe)]),
    )
    checked = PerceptualValidation(find_images(validation), generator) if validation else None
    guards = Guards(recipe.guard_steps, recipe.accuracy_limit, recipe.drift_limit)
    return PerceptualTraining(recipe, networks, optimizers, metadata, sources, predictors, checked, guards)


def beside_the_paper(recipe: PerceptualRecipe) -> list[str]:
    """Describe how a recipe differs from the paper's terms, for the metadata of its weights."""
    terms = [name for name, weight in recipe.loss_weights.items() if weight and name not in table.PAPER]
    found = [f"terms beside the paper's: {', '.join(terms)}"] if terms else []
    if recipe.loss_weights["statistics"]:
        found.append("NIQE is computed from statistics that it was trained with")
    aids = [name for name in ("relativistic", "weight_steadiness", "grain", "jitter") if getattr(recipe, name)]
    return found + ([f"aids: {', '.join(aids)}"] if aids else [])


def freeze(generator: nn.Module, parts: Sequence[str]) -> None:
    """Keep parts of a network as they are.

    Raises:
        ConfigError: the network has no such part.
    """
    known = dict(generator.named_children())
    for part in parts:
        if part not in known:
            raise ConfigError(f"frozen: {part!r} is not one of the network's parts: {', '.join(known)}")
        known[part].requires_grad_(False)


def reduced(picture: TrainingImage) -> TrainingImage:
    """Make of a picture the further pair that the paper trains with: shrunk by 2 as truth, shrunk by 8 as input."""
    low = picture.low[8]
    high = picture.low[2][: SCALE * low.shape[0], : SCALE * low.shape[1]]
    # Every second entry of the summed-area table is the table of cells twice as large, which halving makes ordinary.
    return TrainingImage(picture.source, high, {SCALE: low}, picture.gradient[::2, ::2] / 4)


def _truth_covariance(sources: Mapping[tuple[str, int], Patches], recipe: PerceptualRecipe) -> Tensor:
    """Covariance of the statistics of patches of truth, of all sources alike."""
    found, chosen = [], [patches for (_, side), patches in sources.items() if side == recipe.patch]
    for patches in chosen:
        for number in range(0, STATISTICS_PATCHES // len(chosen), 16):
            high = patches.batch([recipe.seed, 5], 16, first=number).high
            found.append(scene_statistics(torch.from_numpy(high).float()))
    return torch.cov(torch.cat(found).T)


def _cut_together(pictures: Sequence[Tensor], jitter: int, seed: Sequence[int]) -> list[Tensor]:
    """Cut pictures of one size, `jitter` smaller, at one random place."""
    row, column = np.random.default_rng([*seed, 3]).integers(jitter, size=2)
    height, width = (side - jitter for side in pictures[0].shape[-2:])
    return [picture[..., row : row + height, column : column + width] for picture in pictures]


def _to_tensor(array: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device).float().contiguous(memory_format=torch.channels_last)


def _predictor(network: nn.Module, tools: Tools) -> Predictor:
    def predict(image: Tensor) -> tuple[Tensor, Tensor]:
        with tools.autocast():
            probabilities, features = network(image)
        return mean_score(probabilities.float()), features.float()

    return predict
