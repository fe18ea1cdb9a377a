"""One run over several processes under ``torchrun``: the same weights everywhere, gradients averaged each step.

The averaging is explicit rather than `torch.nn.parallel.DistributedDataParallel`'s: a step of the adversarial phase
runs a network several times before one backward pass, and each step of a multi-scale network leaves most paths without
a gradient; both need special care there. Its overlap of traffic and arithmetic would gain little: the 25 MB of
gradients of the full network take 1-2 % of a step on a 10 Gbit/s link.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_BUCKET = 8_000_000  # elements sent at a time


def start(device: torch.device) -> None:
    """Join the other processes if ``torchrun`` started this one; do nothing otherwise."""
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 for the one that writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def copy_from_first(networks: Mapping[str, nn.Module]) -> None:
    """Give every process the weights and buffers of the first."""
    if world() > 1:
        for network in networks.values():
            for tensor in network.state_dict().values():
                dist.broadcast(tensor, 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes; those that have none must be the same everywhere."""
    if world() == 1:
        return
    bucket: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            bucket.append(parameter.grad)
            if sum(gradient.numel() for gradient in bucket) > _BUCKET:
                _average(bucket)
                bucket = []
    if bucket:
        _average(bucket)


def from_first(value: Any) -> Any:
    """Return the first process's value in every process; it must pickle."""
    if world() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, 0)
    return box[0]


def mean(values: Tensor) -> Tensor:
    """Return the mean over all processes of a small tensor; itself when there is one process."""
    if world() > 1:
        dist.all_reduce(values)
        values /= world()
    return values


def _average(tensors: list[Tensor]) -> None:
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    dist.all_reduce(flat)
    flat /= world()
    for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))
