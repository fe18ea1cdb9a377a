"""What an engine loads: fourpass weights at one scale, or a file from another project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fourpass.weights import Weights


@dataclass(frozen=True)
class OurWeights:
    """A fourpass upscaling network at one of its scales, or a score predictor (scale None)."""

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
    """A pair of ncnn files; `ends` are the names of the input and output."""

    param: Path
    content: Path
    ends: tuple[str, str]

    def __str__(self) -> str:
        return str(self.param)


@dataclass(frozen=True)
class TorchFile:
    """PyTorch weights of another project's architecture, which spandrel supports."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Source: TypeAlias = OurWeights | OnnxFile | NcnnFiles | TorchFile
