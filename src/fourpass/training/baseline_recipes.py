"""The settings of the compared methods' phases: a dataclass a method, the numbers of its own paper as defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fourpass.errors import ConfigError
from fourpass.losses.published import METHODS, Losses
from fourpass.training.adversarial_recipe import AdversarialRecipe

PIXEL_KINDS = ("l1", "mse", "low-frequency")


@dataclass(frozen=True, kw_only=True)
class BaselineRecipe(AdversarialRecipe):
    """What all of them are told.

    Attributes:
        method: key of `fourpass.losses.published.METHODS`.
        features, blocks, residual_scaling: of the network; the last is not SRResNet's.
        scales: factors trained, one drawn at random each step.
        odds: how often each is drawn, as weights.
        patches: side of the low-resolution patch of each.
        candidates: places that each patch is chosen from, by gradient; 1 for plain random places.
        init: weights to start from; wanted by methods that start from another's.
        pixel, pixel_kind, adversarial, feature, feature_layer, contextual: the losses, see `losses.published.Losses`.
        grid: weight of `fourpass.losses.reconstruction.grid_error`, none of the methods' terms.
        feature_scale: factor of the features before they are compared.
        activated: features after the layer's ReLU, or before it.
        contextual_layer: of VGG19, that the contextual loss compares.
        vgg: file of the VGG; empty for torchvision's VGG19 of ImageNet, downloaded once.
        discriminator_features, discriminator_hidden: see `fourpass.models.srgan_discriminator.SRGANDiscriminator`.
    """

    method: str
    features: int = 64
    blocks: int = 16
    residual_scaling: float = 1.0
    scales: tuple[int, ...] = (4,)
    odds: tuple[float, ...] = (1.0,)
    patches: tuple[int, ...] = (24,)
    candidates: int = 1
    init: str = ""
    pixel: float = 0.0
    pixel_kind: str = "l1"
    adversarial: float = 0.0
    feature: float = 0.0
    feature_layer: str = ""
    feature_scale: float = 1 / 12.75
    activated: bool = True
    contextual: float = 0.0
    contextual_layer: str = "conv3_4"
    grid: float = 0.0
    vgg: str = ""
    discriminator_features: int = 64
    discriminator_hidden: int = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("features", "blocks", "candidates", "discriminator_features", "discriminator_hidden"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is 0", subject="recipe", hint="it must be positive")
        if not self.scales or len(self.odds) != len(self.scales) or len(self.patches) != len(self.scales):
            raise ConfigError(
                (
                    f"scales {list(self.scales)}, odds {list(self.odds)} and patches {list(self.patches)} "
                    "must each have one value per scale"
                ),
                subject="recipe",
            )
        if not sum(self.odds) or not all(self.patches):
            raise ConfigError("odds must not all be 0, and no patch may be 0", subject="recipe")
        if self.pixel_kind not in PIXEL_KINDS:
            raise ConfigError(
                f"pixel_kind {self.pixel_kind!r} is not one of {', '.join(PIXEL_KINDS)}", subject="recipe"
            )
        if not (self.pixel or self.feature or self.contextual):
            raise ConfigError(
                "pixel, feature and contextual are all 0",
                subject="recipe",
                hint="at least one must compare with the truth",
            )
        if self.adversarial and len(self.scales) > 1:
            raise ConfigError(
                "the patch sets the size of the discriminator, so adversarial needs a single scale", subject="recipe"
            )
        if self.grid and len(self.scales) > 1:
            raise ConfigError("a grid's period is one scale, so grid needs a single scale", subject="recipe")

    @property
    def losses(self) -> Losses:
        """The loss weights together."""
        return Losses(
            **{item.name: getattr(self, item.name) for item in dataclasses.fields(Losses) if hasattr(self, item.name)}
        )


def _of(name: str, **paper: Any) -> type[BaselineRecipe]:
    """Make a method's recipe: `BaselineRecipe` with the losses of `METHODS`, its network's numbers and its schedule."""
    method = METHODS[name]
    losses = {key: value for key, value in vars(method.losses).items() if key != "perceptual"}
    defaults = {"method": name, **losses, **method.numbers, **paper}
    kinds = {item.name: item.type for item in dataclasses.fields(BaselineRecipe)}
    return dataclasses.make_dataclass(
        f"{method.title.replace('-', '')}Recipe",
        [(key, kinds[key], dataclasses.field(default=value)) for key, value in defaults.items()],
        bases=(BaselineRecipe,),
        frozen=True,
        kw_only=True,
    )


# SRGAN's paper, section 3.2: 16 patches of 96x96 pixels, Adam 0.9; 1e6 steps at 1e-4 for SRResNet; from its weights,
# 1e5 steps at 1e-4 and 1e5 at 1e-5 for SRGAN.
_SRRESNET: Mapping[str, Any] = {"steps": 1_000_000, "batch": 16, "learning_rate": 1e-4}
_SRGAN: Mapping[str, Any] = {
    "steps": 200_000,
    "batch": 16,
    "learning_rate": 1e-4,
    "schedule": "halving",
    "halve_every": 100_000,
    "decay": 0.1,
}
# EDSR's paper, section 4.2: 16 patches of 48x48 low-resolution pixels, 1e-4 halved every 2e5 steps, L1.
_EDSR: Mapping[str, Any] = {
    "steps": 300_000,
    "batch": 16,
    "learning_rate": 1e-4,
    "schedule": "halving",
    "halve_every": 200_000,
}

# method -> its recipe
RECIPES: Mapping[str, type[BaselineRecipe]] = MappingProxyType(
    {
        "srresnet-mse": _of("srresnet-mse", **_SRRESNET),
        "srresnet-vgg22": _of("srresnet-vgg22", **_SRRESNET),
        "srgan-mse": _of("srgan-mse", **_SRGAN),
        "srgan-vgg22": _of("srgan-vgg22", **_SRGAN),
        "srgan-vgg54": _of("srgan-vgg54", **_SRGAN),
        "cx": _of("cx", **_SRGAN),
        "edsr": _of("edsr", **_EDSR, patches=(48,)),
        "mdsr": _of("mdsr", **_EDSR, odds=(1.0, 1.0, 1.0), patches=(48, 48, 48)),
    }
)
