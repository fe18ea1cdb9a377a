"""The perceptual index of the PIRM challenge (Blau et al. 2018): Ma's score and NIQE in one number."""

from __future__ import annotations


def perceptual_index(ma: float, niqe: float) -> float:
    """Return ((10 - Ma) + NIQE) / 2; lower is better.

    Args:
        ma: SR score of Ma et al., 0..10, higher is better; see `fourpass.metrics.ma`.
        niqe: NIQE, lower is better; see `fourpass.metrics.niqe`.
    """
    return ((10 - ma) + niqe) / 2
