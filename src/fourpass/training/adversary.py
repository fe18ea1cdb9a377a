"""The discriminator's part of a step: its output, its update, and the generator's loss from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fourpass.losses import perceptual as losses
from fourpass.losses.relativistic import relative_discrimination, relative_to, unsteadiness
from fourpass.models.discriminator import Discriminator, accuracy, relative_accuracy
from fourpass.training import distributed
from fourpass.training.adversarial_recipe import AdversarialRecipe
from fourpass.training.phase import Tools

NAME = "discriminator"


@dataclass(frozen=True)
class Adversary:
    """A discriminator within one step.

    Attributes:
        recipe: its settings.
        network: picture on 0..255 -> logits, higher for real.
        tools: of the step.
    """

    recipe: AdversarialRecipe
    network: nn.Module
    tools: Tools

    def judge(self, image: Tensor) -> Tensor:
        """Return the logits of pictures (N, 3, H, W), in the recipe's precision, as float32."""
        with self.tools.autocast():
            logits: Tensor = self.network(image)
        return logits.float()

    def judge_beside(self, truth: Tensor) -> losses.Judge:
        """Return what the generator's loss asks: the logits, or how much higher than the truth's they are."""
        return relative_to(self.judge, truth) if self.recipe.relativistic else self.judge

    def teach(self, truth: Tensor, upscaled: Sequence[Tensor], seed: Sequence[int]) -> dict[str, Tensor]:
        """Update the discriminator, unless it is right too often; return its losses and its accuracy.

        Args:
            truth: (N, 3, H, W) on 0..255.
            upscaled: batches of truth's shape; no gradient flows back to them.
            seed: what the noise of `weight_steadiness` is drawn from.
        """
        recipe, values, shown = self.recipe, {}, [truth, *(one.detach() for one in upscaled)]
        with torch.enable_grad():
            truth_logits, *logits = (self.judge(one) for one in shown)
            discrimination = relative_discrimination if recipe.relativistic else losses.discrimination
            loss = values["discrimination"] = discrimination(truth_logits, logits)
            if recipe.weight_steadiness:
                unit = self.network.unit if isinstance(self.network, Discriminator) else None
                values["unsteadiness"] = unsteadiness(self.judge, shown, [truth_logits, *logits], [*seed, 4], unit)
                loss = loss + recipe.weight_steadiness * values["unsteadiness"]
        share = (relative_accuracy if recipe.relativistic else accuracy)(
            truth_logits.detach(), torch.cat(logits).detach()
        )
        # Of all processes, which must agree: an update waits for every one of them.
        if not 0 < recipe.rest_above < float(distributed.mean(torch.tensor(share))):
            self.tools.update(NAME, loss)
        return {name: value.detach() for name, value in values.items()} | {"accuracy": torch.tensor(share)}
