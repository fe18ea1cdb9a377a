"""Train the methods that the paper compares with, through the one loop: a network, its losses, and a discriminator."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourpass import weights
from fourpass.data.div2k import training_images
from fourpass.data.grain import add_grain
from fourpass.data.patches import PatchBatch, Patches
from fourpass.data.training_images import find_images, load_pictures
from fourpass.errors import ConfigError
from fourpass.losses import perceptual, reconstruction
from fourpass.losses.contextual import contextual_loss
from fourpass.losses.published import METHODS
from fourpass.losses.vgg import feature_distance
from fourpass.models import BUILDERS
from fourpass.models.srgan_discriminator import SRGANDiscriminator
from fourpass.models.vgg import VGG, layer_names
from fourpass.training import distributed
from fourpass.training.adversary import Adversary
from fourpass.training.baseline_recipes import RECIPES as RECIPES
from fourpass.training.baseline_recipes import BaselineRecipe
from fourpass.training.loop import Tools
from fourpass.training.optimizers import build_optimizer
from fourpass.training.precision import pick_device, place
from fourpass.training.pretrain import start_from
from fourpass.training.pretrained_vgg import URL, load_vgg
from fourpass.training.validation import ValidationSet

# pixel_kind -> (truth, upscaled) -> loss
PIXEL_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": perceptual.reconstruction,
    "mse": reconstruction.mean_squared_error,
    "low-frequency": reconstruction.low_frequency_error,
}


@dataclass(frozen=True)
class BaselineBatch(PatchBatch):
    """Patches of one step.

    Attributes:
        generator_waits: whether only the discriminator learns.
        seed: what the step draws from.
    """

    generator_waits: bool = False
    seed: tuple[int, ...] = ()


@dataclass
class Baseline:
    """The phase as `fourpass.training.loop` takes it."""

    recipe: BaselineRecipe
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    metadata: weights.Metadata
    patches: Patches
    validation: ValidationSet | None
    vgg: VGG | None
    layers: Mapping[str, str]
    main: str = "generator"

    def batch(self, step: int, seed: Sequence[int]) -> BaselineBatch:
        """Cut this process's patches."""
        recipe, first = self.recipe, distributed.rank() * self.recipe.batch
        cut = self.patches.batch(seed, recipe.batch, first=first)
        if recipe.grain:
            for slot in range(recipe.batch):
                rng = np.random.default_rng([*seed, 0, first + slot])
                level = rng.uniform(0, 2 * recipe.grain)
                cut.low[slot], cut.high[slot] = add_grain(cut.low[slot], cut.high[slot], level, rng)
        waits = bool(recipe.adversarial) and step < recipe.discriminator_warm_up
        return BaselineBatch(cut.low, cut.high, cut.scale, generator_waits=waits, seed=tuple(seed))

    def step(self, batch: BaselineBatch, tools: Tools) -> dict[str, Tensor]:
        """Upscale, teach the discriminator where there is one, then the generator."""
        low, truth = (_to_tensor(array, tools.device) for array in (batch.low, batch.high))
        with torch.set_grad_enabled(not batch.generator_waits):
            with tools.autocast():
                upscaled = self.networks[self.main](low, batch.scale)
            upscaled = upscaled.float()
            values: dict[str, Tensor] = {}
            asked = Asked(self, truth, upscaled, batch.scale, tools)
            if "discriminator" in self.networks:
                adversary = Adversary(self.recipe, self.networks["discriminator"], tools)
                values = adversary.teach(truth, [upscaled], batch.seed)
                asked = replace(asked, judge=adversary.judge_beside(truth))
            terms = {name: term(asked) for name, term in TERMS.items() if getattr(self.recipe, name)}
            loss = torch.stack([getattr(self.recipe, name) * term for name, term in terms.items()]).sum()
        if not batch.generator_waits:
            tools.update(self.main, loss)
        return {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}, **values}

    def validate(self) -> dict[str, float]:
        """PSNR-Y of each scale. Adversarial training lowers it: there, the last weights are the result."""
        return self.validation.scores(self.networks[self.main]) if self.validation else {}

    def samples(self) -> dict[str, NDArray[np.uint8]]:
        """The first validation pictures, upscaled by the largest scale."""
        return self.validation.samples(self.networks[self.main]) if self.validation else {}


@dataclass(frozen=True)
class Asked:
    """What a term may ask: one step's pictures (N, 3, H, W) on 0..255, and the networks that judge them."""

    phase: Baseline
    truth: Tensor
    upscaled: Tensor
    scale: int
    tools: Tools
    judge: perceptual.Judge | None = None


def _pixel(asked: Asked) -> Tensor:
    return PIXEL_LOSSES[asked.phase.recipe.pixel_kind](asked.truth, asked.upscaled)


def _adversarial(asked: Asked) -> Tensor:
    assert asked.judge is not None
    return perceptual.adversarial(asked.judge(asked.upscaled))


def _feature(asked: Asked) -> Tensor:
    recipe, phase = asked.phase.recipe, asked.phase
    assert phase.vgg is not None
    with asked.tools.autocast():
        return feature_distance(
            phase.vgg,
            asked.truth,
            asked.upscaled,
            phase.layers[recipe.feature_layer],
            scale=recipe.feature_scale,
            activated=recipe.activated,
        )


