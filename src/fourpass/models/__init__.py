"""The networks, as torch modules: tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from fourpass.errors import WeightsError
from fourpass.models.edsr import EDSR
from fourpass.models.eusr import EUSR
from fourpass.models.mdsr import MDSR
from fourpass.models.nima import NIMA
from fourpass.models.srresnet import SRResNet
from fourpass.models.swift import Swift
from fourpass.models.vgg import VGG
from fourpass.weights import Weights

BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "eusr": EUSR,
    "swift": Swift,
    "edsr": EDSR,
    "mdsr": MDSR,
    "srresnet": SRResNet,
    "vgg": VGG,
    "nima": NIMA,
}


def build(weights: Weights) -> nn.Module:
    """Build the network that a set of weights is for, and load them strictly.

    Raises:
        WeightsError: the architecture is unknown, the numbers in the metadata do not fit it, or a tensor is missing,
            extra or misshapen.
    """
    metadata = weights.metadata
    if metadata.architecture not in BUILDERS:
        raise WeightsError(
            f"architecture {metadata.architecture!r} is not one of {', '.join(BUILDERS)}", subject=weights.source
        )
    try:
        network = BUILDERS[metadata.architecture](**metadata.numbers)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"numbers in its metadata do not fit {metadata.architecture} ({error})", subject=weights.source
        ) from None
    load_strictly(network, weights)
    return network


def load_strictly(network: nn.Module, weights: Weights) -> None:
    """Copy weights into a network, every tensor exactly once.

    Raises:
        WeightsError: a tensor is missing, extra or misshapen; the message names the first such.
    """
    expected = network.state_dict()
    for name in sorted(expected.keys() - weights.tensors.keys()):
        raise WeightsError(f"lacks the tensor {name}, which its architecture needs", subject=weights.source)
    for name in sorted(weights.tensors.keys() - expected.keys()):
        raise WeightsError(f"has the tensor {name}, which its architecture does not have", subject=weights.source)
    for name, value in weights.tensors.items():
        if tuple(value.shape) != tuple(expected[name].shape):
            raise WeightsError(
                f"{name} has shape {tuple(value.shape)}, not {tuple(expected[name].shape)}", subject=weights.source
            )
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.tensors.items()})
