"""Where a run is, and what follows from that: the learning rate, the end, and whether the loss has collapsed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch.optim import Optimizer

from fourpass.training.phase import CollapseError, NotFiniteError
from fourpass.training.recipes import Recipe

WINDOW = 50  # steps whose mean loss is watched


@dataclass
class TrainingProgress:
    """Where a run is; all of it goes into the checkpoint.

    Attributes:
        step: steps done.
        seconds: time spent, resumed runs together.
        best, best_step: highest validation score, and where it was.
        rollbacks: times that the run went back to a checkpoint.
        recent, lowest: the losses of the last `WINDOW` steps, and the lowest mean that so many have had.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    rollbacks: int = 0
    lowest: float | None = None
    recent: list[float] = field(default_factory=list)

    def done(self, recipe: Recipe) -> float:
        """Share of the run that is over, 0..1."""
        share = self.seconds / (3600 * recipe.hours) if recipe.hours else self.step / recipe.steps
        return min(share, 1.0)

    def watch(self, values: Mapping[str, float], recipe: Recipe) -> None:
        """Take a step's values in.

        Raises:
            NotFiniteError: one of them is not finite.
            CollapseError: the mean loss is `recipe.collapse` times what it once was.
        """
        for name, value in values.items():
            if not math.isfinite(value):
                raise NotFiniteError(f"{name} is {value}")
        self.recent = [*self.recent, values["loss"]][-WINDOW:]
        if not recipe.collapse or len(self.recent) < WINDOW:
            return
        mean = sum(self.recent) / WINDOW
        if self.lowest is not None and mean > recipe.collapse * self.lowest > 0:
            raise CollapseError(f"the mean loss of {WINDOW} steps is {mean:.4g}, and was {self.lowest:.4g}")
        self.lowest = mean if self.lowest is None else min(mean, self.lowest)


def rate_factor(recipe: Recipe, progress: TrainingProgress) -> float:
    """Return what the peak learning rate is multiplied by now: schedule, warm-up, and one half for each rollback."""
    factor = 0.5**progress.rollbacks
    if recipe.schedule == "halving":
        factor *= recipe.decay ** (progress.step // recipe.halve_every)
    elif recipe.schedule == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * progress.done(recipe)))
    return factor * min(1.0, (progress.step + 1) / recipe.warm_up) if recipe.warm_up else factor


def peak_rates(optimizers: Mapping[str, Optimizer]) -> dict[str, list[float]]:
    """Return the learning rate of each group of each optimizer, as they are before the first step."""
    return {name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in optimizers.items()}


def set_rates(optimizers: Mapping[str, Optimizer], peaks: Mapping[str, Sequence[float]], factor: float) -> None:
    """Set each group's learning rate to its peak times a factor."""
    for name, optimizer in optimizers.items():
        for group, peak in zip(optimizer.param_groups, peaks[name], strict=True):
            group["lr"] = peak * factor
