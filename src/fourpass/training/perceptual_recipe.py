"""The settings of the perceptual phase; the defaults are the paper's (4PP-EUSR paper, section 4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fourpass.data.wear import Wear
from fourpass.errors import ConfigError
from fourpass.losses.fourpass import REDUCTIONS, LossWeights
from fourpass.models.discriminator import CHANNELS, VERDICTS, VIEWS
from fourpass.multipass import DOWNSCALES, PATHS
from fourpass.training.recipes import OPTIMIZERS, Recipe, check_choice


@dataclass(frozen=True, kw_only=True)
class PerceptualRecipe(Recipe):
    """Settings of the phase; the defaults are the paper's (section 4.3), guards aside, which it does not have.

    Attributes:
        init: EUSR weights to start from: a packaged name or a file.
        optimizer: of the network: ``adam`` (the paper) or ``muon``; the discriminator always has Adam.
        discriminator_learning_rate: peak; `learning_rate` is the generator's.
        momentum: Adam's beta 1, of both optimizers (of Muon for what Adam moves); below 0.9 the two chase
            each other less.
        discriminator_warm_up: steps at the start in which the discriminator learns alone.
        rest_above: the discriminator does not learn from a step in which it is right in more than this share of cases,
            so that the generator keeps in sight; 0 for always.
        verdict, discriminator_width, discriminator_layers, view: see `fourpass.models.discriminator.Discriminator`.
        relativistic: the discriminator says which of truth and upscaled is which, place by place, instead of judging
            each by itself, see `fourpass.losses.relativistic`. It then need not learn which content is hard to tell,
            and is right in 9 of 10 cases after 50 steps.
        weight_steadiness: of `fourpass.losses.relativistic.unsteadiness` in the discriminator's loss; 0 leaves it out.
        frozen: parts of the network that keep their weights (``shared`` say): with all but `upscaling` and `final_conv`
            frozen a step costs a third less, and each scale's path stays independent of the others.
        patch: side of the low-resolution patch; 4 times it is the discriminator's input.
        candidates: places that each patch is chosen from, by gradient; 1 for plain random places.
        flat_share: odds that a patch shows nothing but a colour drawn at random, which teaches the network to keep it.
        grain: mean deviation, in grey levels, of grain laid over the patches (not the flat ones), each patch's drawn
            between 0 and twice that, see `fourpass.data.grain`.
        wear: a table ``[wear]``: what wears the inputs, see `fourpass.data.wear.Wear`; the truth keeps its grain and
            stays clean otherwise. None: nothing.
        reduced_share: odds that a patch comes from the pictures shrunk by 2 (input: shrunk by 8).
        paths_per_step, path_odds: how many of the three paths (x4, x2 twice, x8 halved) a step takes, drawn with these
            odds, as weights; 3 takes all.
        downscale: how the x8 path is halved: ``bicubic`` (the paper's text) or ``decimate`` (the authors' program).
        representation: ``sum`` (the paper) or ``mean`` (the program) of the 1,280 squares.
        weight_reconstruction ... weight_subjective_representation: of the six terms (equation 8); 0 leaves one out.
        weight_grid: of `fourpass.losses.reconstruction.grid_error`, none of the paper's terms; 0 leaves it out.
        weight_maps, map_layers: of `fourpass.losses.reconstruction.maps_error` of these layers of the subjective
            predictor's MobileNetV2 (0..18), none of the paper's terms either: the representation term place by place.
        weight_statistics: of `fourpass.losses.scene_statistics.StatisticsBias`, none of the paper's terms; 0 leaves it
            out.
        jitter: truth and upscaled patches are cut so many pixels smaller, together and at a random place, so that
            networks that halve see the upscaling's cells at every offset; needs ``verdict = "position"``.
        alpha_aesthetic, alpha_subjective: equations 4 and 6.
        aesthetic, subjective: weights of the predictors: packaged names or files.
        guard_steps: steps over which the two guards below average.
        accuracy_limit: the run goes back when the discriminator's mean accuracy is above it; 0 for never.
        drift_limit: the run goes back when the mean colour of upscaled patches differs from their input's by more than
            this, on 0..255; 0 for never.
        psnr_drop: dB of PSNR below the start weights' that validation forgives; what is beyond counts tenfold against
            NIQE in the score that decides which checkpoint is the best.
    """

    steps: int = 200_000
    batch: int = 2
    learning_rate: float = 1e-5
    init: str = "eusr"
    optimizer: str = "adam"
    discriminator_learning_rate: float = 2e-5
    discriminator_warm_up: int = 0
    rest_above: float = 0.0
    momentum: float = 0.9
    verdict: str = "image"
    discriminator_width: float = 1.0
    discriminator_layers: int = 10
    view: str = "pixels"
    relativistic: bool = False
    weight_steadiness: float = 0.0
    frozen: tuple[str, ...] = ()
    patch: int = 48
    candidates: int = 1
    reduced_share: float = 0.5
    flat_share: float = 0.0
    grain: float = 0.0
    wear: Wear | None = field(default=None, metadata={"table": Wear})
    paths_per_step: int = 3
    path_odds: tuple[float, ...] = (1.0, 1.0, 1.0)
    downscale: str = "bicubic"
    representation: str = "sum"
    weight_reconstruction: float = 0.03
    weight_adversarial: float = 0.1
    weight_aesthetic_score: float = 0.01
    weight_aesthetic_representation: float = 0.1
    weight_subjective_score: float = 0.01
    weight_subjective_representation: float = 0.1
    weight_grid: float = 0.0
    weight_maps: float = 0.0
    weight_statistics: float = 0.0
    map_layers: tuple[int, ...] = (1, 3, 6)
    jitter: int = 0
    alpha_aesthetic: float = 0.8
    alpha_subjective: float = 0.8
    aesthetic: str = "aesthetic"
    subjective: str = "subjective"
    collapse: float = 0.0  # an adversarial loss rises for good reasons, so the loop's own guard stays out
    guard_steps: int = 200
    accuracy_limit: float = 0.995
    drift_limit: float = 4.0
    psnr_drop: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        for name, choices in (
            ("verdict", VERDICTS),
            ("view", VIEWS),
            ("downscale", DOWNSCALES),
            ("representation", REDUCTIONS),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(f"recipe: {name} {getattr(self, name)!r} is not one of {', '.join(choices)}")
        if self.patch < 8 or self.patch % 8:
            raise ConfigError(f"recipe: patch {self.patch} is not a positive multiple of 8")
        if self.jitter % 8 or self.jitter > 4 * self.patch - 32 or (self.jitter and self.verdict == "image"):
            raise ConfigError(
                f"recipe: jitter {self.jitter} is not a multiple of 8 that leaves 32 pixels of four times patch "
                f"{self.patch}, with verdict 'position'"
            )
        if not self.map_layers or max(self.map_layers) > 18:
            raise ConfigError(f"recipe: map_layers {list(self.map_layers)} are not some of MobileNetV2's 0..18")
        if self.momentum >= 1:
            raise ConfigError(f"recipe: momentum {self.momentum} is not below 1")
        for name in ("reduced_share", "flat_share"):
            if getattr(self, name) > 1:
                raise ConfigError(f"recipe: {name} {getattr(self, name)} is not within 0..1")
        if self.discriminator_layers not in range(2, len(CHANNELS) + 1, 2):
            raise ConfigError(
                f"recipe: discriminator_layers {self.discriminator_layers} is not an even number within "
                f"2..{len(CHANNELS)}"
            )
        if len(self.path_odds) != len(PATHS) or np.count_nonzero(self.path_odds) < self.paths_per_step:
            raise ConfigError(
                f"recipe: path_odds {list(self.path_odds)} must be {len(PATHS)} values ({', '.join(PATHS)}), at least "
                f"paths_per_step = {self.paths_per_step} of them above 0"
            )
        for name in ("paths_per_step", "candidates", "guard_steps", "discriminator_width", "init"):
            if not getattr(self, name):
                raise ConfigError(f"recipe: {name} is {getattr(self, name)!r}; it must be given")
        if not any(vars(self.loss_weights).values()):
            raise ConfigError("recipe: every loss weight is 0; give at least one term a weight")

    @property
    def loss_weights(self) -> LossWeights:
        """The six weights together."""
        return LossWeights(**{name: getattr(self, f"weight_{name}") for name in LossWeights.__dataclass_fields__})
