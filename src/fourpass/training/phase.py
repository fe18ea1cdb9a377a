"""The interface between a training phase and the loop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from fourpass import weights
from fourpass.training import distributed
from fourpass.training.precision import pick_dtype


class Phase(Protocol):
    """What the loop needs from a phase; any object with these members works.

    Attributes:
        recipe: its settings, a `fourpass.training.recipes.Recipe`.
        networks: every network whose state must be in a checkpoint, by name. On their device, see `precision.place`.
        optimizers: every optimizer, by name; each group's ``lr`` is its peak rate, the loop follows the schedule.
        main: name of the network that is averaged (EMA), validated and exported.
        metadata: of the exported weights; `steps` counts those behind the start weights.
    """

    recipe: Any
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    main: str
    metadata: weights.Metadata

    def batch(self, step: int, seed: Sequence[int]) -> Any:
        """Return this process's (`distributed.rank`) batch of a step; called from threads, draws from `seed` alone."""

    def step(self, batch: Any, tools: Tools) -> Mapping[str, Tensor]:
        """Do one step, optimizers included, and return scalars to log; ``loss`` must be among them."""

    def validate(self) -> Mapping[str, float]:
        """Return numbers of `main` as it is now; ``score``, larger is better, decides which checkpoint is the best."""

    def samples(self) -> Mapping[str, NDArray[np.uint8]]:
        """Return a few (H, W, 3) pictures to look at."""


class CollapseError(Exception):
    """Training went wrong some time ago; the loop goes back to the last checkpoint but one."""


class NotFiniteError(CollapseError):
    """A loss or gradient is not finite, and touched no weight; the loop goes back to the last checkpoint."""


class Tools:
    """What a step needs besides its phase: mixed precision, and the way from a loss to new weights."""

    def __init__(self, phase: Phase) -> None:
        self.device = next(phase.networks[phase.main].parameters()).device
        self.dtype = pick_dtype(phase.recipe.precision, self.device)
        self._optimizers = phase.optimizers
        self._clip = phase.recipe.clip

    def autocast(self) -> torch.autocast:
        """Context in which convolutions run in the recipe's precision."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def update(self, name: str, loss: Tensor) -> Tensor:
        """Move one optimizer's parameters down a loss's gradient, and return the gradient's norm before clipping.

        Gradients flow through other networks but stay out of their parameters.

        Raises:
            NotFiniteError: the gradient is not finite; no parameter was touched.
        """
        optimizer = self._optimizers[name]
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, inputs=parameters)
        distributed.average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self._clip or math.inf)
        if not torch.isfinite(norm):
            raise NotFiniteError(f"the gradient of {name} is {float(norm)}")
        optimizer.step()
        return norm
