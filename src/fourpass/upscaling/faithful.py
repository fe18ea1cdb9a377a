"""An Upscaler that checks results against their input: strength maps, consistency, disagreement and LR-PSNR."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.defaults import DEFAULT_MODEL
from fourpass.errors import ConfigError
from fourpass.upscaling import consistency, dial
from fourpass.upscaling.model import Blend, Model, has_dial
from fourpass.upscaling.results import FactsListener, FrameFacts
from fourpass.upscaling.shrinking import lr_psnr
from fourpass.upscaling.upscaler import AUTO, Pixels, ProgressCallback, Upscaler

STEPS = 20
TOLERANCE = 1 / 255


class FaithfulUpscaler(Upscaler):
    """An Upscaler that compares results with their input; to correct or compare them it holds whole pictures in memory.

    Args:
        model: see `Upscaler`; a mask or the disagreement needs a packaged family or a blend.
        mask: painted strength, black faithful and white perceptual, of any size; see `dial.strength_map`.
        consistent: change each result until it shrinks back to its input, see `consistency.back_project`.
        disagreement: also find where the faithful and the perceptual result differ.
        options: see `Upscaler`.

    Raises:
        ConfigError: a mask and a strength are both given; or consistency, which holds the result to a worn input as
            it is, and a restore above 0 (``auto`` is 0 then). Else as `Upscaler`.
    """

    def __init__(
        self,
        model: Model = DEFAULT_MODEL,
        *,
        mask: NDArray[Any] | None = None,
        consistent: bool = False,
        disagreement: bool = False,
        **options: Any,
    ) -> None:
        if mask is not None and options.get("strength") is not None:
            raise ConfigError("both a strength map and a strength are given", hint="leave one of them out")
        if consistent:
            wear = options.get("restore", AUTO)
            if wear not in (AUTO, 0):
                raise ConfigError(
                    f"consistency ties the result to its input as it is, but restore {wear} changes the input",
                    hint="leave one of them out",
                )
            options = {name: value for name, value in options.items() if name != "restore"}
            options |= {"restore": 0.0} if has_dial(model, "restore") else {}
        super().__init__(model, **options)
        self._mask, self._consistent, self._disagreement = mask, consistent, disagreement
        self._options = options
        self._levels: dict[float, Upscaler] = {}
        if mask is not None or disagreement:
            self._at(1.0)  # fails now, and not after minutes, where there are no perceptual weights

    def rows(
        self,
        image: Pixels,
        scale: float | None = None,
        *,
        size: tuple[int, int] | None = None,
        self_ensemble: bool = False,
        progress: ProgressCallback | None = None,
        facts: FactsListener | None = None,
    ) -> Iterator[Pixels]:
        """Like `Upscaler.rows`; gray pictures (H, W) are corrected too."""
        image, size = self._checked(image, scale, size)
        settled, _ = self.for_picture(image)
        if settled is not self:
            return settled.rows(image, size=size, self_ensemble=self_ensemble, progress=progress, facts=facts)
        if image.ndim == 2:
            bands = self.rows(image[..., None], size=size, self_ensemble=self_ensemble, progress=progress, facts=facts)
            return (band[..., 0] for band in bands)
        larger = size[0] >= image.shape[0] and size[1] >= image.shape[1]
        if self._consistent and not larger:
            raise ConfigError(
                "consistency works only for enlarging", hint=f"{size[1]}x{size[0]} is smaller than the input"
            )
        if self._mask is None and not self._consistent and not self._disagreement:
            return super().rows(image, size=size, self_ensemble=self_ensemble, progress=progress, facts=facts)
        return self._whole(image, size, self_ensemble, progress, facts)

    def _whole(
        self,
        image: Pixels,
        size: tuple[int, int],
        self_ensemble: bool,
        progress: ProgressCallback | None,
        facts: FactsListener | None,
    ) -> Iterator[Pixels]:
        strengths = None if self._mask is None else dial.strength_map(self._mask, size)
        levels = set() if strengths is None else set(dial.levels_of(strengths))
        wanted = levels | ({0.0, 1.0} if self._disagreement else set())
        runs = len(wanted) + (strengths is None)
        pictures: dict[float, Pixels] = {}
        for number, level in enumerate(sorted(wanted)):
            pictures[level] = self._at(level).upscale(
                image, size=size, self_ensemble=self_ensemble, progress=_share(progress, number, runs)
            )
        if strengths is None:
            share = _share(progress, runs - 1, runs)
            bands = super().rows(image, size=size, self_ensemble=self_ensemble, progress=share)
            result: Pixels = np.concatenate(list(bands))
        else:
            result = dial.blend_levels({level: pictures[level] for level in levels}, strengths)
        known: dict[str, Any] = {}
        if self._consistent:
            result, reached = consistency.back_project(result, image, tolerance=TOLERANCE, steps=STEPS)
            known = {"worst": reached.worst, "steps": reached.steps, "consistent": reached.reached}
        if facts is not None:
            found = consistency.disagreement(pictures[0.0], pictures[1.0]) if self._disagreement else None
            facts(FrameFacts(lr_psnr(result, image), disagreement=found, **known))
        yield result

    def _at_restore(self, level: float) -> Upscaler:
        looks: dict[str, Any] = {"mask": self._mask, "disagreement": self._disagreement}
        engine = {"engine", "backend", "device", "precision", "threads"}
        options = {name: value for name, value in self._options.items() if name not in engine}
        return FaithfulUpscaler(self._model, **looks, **{**options, "restore": level, "engine": self.engine})

    def _at(self, level: float) -> Upscaler:
        if level not in self._levels:
            if isinstance(self._model, Blend):
                upscaler = Upscaler(replace(self._model, share=level), **self._options)
            else:
                upscaler = Upscaler(self._model, **{**self._options, "strength": level})
            self._levels[level] = upscaler
        return self._levels[level]


def _share(progress: ProgressCallback | None, number: int, runs: int) -> ProgressCallback | None:
    """Convert the progress of one of several equal runs to overall progress."""
    if progress is None:
        return None
    return lambda share: progress((number + share) / runs)
