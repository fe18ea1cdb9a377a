"""MDSR, the multi-scale super-resolution network (Lim et al., 2017, arXiv 1707.02921, section 3.3).

Modules are named as in the authors' checkpoints, so that those files load as they are; the i-th of `pre_process` and
`upsample` belongs to the i-th scale.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fourpass.models.edsr import MeanShift, ResidualBlock, residual_trunk, upsampler


class MDSR(nn.Module):
    """One shared trunk; for each scale two 5x5 residual blocks before it and an upsampler behind it.

    Args:
        features: channels of every hidden layer (paper: 64).
        blocks: residual blocks of the trunk (paper: 80).
        scales: trained factors, powers of 2 or 3.
        residual_scaling: factor of each block's residual before it is added.

    Raises:
        ValueError: a scale that cannot be built.
    """

    def __init__(
        self,
        features: int = 64,
        blocks: int = 80,
        scales: Sequence[int] = (2, 3, 4),
        residual_scaling: float = 1.0,
    ) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.sub_mean = MeanShift(-1)
        self.add_mean = MeanShift(1)
        self.head = nn.Sequential(nn.Conv2d(3, features, 3, padding=1))
        # The authors leave residual scaling out of these two blocks.
        self.pre_process = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(features, 5, 1.0) for _ in range(2))) for _ in self.scales
        )
        self.body = residual_trunk(features, blocks, residual_scaling)
        self.upsample = nn.ModuleList(upsampler(features, scale) for scale in self.scales)
        self.tail = nn.Sequential(nn.Conv2d(features, 3, 3, padding=1))

    def forward(self, image: Tensor, scale: int) -> Tensor:
        """Upscale a batch.

        Args:
            image: (N, 3, H, W) RGB on 0..255.
            scale: one of `scales`.

        Returns:
            (N, 3, scale * H, scale * W), on 0..255 but not clipped.

        Raises:
            ValueError: another scale.
        """
        path = self.scales.index(scale) if scale in self.scales else None
        if path is None:
            raise ValueError(f"scale {scale} is not one of this network's {self.scales}")
        x: Tensor = self.head(self.sub_mean(image))
        x = self.pre_process[path](x)
        x = self.upsample[path](self.body(x) + x)
        return self.add_mean(self.tail(x))  # type: ignore[no-any-return]
