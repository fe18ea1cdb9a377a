"""The losses of 4PP-EUSR, one function a term, named by what it measures (4PP-EUSR paper, section 4.3).

Each takes one upscaled batch; the paper averages a term over the three upscaled batches of multi-pass upscaling, which
`fourpass.losses.terms.generator_terms` and `discrimination` do. Pictures are RGB on 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fourpass.errors import ConfigError

MAX_SCORE = 10.0
REDUCTIONS = ("sum", "mean")
Judge = Callable[[Tensor], Tensor]
Predictor = Callable[[Tensor], "tuple[Tensor, Tensor]"]


def reconstruction(truth: Tensor, upscaled: Tensor) -> Tensor:
    """l_r: mean absolute difference of pixels (equation 2).

    Args:
        truth, upscaled: (N, 3, H, W) on 0..255.
    """
    return (truth - upscaled).abs().mean()


def adversarial(upscaled_logits: Tensor) -> Tensor:
    """l_g: minus the logarithm of the probability that the discriminator gives upscaled pictures (equation 3).

    Args:
        upscaled_logits: any shape; positive for real.
    """
    return F.softplus(-upscaled_logits).mean()


def score_gap(truth_score: Tensor, upscaled_score: Tensor, alpha: float = 0.8) -> Tensor:
    """l_as and l_ss: how far a score falls short of an even better one than the truth's (equations 4 and 6).

    Args:
        truth_score, upscaled_score: (N,) mean scores on 1..10.
        alpha: share of the truth's distance to the highest score that is aimed at (alpha_as, alpha_ss; paper: 0.8).
    """
    gap = (MAX_SCORE - upscaled_score) - alpha * (MAX_SCORE - truth_score)
    return torch.relu(gap).mean()


def representation(truth_features: Tensor, upscaled_features: Tensor, reduction: str = "sum") -> Tensor:
    """l_ar and l_sr: squared difference of the predictor's pooled features (equations 5 and 7).

    Args:
        truth_features, upscaled_features: (N, 1280).
        reduction: ``sum`` over the features, as in the paper; ``mean``, as in the authors' program.

    Raises:
        ConfigError: another reduction.
    """
    if reduction not in REDUCTIONS:
        raise ConfigError(f"reduction {reduction!r} is not one of {', '.join(REDUCTIONS)}")
    squares = (truth_features - upscaled_features).square()
    return (squares.sum(1) if reduction == "sum" else squares.mean(1)).mean()


def discrimination(truth_logits: Tensor, upscaled_logits: Sequence[Tensor]) -> Tensor:
    """Sigmoid cross entropy of the discriminator (section 4.3): truth is 1, upscaled is 0.

    Args:
        truth_logits: logits of the real pictures.
        upscaled_logits: logits of each upscaled batch; their terms are averaged.
    """
    fake = torch.stack([F.softplus(logits).mean() for logits in upscaled_logits]).mean()
    return F.softplus(-truth_logits).mean() + fake
