"""Blend or average weights of one lineage. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import ConfigError, WeightsError
from fourpass.weights.file import Weights


def interpolate(a: Weights, b: Weights, t: float) -> Weights:
    """Blend two sets of weights of one lineage: (1 - t) * a + t * b.

    Args:
        a: weights at t = 0.
        b: weights at t = 1.
        t: 0..1.

    Raises:
        ConfigError: t is outside 0..1.
        WeightsError: architecture, numbers, lineage or tensor names differ.
    """
    if not 0 <= t <= 1:
        raise ConfigError(f"interpolation factor {t} is not within 0..1")
    return mix([a, b], [1 - t, t])


def mix(members: Sequence[Weights], shares: Sequence[float]) -> Weights:
    """Add up weights of one lineage, each times its share.

    Args:
        members: at least one.
        shares: one each, 1 in all. Members whose share is 0 must fit, too, but are not looked at.

    Returns:
        float32 weights with the first one's metadata; the member itself if it has the only share.

    Raises:
        WeightsError: architecture, numbers, lineage or tensor names differ.
    """
    for other in members[1:]:
        _check_relatives(members[0], other, "interpolated", "blend their pixels instead", "blend-pixels")
    used = [(member, share) for member, share in zip(members, shares, strict=True) if share]
    if len(used) == 1:
        return used[0][0]
    mixed: dict[str, NDArray[np.float32]] = {}
    for name in members[0].tensors:
        total = np.zeros_like(members[0].tensors[name], np.float32)
        for member, share in used:
            total += np.float32(share) * member.tensors[name]
        mixed[name] = total
    note = " and ".join(f"{share:g} of {member.metadata.note or member.source}" for member, share in used)
    source = " + ".join(member.source for member, _ in used)
    return Weights(mixed, replace(members[0].metadata, note=note), source)


def average(members: Sequence[Weights]) -> Weights:
    """Average weights of one lineage, such as runs with the same start but different patches (arXiv 2203.05482).

    What only one of them learned fades; what all learned stays.

    Args:
        members: at least one.

    Returns:
        float32 weights with the first one's metadata.

    Raises:
        WeightsError: none are given, or architecture, numbers, lineage or tensor names differ.
    """
    if not members:
        raise WeightsError("no weights to average", hint="give at least one")
    first = members[0]
    for other in members[1:]:
        _check_relatives(first, other, "averaged")
    tensors = {
        name: np.asarray(np.mean([np.asarray(member.tensors[name], np.float32) for member in members], axis=0))
        for name in first.tensors
    }
    return Weights(tensors, first.metadata, " + ".join(member.source for member in members))


def _check_relatives(a: Weights, b: Weights, done: str, hint: str = "", key: str = "") -> None:
    for name in ("architecture", "numbers", "lineage"):
        one, other = getattr(a.metadata, name), getattr(b.metadata, name)
        if one != other:
            raise WeightsError(
                f"{a.source} and {b.source} cannot be {done}: {name} is {one!r} in one and {other!r} in the other",
                hint=hint,
                key=key,
            )
    if a.tensors.keys() != b.tensors.keys():
        odd = sorted(a.tensors.keys() ^ b.tensors.keys())[0]
        raise WeightsError(f"{a.source} and {b.source} cannot be {done}: only one of them has {odd}")
