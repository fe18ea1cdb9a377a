"""An Upscaler that is held to its input: strength by place, consistency, what may be invented, and the LR-PSNR."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.defaults import DEFAULT_MODEL
from fourpass.errors import ConfigError
from fourpass.imaging.resize import contributions, imresize
from fourpass.upscaling import consistency, dial
from fourpass.upscaling.model import Blend, Model, has_dial
from fourpass.upscaling.upscaler import AUTO, Pixels, ProgressCallback, Upscaler

STEPS = 20
TOLERANCE = 1 / 255
_ROWS = 64  # rows that are shrunk at a time


@dataclass(frozen=True)
class Facts:
    """What is known of one upscaled frame.

    Attributes:
        lr_psnr: PSNR, in dB, of the result shrunk by MATLAB's bicubic against the input; infinite where equal.
        worst: largest difference between the two, of the full range; None unless consistency was asked for.
        steps: corrections made for consistency; None likewise.
        consistent: whether the difference is within 1/255 everywhere; None likewise.
        disagreement: float32 (H, W), see `fourpass.upscaling.consistency.disagreement`; None unless asked for.
    """

    lr_psnr: float
    worst: float | None = None
    steps: int | None = None
    consistent: bool | None = None
    disagreement: NDArray[np.float32] | None = None


class FaithfulUpscaler(Upscaler):
    """An Upscaler that also looks back at its input; whole pictures are in memory if it must change or compare them.

    Args:
        model: a packaged family or a blend where a mask or the disagreement needs both ends; else as `Upscaler` has it.
        mask: painted strength, black faithful and white perceptual, of any size; see `dial.strength_map`.
        consistent: change each result until it shrinks back to its input, see `consistency.back_project`.
        disagreement: also find where the faithful and the perceptual result differ.
        options: as `Upscaler` has them.

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
            raise ConfigError("a strength map and a strength are both given; leave one of them out")
        if consistent:
            wear = options.get("restore", AUTO)
            if wear not in (AUTO, 0):
                raise ConfigError(
                    f"consistency holds the result to its input as it is, and restore {wear} changes that; "
                    "leave one of them out"
                )
            options = {name: value for name, value in options.items() if name != "restore"}
            options |= {"restore": 0.0} if has_dial(model, "restore") else {}
        super().__init__(model, **options)
        self._mask, self._consistent, self._disagreement = mask, consistent, disagreement
        self._options = options
        self._levels: dict[float, Upscaler] = {}
        self._facts: list[Facts] = []
        if mask is not None or disagreement:
            self._at(1.0)  # fails now, and not after minutes, where there are no perceptual weights

    def take_facts(self) -> list[Facts]:
        """Return what is known of the frames upscaled since the last call."""
        facts = list(self._facts)
        self._facts.clear()
        return facts

    def rows(
        self,
        image: Pixels,
        scale: float | None = None,
        *,
        size: tuple[int, int] | None = None,
        self_ensemble: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Iterator[Pixels]:
        """As `Upscaler.rows`; gray pictures (H, W) are held to their input like others."""
        image, size = self._checked(image, scale, size)
        settled, _ = self.for_picture(image)
        if settled is not self:
            return settled.rows(image, size=size, self_ensemble=self_ensemble, progress=progress)
        if image.ndim == 2:
            bands = self.rows(image[..., None], size=size, self_ensemble=self_ensemble, progress=progress)
            return (band[..., 0] for band in bands)
        larger = size[0] >= image.shape[0] and size[1] >= image.shape[1]
        if self._consistent and not larger:
            raise ConfigError(f"consistency is for enlarging; {size[1]}x{size[0]} is smaller than the input")
        if self._mask is None and not self._consistent and not self._disagreement:
            bands = super().rows(image, size=size, self_ensemble=self_ensemble, progress=progress)
            return self._measured(bands, image, size) if larger else bands
        return self._whole(image, size, self_ensemble, progress)

    def _measured(self, bands: Iterator[Pixels], image: Pixels, size: tuple[int, int]) -> Iterator[Pixels]:
        meter = ShrinkMeter(image, size)
        for band in bands:
            meter.add(band)
            yield band
        self._facts.append(Facts(meter.decibels()))

    def _whole(
        self, image: Pixels, size: tuple[int, int], self_ensemble: bool, progress: ProgressCallback | None
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
        meter = ShrinkMeter(image, size)
        meter.add(result)
        found = consistency.disagreement(pictures[0.0], pictures[1.0]) if self._disagreement else None
        self._facts.append(Facts(meter.decibels(), disagreement=found, **known))
        yield result

    def _at_restore(self, level: float) -> Upscaler:
        looks: dict[str, Any] = {"mask": self._mask, "disagreement": self._disagreement}
        engine = {"engine", "backend", "device", "precision", "threads"}
        options = {name: value for name, value in self._options.items() if name not in engine}
        settled = FaithfulUpscaler(self._model, **looks, **{**options, "restore": level, "engine": self.engine})
        settled._facts = self._facts
        return settled

    def _at(self, level: float) -> Upscaler:
        if level not in self._levels:
            if isinstance(self._model, Blend):
                upscaler = Upscaler(replace(self._model, share=level), **self._options)
            else:
                upscaler = Upscaler(self._model, **{**self._options, "strength": level})
            self._levels[level] = upscaler
        return self._levels[level]


class ShrinkMeter:
    """Measures the LR-PSNR of a picture that passes in bands, in about the memory that its input takes.

    Args:
        image: the input, (H, W, C), uint8, uint16 or float32 on 0..1.
        size: (rows, columns) of the picture, at least the input's.
    """

    def __init__(self, image: Pixels, size: tuple[int, int]) -> None:
        self._input = image
        self._weights, self._indices = contributions(size[0], image.shape[0], image.shape[0] / size[0])
        self._shrunk = np.zeros(image.shape, np.float32)
        self._row = 0

    def add(self, band: Pixels) -> None:
        """Take the next rows, (rows, columns, C), of the input's dtype."""
        for start in range(0, len(band), _ROWS):
            block = band[start : start + _ROWS].astype(np.float32)
            narrow = imresize(block, size=(len(block), self._input.shape[1]))
            inside = (self._indices >= self._row) & (self._indices < self._row + len(block))
            touched = np.flatnonzero(inside.any(axis=1))
            matrix = np.zeros((len(touched), len(block)), np.float32)
            at, tap = np.nonzero(inside[touched])
            np.add.at(matrix, (at, self._indices[touched][at, tap] - self._row), self._weights[touched][at, tap])
            self._shrunk[touched] += np.tensordot(matrix, narrow, axes=1)
            self._row += len(block)

    def decibels(self) -> float:
        """The LR-PSNR, once every row has been taken; infinite where nothing differs."""
        top = 1.0 if self._input.dtype.kind == "f" else float(np.iinfo(self._input.dtype).max)
        difference = (self._shrunk - self._input.astype(np.float32)) / np.float32(top)
        error = float(np.mean(np.square(difference), dtype=np.float64))
        return -10 * math.log10(error) if error else math.inf


def _share(progress: ProgressCallback | None, number: int, runs: int) -> ProgressCallback | None:
    """Progress of one of several equal runs, as progress of all."""
    if progress is None:
        return None
    return lambda share: progress((number + share) / runs)
