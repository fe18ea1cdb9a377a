"""Families of packaged weights: corners that blend into each other, along axes that users turn as dials.

The metadata of the files says which weights belong together, where they lie in their family, and what its default
positions are. A new family needs only files in `packaged/`, and no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

from fourpass.errors import ConfigError
from fourpass.weights import file
from fourpass.weights.file import Metadata, Weights
from fourpass.weights.mixing import mix

# axis -> what its ends are, 0 first. Names are what users say: an option of the command line, a key of the API.
AXES: Mapping[str, tuple[str, str]] = {
    "strength": ("faithful", "perceptual"),
    "restore": ("as it is", "cleaned"),
}


@dataclass(frozen=True)
class Family:
    """Packaged weights that blend.

    Attributes:
        name: what users call it; also the packaged name of the weights that are 0 on every axis.
        axes: those on which it has weights at 1, in the order of `AXES`.
        members: corner, 0 or 1 for each of `axes`, -> packaged name.
        defaults: axis -> scale -> position; 0 if absent.
    """

    name: str
    axes: tuple[str, ...]
    members: Mapping[tuple[int, ...], str]
    defaults: Mapping[str, Mapping[int, float]]

    def default(self, axis: str, scale: int) -> float:
        """Return the default position of a dial at a scale."""
        return self.defaults.get(axis, {}).get(scale, 0.0)

    def weights(self, positions: Mapping[str, float]) -> Weights:
        """Return the weights at a position, linear along each axis.

        Args:
            positions: axis -> 0..1; an axis that is left out is 0.

        Raises:
            ConfigError: a position is outside 0..1, the family has no such axis, or lacks weights that are needed.
            WeightsError: a file is damaged, or the files do not fit each other.
        """
        check(positions)
        for axis, position in positions.items():
            high = AXES[axis][1]
            if position and axis not in self.axes:
                raise ConfigError(
                    f"{axis} {position} needs weights of {self.name} that are not installed ({high})",
                    hint=f"use {axis} 0",
                )
        members, shares = [], []
        for corner in product((0, 1), repeat=len(self.axes)):
            share = 1.0
            for axis, end in zip(self.axes, corner, strict=True):
                position = positions.get(axis, 0.0)
                share *= position if end else 1 - position
            if not share:
                continue
            if corner not in self.members:
                ends = " and ".join(AXES[axis][end] for axis, end in zip(self.axes, corner, strict=True))
                raise ConfigError(f"{self.name} has no weights that are {ends}", hint="set one of its dials to 0")
            members.append(file.load(self.members[corner]))
            shares.append(share)
        return mix(members, shares)


def check(positions: Mapping[str, float]) -> None:
    """Raise ConfigError where a dial's position is outside 0..1."""
    for axis, position in positions.items():
        if not 0 <= position <= 1:
            low, high = AXES[axis]
            raise ConfigError(f"{axis} {position} is not within 0..1 (0 {low}, 1 {high})")


def families() -> dict[str, Family]:
    """Return the packaged families by name, sorted."""
    known: dict[str, dict[str, Metadata]] = {}
    for name in file.available():
        path = file.locate(name)
        metadata = _metadata(str(path), path.stat().st_mtime_ns)
        if metadata.family:
            known.setdefault(metadata.family, {})[name] = metadata
    return {name: _family(name, members) for name, members in sorted(known.items()) if name in members}


def find(name: str) -> tuple[Family, dict[str, float]] | None:
    """Return the family of packaged weights and their position in it; None if the name belongs to no family."""
    for family in families().values():
        for corner, member in family.members.items():
            if member == name:
                return family, {axis: float(end) for axis, end in zip(family.axes, corner, strict=True)}
    return None


@cache
def _metadata(path: str, changed: int) -> Metadata:
    return file.read_metadata(path)


def _family(name: str, members: Mapping[str, Metadata]) -> Family:
    axes = tuple(axis for axis in AXES if any(metadata.corner.get(axis) for metadata in members.values()))
    corners = {
        tuple(int(metadata.corner.get(axis, 0)) for axis in axes): member for member, metadata in members.items()
    }
    defaults = {
        axis: {int(scale): float(position) for scale, position in positions.items()}
        for axis, positions in members[name].defaults.items()
    }
    return Family(name, axes, corners, defaults)
