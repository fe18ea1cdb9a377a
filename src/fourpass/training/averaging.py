"""A running average of a network's weights (EMA): smoother than the weights, and what is validated and exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Average = dict[str, Tensor]  # a state dict; empty where no average is kept


def start_average(network: nn.Module, decay: float) -> Average:
    """Begin an average at the weights as they are; an empty one for a decay of 0."""
    return copy_state(network) if decay else {}


def update_average(average: Average, network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the weights; faster in the first steps, so that it forgets where it began."""
    if not average:
        return
    decay = min(decay, (1 + step) / (10 + step))
    state = network.state_dict()
    kept = [average[name] for name, tensor in state.items() if tensor.is_floating_point()]
    current = [tensor for tensor in state.values() if tensor.is_floating_point()]
    torch._foreach_lerp_(kept, current, 1 - decay)
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            average[name].copy_(tensor)


@contextmanager
def averaged(network: nn.Module, average: Mapping[str, Tensor]) -> Iterator[None]:
    """Use a network's averaged weights inside the block; without any, do nothing."""
    if not average:
        yield
        return
    own = copy_state(network)
    network.load_state_dict(dict(average))
    try:
        yield
    finally:
        network.load_state_dict(own)


def copy_state(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's state dict."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
