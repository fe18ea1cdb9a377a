"""VGG22 and VGG54: distance of VGG features (Ledig et al., 2017, equation 5; Johnson et al., 2016)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fourpass.models.vgg import VGG

# SRGAN's paper takes features after the activation, and rescales them by 1/12.75 so that the loss is of the size of the
# mean squared error on -1..1 (section 3.2). The factor belongs to Caffe's networks on 0..255.
SRGAN_SCALE = 1 / 12.75


def feature_distance(
    network: VGG,
    truth: Tensor,
    upscaled: Tensor,
    layer: str,
    *,
    scale: float = SRGAN_SCALE,
    activated: bool = True,
) -> Tensor:
    """Mean squared difference of the features of two pictures.

    Args:
        network: the fixed extractor.
        truth, upscaled: (N, 3, H, W) RGB on 0..255; gradients flow through the second.
        layer: ``conv2_2`` is VGG22, ``conv5_4`` is VGG54.
        scale: factor of the features before they are compared.
        activated: features after the layer's ReLU (SRGAN), or before it (ESRGAN, arXiv 1809.00219).

    Returns:
        scalar: the mean over pictures, positions and channels.

    Raises:
        ValueError: the network has no such layer.
    """
    with torch.no_grad():
        wanted = network(truth, layer, activated).float()
    found = network(upscaled, layer, activated).float()
    return F.mse_loss(scale * found, scale * wanted)