def _contextual(asked: Asked) -> Tensor:
    phase = asked.phase
    assert phase.vgg is not None
    layer = phase.layers[phase.recipe.contextual_layer]
    with asked.tools.autocast():
        with torch.no_grad():
            wanted = phase.vgg(asked.truth, layer)
        return contextual_loss(wanted, phase.vgg(asked.upscaled, layer))


def _grid(asked: Asked) -> Tensor:
    return reconstruction.grid_error(asked.truth, asked.upscaled, period=asked.scale)


# key of the recipe, which is the term's weight -> the term
TERMS: Mapping[str, Callable[[Asked], Tensor]] = {
    "pixel": _pixel,
    "adversarial": _adversarial,
    "feature": _feature,
    "contextual": _contextual,
    "grid": _grid,
}


def prepare(
    recipe: BaselineRecipe,
    data: Sequence[Path],
    *,
    validation: Path | None = None,
    cache: Path | None = None,
    device: str = "auto",
    report: Callable[[str], None] = print,
) -> Baseline:
    """Gather what the phase needs; arguments as `fourpass.training.pretrain.prepare` takes them.

    Raises:
        ConfigError: the method starts from another's weights, and none are named; or numbers that build no network.
        DatasetError: no usable picture.
        WeightsError: the start weights or the VGG are missing, damaged or of another architecture.
    """
    method = METHODS[recipe.method]
    if method.start and not recipe.init:
        raise ConfigError(
            f"{recipe.method} starts from weights of {method.start}, but none are given",
            hint="train that first, and give its last.safetensors",
            key="init",
        )
    target = pick_device(device)
    torch.manual_seed(recipe.seed)
    numbers = {key: getattr(recipe, key) for key in method.numbers}
    try:
        network = BUILDERS[method.architecture](**numbers)
        patch = recipe.scales[0] * recipe.patches[0]
        judge = (
            SRGANDiscriminator(patch, recipe.discriminator_features, recipe.discriminator_hidden)
            if recipe.adversarial
            else None
        )
    except ValueError as error:
        raise ConfigError(str(error), subject="recipe") from None
    vgg, layers, note = _features(recipe, report)
    if recipe.pixel and recipe.pixel_kind == "low-frequency" and patch < 21:
        raise ConfigError(
            (f"patches of {patch} pixels are smaller than the 21x21 blur of pixel_kind low-frequency"), subject="recipe"
        )

    files = [file for folder in data for file in training_images(folder)]
    checked = ValidationSet(find_images(validation), recipe.scales) if validation else None
    pictures = load_pictures(files, recipe.scales, cache=cache, report=report)
    patches = Patches(pictures, recipe.scales, recipe.odds, recipe.patches, recipe.candidates, report, recipe.draw)
    names = ", ".join(sorted({folder.resolve().name for folder in data}))
    metadata = weights.Metadata(
        architecture=method.architecture,
        numbers={key: list(value) if isinstance(value, tuple) else value for key, value in numbers.items()},
        lineage=f"{method.architecture}-{secrets.token_hex(4)}",
        data=f"{len(pictures)} pictures: {names}",
        steps=0,
        licence="Apache-2.0",
    )
    if recipe.init:
        metadata = start_from(network, recipe.init, metadata)
    metadata = replace(metadata, note=f"{method.title}{_origin(recipe)}{note}")
    networks: dict[str, nn.Module] = {"generator": network}
    rates = {"generator": recipe.learning_rate}
    if judge is not None:
        networks["discriminator"] = judge
        rates["discriminator"] = recipe.discriminator_learning_rate
    networks = {name: place(each, target) for name, each in networks.items()}
    optimizers = {
        name: build_optimizer(
            recipe.optimizer if name == "generator" else "adam", networks[name].parameters(), rate, beta=recipe.momentum
        )
        for name, rate in rates.items()
    }
    if vgg is not None:
        place(vgg, target)
    return Baseline(recipe, networks, optimizers, metadata, patches, checked, vgg, layers)


def _origin(recipe: BaselineRecipe) -> str:
    """Say which method's weights a run starts from, where its paper has it start from others or from none."""
    method = METHODS[recipe.method]
    usual = {method.title, METHODS[method.start].title if method.start else ""}
    start = weights.load(recipe.init).metadata.note.split(";")[0] if recipe.init else ""
    return "" if not start or start in usual else f"; started from {start}"


def _to_tensor(array: NDArray[np.uint8], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device).float().contiguous(memory_format=torch.channels_last)


def _features(recipe: BaselineRecipe, report: Callable[[str], None]) -> tuple[VGG | None, dict[str, str], str]:
    """The VGG that the losses ask, which of its layers stand for VGG19's, and a note of that for the weights.

    A VGG16 has three convolutions where VGG19 has four: there, the last of the same block stands in.
    """
    wanted = [recipe.feature_layer] if recipe.feature else []
    wanted += [recipe.contextual_layer] if recipe.contextual else []
    if not wanted:
        return None, {}, ""
    vgg = load_vgg(recipe.vgg, report=report)
    layers = {}
    for layer in wanted:
        block = [name for name in vgg.layers if name[:5] == layer[:5]]
        if layer not in layer_names(19) or not block:
            raise ConfigError(f"layer {layer!r} is not one of VGG19's: {', '.join(layer_names(19))}", subject="recipe")
        layers[layer] = layer if layer in block else block[-1]
    source = Path(recipe.vgg or URL).stem
    note = f"features: {source}, " + ", ".join(new if new == old else f"{new} for {old}" for old, new in layers.items())
    report(f"{recipe.method}: {note}")
    return vgg, layers, f"; {note}"
