"""What an engine loads: weights of ours at one scale, or a file of another maker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fourpass.weights import Weights


@dataclass(frozen=True)
class OurWeights:
    """An upscaling network of ours at one of its scales, or a score predictor (scale None)."""

    weights: Weights
    scale: int | None

    def __str__(self) -> str:
        return self.weights.source


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX file; external data lie beside it."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class NcnnFiles:
    """A pair of files of ncnn's; `ends` are the names of its input and output."""

    param: Path
    content: Path
    ends: tuple[str, str]

    def __str__(self) -> str:
        return str(self.param)


@dataclass(frozen=True)
class TorchFile:
    """PyTorch weights of another maker's architecture, which spandrel knows."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Source: TypeAlias = OurWeights | OnnxFile | NcnnFiles | TorchFile
