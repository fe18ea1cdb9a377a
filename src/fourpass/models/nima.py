"""The score predictor: NIMA (Talebi and Milanfar, 2018) on MobileNetV2 (4PP-EUSR paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fourpass.models.mobilenet_v2 import MobileNetV2

SCORES = 10  # classes: the scores 1..10


class NIMA(nn.Module):
    """MobileNetV2, dropout, a dense layer of ten, softmax.

    Args:
        width: multiplier of MobileNetV2's channels (paper: 1.0).
        dropout: fraction of the pooled features dropped in training (the authors' program: 0.75).
    """

    def __init__(self, width: float = 1.0, dropout: float = 0.75) -> None:
        super().__init__()
        self.trunk = MobileNetV2(width)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(self.trunk.channels, SCORES)

    def features(self, image: Tensor) -> Tensor:
        """Return the pooled features (N, 1280) of RGB images (N, 3, H, W) on 0..255; H and W at least 32."""
        return torch.as_tensor(self.trunk((image - 127.5) / 127.5))

    def maps(self, image: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Return the outputs (N, C, H', W') of some of MobileNetV2's 19 layers, for RGB images on 0..255."""
        return self.trunk.maps((image - 127.5) / 127.5, layers)

    def distribution(self, features: Tensor) -> Tensor:
        """Return the probabilities (N, 10) of the scores 1..10 for pooled features (N, 1280)."""
        return torch.softmax(self.dense(self.dropout(features)), dim=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Predict how people would score images.

        Args:
            image: (N, 3, H, W) RGB on 0..255; H and W at least 32, trained on 192x192.

        Returns:
            the probabilities (N, 10) of the scores 1..10, and the pooled features (N, 1280).
        """
        features = self.features(image)
        return self.distribution(features), features


def mean_score(probabilities: Tensor) -> Tensor:
    """Return the mean score (N,) on 1..10 of distributions (N, 10): the sum over i of i * p_i (paper, section 3.4)."""
    return probabilities @ _scores(probabilities)


def score_spread(probabilities: Tensor) -> Tensor:
    """Return the standard deviation (N,) of distributions (N, 10), in scores."""
    scores = _scores(probabilities)
    mean = (probabilities @ scores).unsqueeze(1)
    return (probabilities * (scores - mean) ** 2).sum(dim=1).sqrt()


def _scores(probabilities: Tensor) -> Tensor:
    return torch.arange(1, SCORES + 1, dtype=probabilities.dtype, device=probabilities.device)
