"""Weights: files, blends and families. No torch."""

from fourpass.weights.file import (
    FORMAT,
    Metadata,
    Weights,
    available,
    load,
    locate,
    read_metadata,
    save,
)
from fourpass.weights.mixing import average, interpolate, mix

__all__ = [
    "FORMAT",
    "Metadata",
    "Weights",
    "available",
    "average",
    "interpolate",
    "load",
    "locate",
    "mix",
    "read_metadata",
    "save",
]
