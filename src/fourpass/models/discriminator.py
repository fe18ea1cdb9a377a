"""The discriminator that tells upscaled pictures from real ones (4PP-EUSR paper, section 3.3, Fig. 5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (32, 32, 64, 64, 128, 128, 256, 256, 512, 512)
SLOPE = 0.2
VERDICTS = ("image", "position")
VIEWS = ("pixels", "detail", "contrast")
_DETAIL_REACH = 2
_DETAIL_RANGE = 8.0
_CONTRAST_REACH = 8
_CONTRAST_FLOOR = 2.0  # grey levels
_CONTRAST_SHARE = 0.5


class Discriminator(nn.Module):
    """Ten convolutions, every second one with stride 2, then two fully connected layers; no batch norm.

    Args:
        patch: side of its square input in pixels, a multiple of 2 ** (layers / 2) (paper: 192). Only
            ``verdict="image"`` is bound to it: its first dense layer spans the whole grid of positions.
        verdict: ``image``, one logit an image, as the paper has it; ``position``, the dense layers applied to each
            position (36 logits for 192 pixels), as the authors' program has it, for any input size.
        width: factor on the numbers of channels and hidden units; the paper's at 1.
        layers: how many of the ten convolutions to use, an even number; fewer judge smaller neighbourhoods, more often.
        view: ``pixels``, 0..255 as the paper has it; ``detail``, what a 5x5 mean leaves over, divided by 8. Sharpness
            is then in plain sight: of real and upscaled patches in pairs, six layers judge 90 % rightly after
            50 steps, and 72 % after 280 with ``pixels``; and it cannot ask for other colours. ``contrast``, the same
            divided by `contrast_range` instead: what is faint but fine, the grain of walls and skies, then counts as
            much as what is strong, as it does to eyes.

    Raises:
        ValueError: a number breaks a rule above, or an unknown verdict or view.
    """

    def __init__(
        self,
        patch: int = 192,
        verdict: str = "image",
        width: float = 1.0,
        *,
        layers: int = len(CHANNELS),
        view: str = "pixels",
    ) -> None:
        super().__init__()
        if layers not in range(2, len(CHANNELS) + 1, 2):
            raise ValueError(f"layers {layers} is not an even number within 2..{len(CHANNELS)}")
        stride = 2 ** (layers // 2)
        if patch < stride or patch % stride:
            raise ValueError(f"patch {patch} is not a positive multiple of {stride}, as {layers} layers require")
        for name, value, choices in (("verdict", verdict, VERDICTS), ("view", view, VIEWS)):
            if value not in choices:
                raise ValueError(f"{name} {value!r} is not one of {', '.join(choices)}")
        self.patch, self.verdict, self.view = patch, verdict, view
        channels = [3, *(max(1, round(count * width)) for count in CHANNELS[:layers])]
        self.convs = nn.ModuleList(nn.Conv2d(channels[i], channels[i + 1], 3, stride=1 + i % 2) for i in range(layers))
        positions = (patch // stride) ** 2 if verdict == "image" else 1
        hidden = max(1, round(1024 * width))
        self.hidden = nn.Linear(channels[-1] * positions, hidden)
        self.final = nn.Linear(hidden, 1)
        for layer in (*self.convs, self.hidden):
            assert isinstance(layer, (nn.Conv2d, nn.Linear))
            if view == "pixels":
                nn.init.xavier_uniform_(layer.weight)  # as the authors' program: mean logits start near 1
            else:  # Differs from the paper: detail is a hundred times smaller than pixels, and would fade on its way.
                nn.init.kaiming_uniform_(layer.weight, a=SLOPE, nonlinearity="leaky_relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.xavier_uniform_(self.final.weight) if view == "pixels" else nn.init.normal_(self.final.weight, std=0.01)
        nn.init.zeros_(self.final.bias)

    def unit(self, image: Tensor) -> Tensor:
        """Grey levels that count as one: (N, 1, H, W), an eighth of `contrast_range` for ``contrast``, else 1."""
        if self.view == "contrast":
            return contrast_range(image) / _DETAIL_RANGE
        return image.new_ones(len(image), 1, 1, 1)

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
        x = image if self.view == "pixels" else detail(image) / self.unit(image)
        for conv in self.convs:
            x = F.leaky_relu(_convolve_same(conv, x), SLOPE)
        grid = x.permute(0, 2, 3, 1)
        grid = grid.flatten(1) if self.verdict == "image" else grid.flatten(1, 2)
        logits: Tensor = self.final(F.leaky_relu(self.hidden(grid), SLOPE))
        return logits.flatten(1)


def detail(image: Tensor) -> Tensor:
    """What the mean of a 5x5 square leaves over, divided by 8: (N, C, H, W) on 0..255 to about -1..1."""
    return (image - _mean(image, _DETAIL_REACH)) / _DETAIL_RANGE


def contrast_range(image: Tensor) -> Tensor:
    """Grey levels that detail is measured by: 2, and half of how much means of 5x5 squares deviate within 17x17.

    Coarse enough to be the same for truth and upscaled, so that missing detail still shows as missing.

    Args:
        image: (N, C, H, W) on 0..255.

    Returns:
        (N, 1, H, W), 2 or more, without gradient.
    """
    with torch.no_grad():
        coarse = _mean(image.mean(1, keepdim=True), _DETAIL_REACH)
        coarse = coarse - coarse.mean((-1, -2), keepdim=True)
        variance = _mean(coarse.square(), _CONTRAST_REACH) - _mean(coarse, _CONTRAST_REACH).square()
        return _CONTRAST_FLOOR + _CONTRAST_SHARE * variance.clamp(min=0).sqrt()


def _mean(image: Tensor, reach: int) -> Tensor:
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * reach + 1, stride=1)


def accuracy(truth_logits: Tensor, upscaled_logits: Tensor) -> float:
    """Share of pictures (or positions) that the discriminator judged rightly, truth and upscaled weighing the same."""
    right = (truth_logits > 0).float().mean() + (upscaled_logits <= 0).float().mean()
    return float(torch.clamp(right / 2, 0, 1))


def relative_accuracy(truth_logits: Tensor, upscaled_logits: Tensor) -> float:
    """Share of places where truth has a higher logit than what was upscaled there.

    Args:
        truth_logits: (N, positions).
        upscaled_logits: (M * N, positions), of M upscaled batches one after the other.
    """
    return float((truth_logits > upscaled_logits.view(-1, *truth_logits.shape)).float().mean())


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
