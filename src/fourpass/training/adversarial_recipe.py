"""Settings of training against a discriminator, shared by the perceptual phase and the compared methods."""

from __future__ import annotations

from dataclasses import dataclass

from fourpass.data.patches import DRAWS
from fourpass.errors import ConfigError
from fourpass.training.recipes import OPTIMIZERS, Recipe, check_choice


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(Recipe):
    """Settings of both optimizers, and aids that no paper here has: 0 or off by default.

    Attributes:
        optimizer: of the network: ``adam`` (the papers) or ``muon``; the discriminator always has Adam.
        discriminator_learning_rate: peak; `learning_rate` is the generator's.
        draw: how a patch gets its picture: ``area``, larger ones more often; ``picture``, all alike (the authors'
            program).
        momentum: Adam's beta 1, of both optimizers (of Muon for what Adam moves); below 0.9 the two chase
            each other less.
        discriminator_warm_up: steps at the start in which the discriminator learns alone.
        rest_above: the discriminator does not learn from a step in which it is right in more than this share of cases,
            so that the generator keeps in sight; 0 for always.
        relativistic: the discriminator says which of truth and upscaled is which, place by place, instead of judging
            each by itself, see `fourpass.losses.relativistic`. It then need not learn which content is hard to tell,
            and is right in 9 of 10 cases after 50 steps.
        weight_steadiness: of `fourpass.losses.relativistic.unsteadiness` in the discriminator's loss; 0 leaves it out.
        grain: mean deviation, in grey levels, of grain laid over the patches, each patch's drawn between 0 and twice
            that, see `fourpass.data.grain`.
    """

    optimizer: str = "adam"
    discriminator_learning_rate: float = 1e-4
    draw: str = "area"
    momentum: float = 0.9
    discriminator_warm_up: int = 0
    rest_above: float = 0.0
    relativistic: bool = False
    weight_steadiness: float = 0.0
    grain: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("draw", self.draw, DRAWS)
        if self.momentum >= 1:
            raise ConfigError(f"momentum {self.momentum} is not below 1", subject="recipe")
