"""How gradients move weights: Adam, as every method's paper has it, or Muon, which short runs get further with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

# Coefficients of the quintic that drives singular values to about 1 in five rounds (Jordan et al., 2024, "Muon").
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
# What Adam's updates measure, so that a learning rate means the same to both (Liu et al., 2025, arXiv 2502.16982, 2.2).
_UPDATE_SIZE = 0.2
_SMALLEST_SIDE = 16


class Muon(Optimizer):
    """Momentum, made orthogonal: each step moves all directions of a layer by the same amount.

    Weights that are matrices from many channels to many (hidden convolutions, a kernel's places counted as inputs) are
    moved by it; the rest (biases, norms, and what reads or writes three colours) by Adam.

    Args:
        parameters: what to train.
        learning_rate: of the matrices; the root mean square of an update is 0.2 times it, as Adam's usually is.
        adam_share: of `learning_rate`, what Adam moves the rest with.
        momentum: decay of the mean gradient that is made orthogonal, with Nesterov's correction.
        betas, epsilon: Adam's.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        *,
        adam_share: float = 0.3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for parameter in parameters:
            (matrices if is_matrix(parameter) else rest).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": matrices, "lr": learning_rate, "matrices": True},
            {"params": rest, "lr": learning_rate * adam_share, "matrices": False},
        ]
        groups = [group for group in groups if group["params"]]
        super().__init__(groups, {"momentum": momentum, "betas": betas, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            (self._move_matrices if group["matrices"] else self._move_rest)(group)

    def _move_matrices(self, group: dict[str, Any]) -> None:
        alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            mean = state["momentum"]
            mean.lerp_(parameter.grad, 1 - group["momentum"])
            wanted = parameter.grad.lerp(mean, group["momentum"])
            alike.setdefault(parameter.shape, []).append((parameter, wanted))
        for shape, members in alike.items():
            updates = orthogonal(torch.stack([wanted.reshape(shape[0], -1) for _, wanted in members]))
            size = _UPDATE_SIZE * math.sqrt(max(updates.shape[-2:]))
            for (parameter, _), update in zip(members, updates, strict=True):
                parameter.add_(update.reshape(shape), alpha=-group["lr"] * size)

    def _move_rest(self, group: dict[str, Any]) -> None:
        first, second = group["betas"]
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state |= {"mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
                state["steps"] = torch.zeros(())
            state["steps"] += 1
            steps = int(state["steps"])
            state["mean"].lerp_(parameter.grad, 1 - first)
            state["square"].lerp_(parameter.grad.square(), 1 - second)
            scale = (state["square"] / (1 - second**steps)).sqrt_().add_(group["epsilon"])
            parameter.addcdiv_(state["mean"], scale, value=-group["lr"] / (1 - first**steps))


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter maps many channels to many: (out, in, ...) with neither side below 16."""
    return parameter.ndim >= 2 and min(parameter.shape[:2]) >= _SMALLEST_SIDE


def orthogonal(matrices: Tensor) -> Tensor:
    """Bring every singular value close to 1 (0.7 to 1.2), directions kept, by five rounds of Newton and Schulz.

    Args:
        matrices: (B, M, N).

    Returns:
        (B, M, N); zeros stay zeros.
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-12)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.mT if tall else x
    return result


def build_optimizer(
    kind: str, parameters: Iterable[nn.Parameter], learning_rate: float, *, beta: float = 0.9
) -> Optimizer:
    """Return an optimizer of what can be trained among some parameters.

    Args:
        kind: ``adam`` or ``muon``.
        parameters: those that ask no gradient are left out.
        learning_rate: its peak.
        beta: Adam's beta 1; of Muon for what Adam moves.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if kind == "muon":
        return Muon(trained, learning_rate, betas=(beta, 0.999))
    return torch.optim.Adam(trained, lr=learning_rate, betas=(beta, 0.999), eps=1e-8)
