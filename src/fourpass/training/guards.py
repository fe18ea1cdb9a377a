"""Guards of adversarial training: what the loop cannot see in the loss alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fourpass.training.loop import CollapseError


class Guards:
    """Watch what the loop cannot know of: a discriminator that has won, and colours that wander off.

    Args:
        steps: steps averaged over; neither guard speaks before so many.
        accuracy_limit: highest mean accuracy of the discriminator, 0..1; 0 for no limit.
        drift_limit: highest mean `colour_drift`, on 0..255; 0 for no limit.
    """

    def __init__(self, steps: int, accuracy_limit: float, drift_limit: float) -> None:
        self._steps = steps
        self._limits = {"accuracy": accuracy_limit, "drift": drift_limit}
        self._seen: dict[str, list[float]] = {name: [] for name in self._limits}

    def watch(self, values: Mapping[str, Tensor]) -> None:
        """Take a step's values.

        Raises:
            CollapseError: a mean is above its limit; the loop then goes back to the last checkpoint.
        """
        for name, limit in self._limits.items():
            if not limit or name not in values:
                continue
            seen = self._seen[name] = [*self._seen[name], float(values[name])][-self._steps :]
            mean = sum(seen) / len(seen)
            if len(seen) == self._steps and mean > limit:
                self._seen = {each: [] for each in self._limits}
                raise CollapseError(f"mean {name} of {self._steps} steps is {mean:.4g}, above {name}_limit {limit:g}")
