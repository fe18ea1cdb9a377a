"""A discriminator that compares: which of two pictures of the same scene is the real one, place by place.

Relativistic pairing (Jolicoeur-Martineau, 2018, arXiv 1807.00734; Huang et al., 2024, arXiv 2501.05441), with the pairs
of super-resolution itself: the truth and the upscaled result. Pictures are RGB on 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fourpass.losses.perceptual import Judge

NOISE = 1.0  # grey levels


def relative_discrimination(truth_logits: Tensor, upscaled_logits: Sequence[Tensor]) -> Tensor:
    """Minus the logarithm of the probability that truth and upscaled are told apart, mean over places and batches.

    Args:
        truth_logits: of the truth, (N, positions), higher for real.
        upscaled_logits: of each upscaled batch, the same shape.
    """
    return torch.stack([F.softplus(logits - truth_logits).mean() for logits in upscaled_logits]).mean()


def relative_to(judge: Judge, truth: Tensor) -> Judge:
    """Return a judge whose logits are how much more real than the truth it finds a picture, place by place.

    With it `fourpass.losses.perceptual.adversarial` is the generator's side of `relative_discrimination`.
    """
    with torch.no_grad():
        truth_logits = judge(truth)
    return lambda picture: judge(picture) - truth_logits


def unsteadiness(
    judge: Judge,
    pictures: Sequence[Tensor],
    logits: Sequence[Tensor],
    seed: Sequence[int],
    unit: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Mean squared change of logits when noise of one grey level is added: nearly the mean squared gradient.

    Kept small, it keeps the discriminator's slope, which is all that the generator learns from, from growing without
    end: R1 and R2 (Mescheder et al., 2018, arXiv 1801.04406, section 4.1) without derivatives of derivatives.

    Args:
        judge: picture -> logits.
        pictures: batches (N, 3, H, W).
        logits: what it says of them.
        seed: what the noise is drawn from.
        unit: picture -> grey levels that count as one, if not everywhere one.

    Returns:
        scalar: sum over the batches.
    """
    rng = np.random.default_rng(list(seed))
    changes = []
    for picture, before in zip(pictures, logits, strict=True):
        noise = torch.from_numpy(rng.standard_normal(picture.shape, np.float32)).to(picture.device)
        if unit is not None:
            noise = noise * unit(picture)
        changes.append((judge(picture + NOISE * noise) - before).square().mean())
    return torch.stack(changes).sum()
