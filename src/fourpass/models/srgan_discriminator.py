"""SRGAN's discriminator (Ledig et al., 2017, arXiv 1609.04802, Fig. 4 and section 2.1.1)."""

from __future__ import annotations

from torch import Tensor, nn

from fourpass.models.srresnet import BatchNorm


class SRGANDiscriminator(nn.Module):
    """Eight 3x3 convolutions, strides 1 2 1 2 ..., batch norm from the second on, LeakyReLU 0.2, two dense layers.

    Args:
        patch: rows and columns of its input; sizes the first dense layer (paper: 96).
        features: channels of the first convolution, doubled three times (paper: 64).
        hidden: units of the first dense layer (paper: 1024).

    Raises:
        ValueError: a patch smaller than 16 pixels.
    """

    def __init__(self, patch: int = 96, features: int = 64, hidden: int = 1024) -> None:
        super().__init__()
        if patch < 16:
            raise ValueError(f"patch {patch} is smaller than the 16 pixels that four halvings need")
        self.patch = patch
        layers: list[nn.Module] = []
        channels, side = 3, patch
        for index in range(8):
            width, stride = features * 2 ** (index // 2), 1 + index % 2
            normalised = index > 0
            layers.append(nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=not normalised))
            if normalised:
                layers.append(BatchNorm(width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels, side = width, (side + stride - 1) // stride
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * side * side, hidden),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(hidden, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Judge a batch.

        Args:
            image: (N, 3, patch, patch) RGB on 0..255.

        Returns:
            (N,) logits: above 0 where it holds the picture for a photo.

        Raises:
            ValueError: pictures of another size.
        """
        if image.shape[-2:] != (self.patch, self.patch):
            raise ValueError(
                f"pictures are {tuple(image.shape[-2:])}, not the {self.patch}x{self.patch} it was built for"
            )
        return self.dense(self.convolutions(image / 127.5 - 1)).squeeze(1)  # type: ignore[no-any-return]
