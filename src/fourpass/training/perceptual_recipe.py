"""The settings of the perceptual phase; the defaults are the paper's (4PP-EUSR paper, section 4.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fourpass.data.wear import Wear
from fourpass.errors import ConfigError
from fourpass.losses.perceptual import REDUCTIONS
from fourpass.losses.terms import TERMS
from fourpass.models.discriminator import CHANNELS, VERDICTS, VIEWS
from fourpass.models.multipass import DOWNSCALES
from fourpass.paths import PATHS
from fourpass.training.adversarial_recipe import AdversarialRecipe

if TYPE_CHECKING:
    _Weighted = AdversarialRecipe
else:
    _Weighted = dataclasses.make_dataclass(
        "_Weighted",
        [(f"weight_{name}", "float", dataclasses.field(default=term.weight)) for name, term in TERMS.items()],
        bases=(AdversarialRecipe,),
        frozen=True,
        kw_only=True,
    )


@dataclass(frozen=True, kw_only=True)
class PerceptualRecipe(_Weighted):
    """Settings of the phase; the defaults are the paper's (section 4.3), guards aside, which it does not have.

    Attributes:
        weight_NAME: of each of `fourpass.losses.terms.TERMS`; 0 leaves one out.
        init: weights to start from, with x2, x4 and x8: a packaged name or a file.
        verdict, discriminator_width, discriminator_layers, view: see `fourpass.models.discriminator.Discriminator`.
        frozen: parts of the network that keep their weights (``shared`` say): with all but `upscaling` and `final_conv`
            frozen a step costs a third less, and each scale's path stays independent of the others.
        patch: side of the low-resolution patch; 4 times it is the discriminator's input.
        late_share: share of the steps, the last ones, with other patches: `late_patch` pixels, `late_batch` a step (0:
            as many as before). The predictors were trained on 192 upscaled pixels: on 96, pooled features of truth and
            upscaled lie 6 to 10 times as far apart, out of what they know.
        candidates: places that each patch is chosen from, by gradient; 1 for plain random places.
        flat_share: odds that a patch shows nothing but a colour drawn at random, which teaches the network to keep it.
        wear: a table ``[wear]``: what wears the inputs, see `fourpass.data.wear.Wear`; the truth keeps its grain and
            stays clean otherwise. None: nothing.
        reduced_share: odds that a patch comes from the pictures shrunk by 2 (input: shrunk by 8).
        paths_per_step, path_odds: how many of the three paths (x4, x2 twice, x8 halved) a step takes, drawn with these
            odds, as weights; 3 takes all.
        downscale: how the x8 path is halved: ``bicubic`` (the paper's text) or ``decimate`` (the authors' program).
        representation: ``sum`` (the paper) or ``mean`` (the program) of the 1,280 squares.
        map_layers: of the subjective predictor's MobileNetV2 (0..18), that the term ``maps`` compares.
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
    discriminator_learning_rate: float = 2e-5
    verdict: str = "image"
    discriminator_width: float = 1.0
    discriminator_layers: int = 10
    view: str = "pixels"
    frozen: tuple[str, ...] = ()
    patch: int = 48
    late_share: float = 0.0
    late_patch: int = 48
    late_batch: int = 0
    candidates: int = 1
    reduced_share: float = 0.5
    flat_share: float = 0.0
    wear: Wear | None = field(default=None, metadata={"table": Wear})
    paths_per_step: int = 3
    path_odds: tuple[float, ...] = (1.0, 1.0, 1.0)
    downscale: str = "bicubic"
    representation: str = "sum"
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
        for name, choices in (
            ("verdict", VERDICTS),
            ("view", VIEWS),
            ("downscale", DOWNSCALES),
            ("representation", REDUCTIONS),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} {getattr(self, name)!r} is not one of {', '.join(choices)}", subject="recipe"
                )
        for name in ("patch", "late_patch"):
            if getattr(self, name) < 8 or getattr(self, name) % 8:
                raise ConfigError(f"{name} {getattr(self, name)} is not a positive multiple of 8", subject="recipe")
        if self.late_share and self.late_patch != self.patch and (self.hours or self.verdict == "image"):
            raise ConfigError(
                ("late_share needs a run limited by steps, not hours, and verdict 'position', which takes any size"),
                subject="recipe",
            )
        if self.jitter % 8 or self.jitter > 4 * self.patch - 32 or (self.jitter and self.verdict == "image"):
            raise ConfigError(
                (
                    f"jitter {self.jitter} is not a multiple of 8 that leaves 32 pixels of four times "
                    f"patch {self.patch}, with verdict 'position'"
                ),
                subject="recipe",
            )
        if not self.map_layers or max(self.map_layers) > 18:
            raise ConfigError(
                f"map_layers {list(self.map_layers)} must be chosen from MobileNetV2's 0..18", subject="recipe"
            )
        for name in ("reduced_share", "flat_share", "late_share"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name} {getattr(self, name)} is not within 0..1", subject="recipe")
        if self.discriminator_layers not in range(2, len(CHANNELS) + 1, 2):
            raise ConfigError(
                f"discriminator_layers {self.discriminator_layers} is not an even number within 2..{len(CHANNELS)}",
                subject="recipe",
            )
        if len(self.path_odds) != len(PATHS) or np.count_nonzero(self.path_odds) < self.paths_per_step:
            raise ConfigError(
                (
                    f"path_odds {list(self.path_odds)} must be {len(PATHS)} values ({', '.join(PATHS)}), "
                    f"at least paths_per_step = {self.paths_per_step} of them above 0"
                ),
                subject="recipe",
            )
        for name in ("paths_per_step", "candidates", "guard_steps", "discriminator_width", "init"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is {getattr(self, name)!r}", subject="recipe", hint="it must be given")
        if not any(self.loss_weights.values()):
            raise ConfigError("every loss weight is 0", subject="recipe", hint="give at least one term a weight")

    def patch_at(self, step: int) -> tuple[int, int]:
        """Side of the low-resolution patches of a step, and how many there are."""
        if self.late_share and step >= round(self.steps * (1 - self.late_share)):
            return self.late_patch, self.late_batch or self.batch
        return self.patch, self.batch

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Term -> its weight."""
        return {name: getattr(self, f"weight_{name}") for name in TERMS}
