"""The contextual loss CX (Mechrez et al., arXiv 1803.02077, equations 1-5), in bounded memory.

Two pictures are alike when most features of the truth have a feature of the upscaled picture, wherever it lies, that is
nearer to them than to the others. All pairs of positions are compared, so N positions make N * N of them; here only
``chunk`` rows of that matrix exist at a time, forward and backward.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


def contextual_loss(
    truth: Tensor, upscaled: Tensor, *, bandwidth: float = 0.5, epsilon: float = 1e-5, chunk: int = 512
) -> Tensor:
    """Return -log CX(upscaled, truth), averaged over the batch.

    Args:
        truth: (N, C, H, W) features of the truth; no gradients are asked of it.
        upscaled: (N, C, H', W') features of the upscaled picture; gradients flow through it.
        bandwidth: h of equation 3 (paper: 0.5).
        epsilon: of equation 2.
        chunk: positions of the upscaled picture that are compared with all of the truth at once; the matrix in memory
            has chunk * H * W values, what is kept of the others one row a chunk, and the result does not depend on it.

    Returns:
        scalar, 0 or more.

    Raises:
        ValueError: batch or channels differ, or chunk is not positive.
    """
    if truth.shape[:2] != upscaled.shape[:2]:
        raise ValueError(f"features {tuple(truth.shape)} and {tuple(upscaled.shape)} differ in batch or channels")
    if chunk < 1:
        raise ValueError(f"chunk {chunk} is not at least 1")
    precision = torch.promote_types(upscaled.dtype, torch.float32)
    losses = []
    with torch.autocast(upscaled.device.type, enabled=False):
        for theirs, ours in zip(truth.detach().to(precision), upscaled.to(precision), strict=True):
            centre = theirs.mean(dim=(1, 2), keepdim=True)
            columns = F.normalize((theirs - centre).flatten(1), dim=0)
            rows = F.normalize((ours - centre).flatten(1).T, dim=1)
            nearest = [
                checkpoint(_nearest, part, columns, bandwidth, epsilon, use_reentrant=False)
                for part in torch.split(rows, chunk)
            ]
            losses.append(-torch.log(torch.stack(nearest).amax(dim=0).mean()))
    return torch.stack(losses).mean()


def _nearest(rows: Tensor, columns: Tensor, bandwidth: float, epsilon: float) -> Tensor:
    """For every position of the truth the largest CX_ij among these of the upscaled picture (equations 2-4)."""
    distance = (1 - rows @ columns).clamp_min(0)
    relative = distance / (distance.amin(dim=1, keepdim=True) + epsilon)
    # Equation 4's normalised exp((1 - d) / h) is a softmax; written so, it cannot overflow.
    return torch.softmax((1 - relative) / bandwidth, dim=1).amax(dim=0)
