"""The methods that the paper compares: network, numbers, and the weights of their losses (4PP-EUSR paper, Table 1).

One fact, one place: training takes its losses from here, and Table 1 is printed from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fourpass.errors import missing_extra


@dataclass(frozen=True)
class Losses:
    """What a generator is trained with last; a weight of 0 leaves the term out.

    Attributes:
        pixel: weight of the reconstruction loss.
        pixel_kind: ``l1`` (on 0..255), ``mse`` (on -1..1) or ``low-frequency`` (mse of the blurred pictures).
        adversarial: weight of -log D(upscaled).
        feature: weight of the squared distance of a classifier's features.
        feature_layer: which features: a layer of VGG19; of 4PP-EUSR: the predictors' pooled ones.
        contextual: weight of the contextual loss, on VGG19's conv3_4.
        perceptual: weight of the predicted scores.
    """

    pixel: float = 0.0
    pixel_kind: str = "l1"
    adversarial: float = 0.0
    feature: float = 0.0
    feature_layer: str = ""
    contextual: float = 0.0
    perceptual: float = 0.0

    @property
    def needs_vgg(self) -> bool:
        """Whether VGG19 is asked for features."""
        return self.contextual > 0 or (self.feature > 0 and self.feature_layer.startswith("conv"))


@dataclass(frozen=True)
class PublishedMethod:
    """One row of Table 1.

    Attributes:
        title: the paper's name of it.
        architecture: key of `fourpass.models.BUILDERS`.
        numbers: what the network is built from, at paper size.
        losses: what it is trained with last.
        start: the method whose trained weights it starts from; empty for none.
        self_ensemble: whether the paper's results of it use the geometric self-ensemble.
        source: where its losses and their weights are from.
    """

    title: str
    architecture: str
    numbers: Mapping[str, Any]
    losses: Losses
    start: str = ""
    self_ensemble: bool = False
    source: str = field(default="", compare=False)


_SRRESNET: Mapping[str, Any] = MappingProxyType({"features": 64, "blocks": 16, "scales": (4,)})
_SRGAN = "Ledig et al., 2017, arXiv 1609.04802"
_EDSR = "Lim et al., 2017, arXiv 1707.02921"

# name (of `fourpass train`, where it is one of its phases) -> method, in the order of the paper's Table 1.
METHODS: Mapping[str, PublishedMethod] = MappingProxyType(
    {
        "srresnet-mse": PublishedMethod(
            "SRResNet-MSE",
            "srresnet",
            _SRRESNET,
            Losses(pixel=1.0, pixel_kind="mse"),
            source=f"{_SRGAN}, equation 4",
        ),
        "srresnet-vgg22": PublishedMethod(
            "SRResNet-VGG22",
            "srresnet",
            _SRRESNET,
            Losses(feature=1.0, feature_layer="conv2_2"),
            source=f"{_SRGAN}, equation 5",
        ),
        "edsr": PublishedMethod(
            "EDSR",
            "edsr",
            {"features": 256, "blocks": 32, "scales": (4,), "residual_scaling": 0.1},
            Losses(pixel=1.0),
            self_ensemble=True,
            source=f"{_EDSR}, sections 3.2 and 4.2",
        ),
        "mdsr": PublishedMethod(
            "MDSR",
            "mdsr",
            {"features": 64, "blocks": 80, "scales": (2, 3, 4), "residual_scaling": 1.0},
            Losses(pixel=1.0),
            source=f"{_EDSR}, sections 3.3 and 4.2",
        ),
        "eusr": PublishedMethod(
            "EUSR",
            "eusr",
            {"features": 64, "shared_blocks": 32, "upscale_blocks": 1, "scales": (2, 4, 8)},
            Losses(pixel=1.0),
            source="4PP-EUSR paper, section 4.1",
        ),
        "srgan-mse": PublishedMethod(
            "SRGAN-MSE",
            "srresnet",
            _SRRESNET,
            Losses(pixel=1.0, pixel_kind="mse", adversarial=1e-3),
            start="srresnet-mse",
            source=f"{_SRGAN}, equations 3, 4 and 6",
        ),
        "srgan-vgg22": PublishedMethod(
            "SRGAN-VGG22",
            "srresnet",
            _SRRESNET,
            Losses(adversarial=1e-3, feature=1.0, feature_layer="conv2_2"),
            start="srresnet-mse",
            source=f"{_SRGAN}, equations 3, 5 and 6",
        ),
        "srgan-vgg54": PublishedMethod(
            "SRGAN-VGG54",
            "srresnet",
            _SRRESNET,
            Losses(adversarial=1e-3, feature=1.0, feature_layer="conv5_4"),
            start="srresnet-mse",
            source=f"{_SRGAN}, equations 3, 5 and 6",
        ),
        "cx": PublishedMethod(
            "CX",
            "srresnet",
            _SRRESNET,
            Losses(pixel=10.0, pixel_kind="low-frequency", adversarial=1e-3, contextual=0.1),
            start="srresnet-mse",
            source="Mechrez et al., 2018, arXiv 1803.04626, its objective for super-resolution",
        ),
        "4pp-eusr": PublishedMethod(
            "4PP-EUSR",
            "eusr",
            {"features": 64, "shared_blocks": 32, "upscale_blocks": 1, "scales": (2, 4, 8)},
            Losses(pixel=0.03, adversarial=0.1, feature=0.1, feature_layer="predictors", perceptual=0.01),
            start="eusr",
            source="4PP-EUSR paper, section 4.3",
        ),
    }
)


def parameters_of(name: str) -> int:
    """Count the parameters of a method's network at paper size, without the memory for it.

    Args:
        name: key of `METHODS`.

    Raises:
        BackendError: torch, which builds it, is not installed.
    """
    try:
        import torch
    except ImportError:
        raise missing_extra("train", "torch") from None
    from fourpass.models import BUILDERS

    method = METHODS[name]
    with torch.device("meta"):
        network = BUILDERS[method.architecture](**method.numbers)
    return sum(parameter.numel() for parameter in network.parameters())


def properties_of(name: str) -> dict[str, str]:
    """What Table 1 says of a method beside its size, out of the code, in the columns and words of ``table1.csv``.

    Args:
        name: key of `METHODS`.

    Returns:
        multi_scale, reconstruction_loss (``pre-training only`` where only the start has it), adversarial_loss,
        feature_loss, perceptual_loss.
    """
    method = METHODS[name]
    losses = method.losses
    before = METHODS[method.start].losses if method.start else Losses()
    reconstruction = _yes(losses.pixel > 0)
    if not losses.pixel and before.pixel:
        reconstruction = "pre-training only"
    return {
        "multi_scale": _yes(len(method.numbers["scales"]) > 1),
        "reconstruction_loss": reconstruction,
        "adversarial_loss": _yes(losses.adversarial > 0),
        "feature_loss": _yes(losses.feature > 0 or losses.contextual > 0),
        "perceptual_loss": _yes(losses.perceptual > 0),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"
