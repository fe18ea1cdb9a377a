"""The losses of 4PP-EUSR, one function a term, named by what it measures (4PP-EUSR paper, section 4.3).

Each takes one upscaled batch; the paper averages a term over the three upscaled batches of multi-pass upscaling, which
`generator_terms` and `discriminator_loss` do. Pictures are RGB on 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class LossWeights:
    """The weights of the six terms (equation 8); a term of weight 0 is neither computed nor its network run.

    Attributes:
        reconstruction: of l_r, alpha_r of equation 9 (the authors' program: 0.05).
        adversarial: of l_g.
        aesthetic_score, aesthetic_representation: of l_as and l_ar.
        subjective_score, subjective_representation: of l_ss and l_sr.
    """

    reconstruction: float = 0.03
    adversarial: float = 0.1
    aesthetic_score: float = 0.01
    aesthetic_representation: float = 0.1
    subjective_score: float = 0.01
    subjective_representation: float = 0.1

    def of(self, predictor: str) -> tuple[float, float]:
        """Weights of a predictor's score and representation terms; it runs if either is above 0."""
        return getattr(self, f"{predictor}_score"), getattr(self, f"{predictor}_representation")


def generator_terms(
    truth: Tensor,
    upscaled: Sequence[Tensor],
    weights: LossWeights,
    *,
    judge: Judge | None = None,
    predictors: Mapping[str, Predictor] | None = None,
    alphas: Mapping[str, float] | None = None,
    reduction: str = "sum",
) -> dict[str, Tensor]:
    """The terms of the generator's loss whose weight is not 0, each averaged over the upscaled batches.

    Args:
        truth: (N, 3, H, W) on 0..255.
        upscaled: the upscaled batches, each of truth's shape.
        weights: which terms count, and how much.
        judge: picture -> logits; wanted unless the adversarial weight is 0.
        predictors: ``aesthetic`` and ``subjective``: picture on 0..255 -> (scores (N,), pooled features (N, 1280));
            one whose two weights are 0 is not called and may be missing.
        alphas: alpha_as and alpha_ss under the predictors' names; 0.8 each by default.
        reduction: of the representation terms, see `representation`.

    Raises:
        ConfigError: a term counts and its network is missing.
    """
    terms: dict[str, Tensor] = {}
    if weights.reconstruction:
        terms["reconstruction"] = _mean([reconstruction(truth, one) for one in upscaled])
    if weights.adversarial:
        if judge is None:
            raise ConfigError(
                "the adversarial loss has a weight and there is no discriminator; set it to 0 or give one"
            )
        terms["adversarial"] = _mean([adversarial(judge(one)) for one in upscaled])
    for name in ("aesthetic", "subjective"):
        score_weight, representation_weight = weights.of(name)
        if not (score_weight or representation_weight):
            continue
        predict = (predictors or {}).get(name)
        if predict is None:
            raise ConfigError(
                f"the {name} losses have a weight and there is no {name} predictor; set them to 0 or give it"
            )
        with torch.no_grad():
            truth_score, truth_features = predict(truth)
        results = [predict(one) for one in upscaled]
        if score_weight:
            alpha = (alphas or {}).get(name, 0.8)
            terms[f"{name}_score"] = _mean([score_gap(truth_score, score, alpha) for score, _ in results])
        if representation_weight:
            terms[f"{name}_representation"] = _mean(
                [representation(truth_features, features, reduction) for _, features in results]
            )
    return terms


def weighted_sum(terms: Mapping[str, Tensor], weights: LossWeights) -> Tensor:
    """l: the sum of the terms, each times its weight (equation 8).

    Raises:
        ConfigError: there is no term, because every weight is 0.
    """
    if not terms:
        raise ConfigError("every loss weight is 0; give at least one term a weight")
    return torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean()
