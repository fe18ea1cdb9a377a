"""A phase small enough to train in milliseconds, for the loop's own tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fourpass.training.recipes import Recipe
from fourpass.weights import Metadata


@dataclass(frozen=True, kw_only=True)
class LineRecipe(Recipe):
    steps: int = 12
    batch: int = 4
    learning_rate: float = 1e-2
    schedule: str = "cosine"
    warm_up: int = 3
    ema: float = 0.9
    clip: float = 1.0
    log_every: int = 1
    validate_every: int = 4
    checkpoint_every: int = 2


class Line:
    """Learns y = 2 x + 1 through a dropout; `trouble` maps a step to what goes wrong there, once."""

    main = "line"

    def __init__(self, recipe: LineRecipe | None = None, trouble=None, width: int = 3) -> None:
        self.recipe = recipe or LineRecipe()
        torch.manual_seed(self.recipe.seed)
        network = nn.Sequential(nn.Linear(1, width), nn.Dropout(0.25), nn.Linear(width, 1))
        self.networks = {"line": network}
        self.optimizers = {"line": torch.optim.Adam(network.parameters(), self.recipe.learning_rate)}
        self.metadata = Metadata("line", {"width": width}, "line-1", "numbers", 100, "Apache-2.0")
        self.trouble = trouble or {}
        self.done: list[int] = []

    def batch(self, step, seed):
        return step, torch.from_numpy(np.random.default_rng(list(seed)).random((self.recipe.batch, 1), np.float32))

    def step(self, batch, tools):
        step, x = batch
        self.done.append(step)
        wrong = self.trouble.pop(step, None)
        if callable(wrong):
            wrong()
        loss = (self.networks["line"](x) - (2 * x + 1)).square().mean()
        if isinstance(wrong, float):
            loss = loss * wrong
        tools.update("line", loss)
        return {"loss": loss}

    def validate(self):
        with torch.no_grad():
            error = (self.networks["line"](torch.ones(1, 1)) - 3).abs().item()
        return {"score": -error, "error": error}

    def samples(self):
        return {"flat": np.full((8, 8, 3), 7, np.uint8)}
