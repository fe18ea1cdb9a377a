"""Settings of the two score predictors' training; the defaults are the paper's numbers (section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from fourpass.errors import ConfigError
from fourpass.training.recipes import Recipe

LOSSES = ("squared", "root")
BATCH_NORMS = ("batch", "fixed")


@dataclass(frozen=True, kw_only=True)
class PredictorRecipe(Recipe):
    """Two stages: the new last layer alone, then all layers. `batch` and `learning_rate` are the second stage's.

    Attributes:
        steps: upper limit of both stages together; `head_epochs` and `epochs` say how many there are.
        head_epochs, head_batch, head_learning_rate: of the first stage.
        epochs: of the second stage.
        head_crops: crops of each picture whose features are computed once, for the first stage; 0 for new crops, and
            their features, each epoch.
        loss: ``squared``: sum over the scores of the squared difference of cumulated shares (equation 1); ``root``: the
            root of its mean, as in the authors' program.
        width: of MobileNetV2.
        dropout: of the pooled features.
        batch_norm: in the second stage, ``batch`` normalises by the batch, ``fixed`` by ImageNet's numbers, which is
            faster on a processor, see `models.mobilenet_v2.normalised`.
        frozen_layers: this many of MobileNetV2's 19 first layers stay as they are in the second stage.
        trunk: ImageNet weights: ``torchvision``, fetched once, or a file, see `conversion.predictor_files.read_trunk`.
        ranked_ladders: so many ladders (of blur, noise or JPEG, see ``ladders`` of the two phases' recipes) join the
            batch in each step of the second stage.
        rank_weight, rank_margin: of their loss: how far the mean score falls short of falling by the margin, from each
            rung to the next.
        init: a predictor to go on from instead, a packaged name or a file; there is no first stage then.
    """

    steps: int = 10_000_000
    batch: int = 32
    learning_rate: float = 1e-5
    head_epochs: int = 5
    head_batch: int = 128
    head_learning_rate: float = 1e-3
    epochs: int = 5
    head_crops: int = 0
    loss: str = "squared"
    width: float = 1.0
    dropout: float = 0.75
    batch_norm: str = "batch"
    frozen_layers: int = 0
    trunk: str = "torchvision"
    ranked_ladders: int = 0
    rank_weight: float = 1.0
    rank_margin: float = 0.05
    init: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("head_batch", "head_learning_rate", "width"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is 0", subject="recipe", hint="it must be positive")
        for name, choices in (("loss", LOSSES), ("batch_norm", BATCH_NORMS)):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} {getattr(self, name)!r} is not one of {', '.join(choices)}", subject="recipe"
                )
        if not self.head_epochs + self.epochs:
            raise ConfigError("head_epochs and epochs are both 0", subject="recipe", hint="there is nothing to train")
        if self.dropout >= 1:
            raise ConfigError(f"dropout {self.dropout} is not below 1", subject="recipe")
        if self.frozen_layers > 19:
            raise ConfigError(f"frozen_layers {self.frozen_layers}, but MobileNetV2 has 19", subject="recipe")


@dataclass(frozen=True, kw_only=True)
class AestheticRecipe(PredictorRecipe):
    """The aesthetic predictor, on AVA; or, without AVA's images, distilled from a published predictor.

    Attributes:
        validation_pictures: of AVA, held out.
        teacher: file of a NIMA on MobileNetV1 trained on AVA (names as idealo's); empty to train on AVA itself.
        crops: crops of photos that the teacher scores for training; a tenth as many, of other photos, validate.
        ladders: so many further crops, each as it is and at five levels of blur, noise or JPEG, with scores that are
            made to fall from level to level, see `data.distilled.falling`; no other crop is then degraded by these.
        fall: least fall of the mean score from level to level.
    """

    validation_pictures: int = 5_000
    teacher: str = ""
    crops: int = 12_000
    ladders: int = 0
    fall: float = 0.04

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("validation_pictures", "crops"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is 0", subject="recipe", hint="it must be positive")


@dataclass(frozen=True, kw_only=True)
class SubjectiveRecipe(PredictorRecipe):
    """The subjective predictor, on TID2013, or on its distortions made again from Kodak's pictures.

    Attributes:
        least_deviation: smaller published deviations are widened to it, see `data.tid2013.scored_pictures`.
        ladders: so many crops of photos (a second data folder), each as it is and distorted at TID2013's five levels,
            are learnt from too, with the mean score that people gave that type and level on the training references.
        clean_score: of a photo as it is, on TID2013's 0..9, where nobody was asked; a little above the best level 1.
    """

    head_epochs: int = 100
    epochs: int = 100
    least_deviation: float = 0.0
    ladders: int = 0
    clean_score: float = 6.5
