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
from fourpass.data.patches import PatchBatch, Patches
from fourpass.data.pictures import find_images, load_pictures
from fourpass.errors import ConfigError
from fourpass.losses import fourpass, reconstruction
from fourpass.losses.contextual import contextual_loss
from fourpass.losses.vgg import feature_distance
from fourpass.methods import METHODS
from fourpass.models import BUILDERS
from fourpass.models.srgan_discriminator import SRGANDiscriminator
from fourpass.models.vgg import VGG, layer_names
from fourpass.training import distributed
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
    "l1": fourpass.reconstruction,
    "mse": reconstruction.mean_squared_error,
    "low-frequency": reconstruction.low_frequency_error,
}


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

    def batch(self, step: int, seed: Sequence[int]) -> PatchBatch:
        """Cut this process's patches."""
        return self.patches.batch(seed, self.recipe.batch, first=distributed.rank() * self.recipe.batch)

    def step(self, batch: PatchBatch, tools: Tools) -> dict[str, Tensor]:
        """Upscale, teach the discriminator where there is one, then the generator."""
        low, truth = (_to_tensor(array, tools.device) for array in (batch.low, batch.high))
        with tools.autocast():
            upscaled = self.networks[self.main](low, batch.scale)
        upscaled = upscaled.float()
        values: dict[str, Tensor] = {}
        if "discriminator" in self.networks:
            logits = self._judge(truth, tools), self._judge(upscaled.detach(), tools)
            discrimination = fourpass.discrimination(logits[0], [logits[1]])
            tools.update("discriminator", discrimination)
            values["discrimination"] = discrimination.detach()
        terms = self._terms(truth, upscaled, tools)
        loss = torch.stack([getattr(self.recipe, name) * term for name, term in terms.items()]).sum()
        tools.update(self.main, loss)
        return {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}, **values}

    def _terms(self, truth: Tensor, upscaled: Tensor, tools: Tools) -> dict[str, Tensor]:
        """The generator's terms whose weight is not 0, by the names of their weights."""
        recipe = self.recipe
        terms: dict[str, Tensor] = {}
        if recipe.pixel:
            terms["pixel"] = PIXEL_LOSSES[recipe.pixel_kind](truth, upscaled)
        if recipe.adversarial:
            terms["adversarial"] = fourpass.adversarial(self._judge(upscaled, tools))
        if self.vgg is not None:
            with tools.autocast():
                if recipe.feature:
                    terms["feature"] = feature_distance(
                        self.vgg,
                        truth,
                        upscaled,
                        self.layers[recipe.feature_layer],
                        scale=recipe.feature_scale,
                        activated=recipe.activated,
                    )
                if recipe.contextual:
                    layer = self.layers[recipe.contextual_layer]
                    with torch.no_grad():
                        wanted = self.vgg(truth, layer)
                    terms["contextual"] = contextual_loss(wanted, self.vgg(upscaled, layer))
        return terms

    def _judge(self, image: Tensor, tools: Tools) -> Tensor:
        with tools.autocast():
            logits: Tensor = self.networks["discriminator"](image)
        return logits.float()

    def validate(self) -> dict[str, float]:
        """PSNR-Y of each scale. Adversarial training lowers it: there, the last weights are the result."""
        return self.validation.scores(self.networks[self.main]) if self.validation else {}

    def samples(self) -> dict[str, NDArray[np.uint8]]:
        """The first validation pictures, upscaled by the largest scale."""
        return self.validation.samples(self.networks[self.main]) if self.validation else {}


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
            f"{recipe.method} starts from weights of {method.start}: train that first, and give its last.safetensors "
            "with --init"
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
        raise ConfigError(f"recipe: {error}") from None
    vgg, layers, note = _features(recipe, report)
    if recipe.pixel and recipe.pixel_kind == "low-frequency" and patch < 21:
        raise ConfigError(
            f"recipe: patches of {patch} pixels are smaller than the 21x21 blur of pixel_kind low-frequency"
        )

    files = [file for folder in data for file in training_images(folder)]
    checked = ValidationSet(find_images(validation), recipe.scales) if validation else None
    pictures = load_pictures(files, recipe.scales, cache=cache, report=report)
    patches = Patches(pictures, recipe.scales, recipe.odds, recipe.patches, recipe.candidates, report)
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
    metadata = replace(metadata, note=f"{method.title}{note}")
    networks: dict[str, nn.Module] = {"generator": network}
    rates = {"generator": recipe.learning_rate}
    if judge is not None:
        networks["discriminator"] = judge
        rates["discriminator"] = recipe.discriminator_learning_rate
    networks = {name: place(each, target) for name, each in networks.items()}
    optimizers = {
        name: build_optimizer(recipe.optimizer if name == "generator" else "adam", networks[name].parameters(), rate)
        for name, rate in rates.items()
    }
    if vgg is not None:
        place(vgg, target)
    return Baseline(recipe, networks, optimizers, metadata, patches, checked, vgg, layers)


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
            raise ConfigError(f"recipe: layer {layer!r} is not one of VGG19's: {', '.join(layer_names(19))}")
        layers[layer] = layer if layer in block else block[-1]
    source = Path(recipe.vgg or URL).stem
    note = f"features: {source}, " + ", ".join(new if new == old else f"{new} for {old}" for old, new in layers.items())
    report(f"{recipe.method}: {note}")
    return vgg, layers, f"; {note}"
