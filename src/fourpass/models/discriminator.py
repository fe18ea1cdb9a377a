"""The discriminator that tells upscaled pictures from real ones (4PP-EUSR paper, section 3.3, Fig. 5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (32, 32, 64, 64, 128, 128, 256, 256, 512, 512)
SLOPE = 0.2
VERDICTS = ("image", "position")


class Discriminator(nn.Module):
    """Ten convolutions, every second one with stride 2, then two fully connected layers; no batch norm.

    Args:
        patch: side of its square input in pixels, a multiple of 32 (paper: 192). Only ``verdict="image"`` is bound to
            it: its first dense layer spans the whole (patch / 32) x (patch / 32) grid of positions.
        verdict: ``image``, one logit an image, as the paper has it; ``position``, the dense layers applied to each
            position (36 logits for 192 pixels), as the authors' program has it, for any input size.
        width: factor on the numbers of channels and hidden units; the paper's at 1.
        centred: map 0..255 to -1..1 first. Off, as in the paper, the first layer sees 0..255 and new weights start
            with logits of tens, which a run of few steps cannot afford.

    Raises:
        ValueError: the patch is not a positive multiple of 32, or the verdict unknown.
    """

    def __init__(self, patch: int = 192, verdict: str = "image", width: float = 1.0, *, centred: bool = False) -> None:
        super().__init__()
        if patch < 32 or patch % 32:
            raise ValueError(f"patch {patch} is not a positive multiple of 32")
        if verdict not in VERDICTS:
            raise ValueError(f"verdict {verdict!r} is not one of {', '.join(VERDICTS)}")
        self.patch, self.verdict, self.centred = patch, verdict, centred
        channels = [3, *(max(1, round(count * width)) for count in CHANNELS)]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels[i], channels[i + 1], 3, stride=1 + i % 2) for i in range(len(CHANNELS))
        )
        positions = (patch // 32) ** 2 if verdict == "image" else 1
        hidden = max(1, round(1024 * width))
        self.hidden = nn.Linear(channels[-1] * positions, hidden)
        self.final = nn.Linear(hidden, 1)
        for layer in (*self.convs, self.hidden, self.final):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        """Judge a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255; H and W equal to `patch` for ``verdict="image"``.

        Returns:
            logits, positive for real: (N, 1), or (N, positions) in row order for ``verdict="position"``.

        Raises:
            ValueError: the size is not `patch` and the verdict is one an image.
        """
        if self.verdict == "image" and tuple(image.shape[-2:]) != (self.patch, self.patch):
            raise ValueError(f"input of {tuple(image.shape[-2:])} pixels is not {self.patch}x{self.patch}")
        x = (image - 127.5) / 127.5 if self.centred else image
        for conv in self.convs:
            x = F.leaky_relu(_convolve_same(conv, x), SLOPE)
        grid = x.permute(0, 2, 3, 1)
        grid = grid.flatten(1) if self.verdict == "image" else grid.flatten(1, 2)
        logits: Tensor = self.final(F.leaky_relu(self.hidden(grid), SLOPE))
        return logits.flatten(1)


def _convolve_same(conv: nn.Module, x: Tensor) -> Tensor:
    """Convolve with TensorFlow's 'same' padding: a stride of 2 pads even lengths on the right and bottom only."""
    assert isinstance(conv, nn.Conv2d)
    if conv.stride[0] == 1:
        return F.conv2d(x, conv.weight, conv.bias, padding=1)
    pads = []
    for length in (x.shape[-1], x.shape[-2]):
        total = max((math.ceil(length / 2) - 1) * 2 + 3 - length, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), conv.weight, conv.bias, stride=2)


def accuracy(truth_logits: Tensor, upscaled_logits: Tensor) -> float:
    """Share of pictures (or positions) that the discriminator judged rightly, truth and upscaled weighing the same."""
    right = (truth_logits > 0).float().mean() + (upscaled_logits <= 0).float().mean()
    return float(torch.clamp(right / 2, 0, 1))
