"""Multi-pass upscaling: which runs each path makes, and how the x8 result is halved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fourpass.errors import ConfigError
from fourpass.imaging.resize import imresize
from fourpass.models.multipass import halve, multipass
from fourpass.paths import PATHS


class Repeat(nn.Module):
    """Enlarges by repeating pixels and notes each run."""

    def __init__(self, scales: tuple[int, ...] = (2, 4, 8)) -> None:
        super().__init__()
        self.scales = scales
        self.runs: list[tuple[int, int]] = []

    def forward(self, image: Tensor, scale: int) -> Tensor:
        self.runs.append((image.shape[-1], scale))
        return F.interpolate(image, scale_factor=scale)


def test_three_paths_are_four_runs() -> None:
    network = Repeat()
    upscaled = multipass(network, torch.rand(1, 3, 6, 6))
    assert network.runs == [(6, 4), (6, 2), (12, 2), (6, 8)]
    assert tuple(upscaled) == tuple(PATHS)
    assert all(one.shape == (1, 3, 24, 24) for one in upscaled.values())


def test_only_the_paths_asked_for_run() -> None:
    network = Repeat()
    multipass(network, torch.rand(1, 3, 4, 4), paths=("x8-downscale",))
    assert network.runs == [(4, 8)]


def test_halve_is_matlabs_imresize() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (14, 20, 3))
    halved = halve(torch.from_numpy(picture).permute(2, 0, 1)[None])
    np.testing.assert_allclose(halved[0].permute(1, 2, 0).numpy(), imresize(picture, 0.5), atol=1e-3)


def test_decimation_keeps_every_second_pixel() -> None:
    picture = torch.arange(8.0).repeat(1, 3, 8, 1)
    network = Repeat((8,))
    kept = multipass(network, picture, paths=("x8-downscale",), downscale="decimate")["x8-downscale"]
    assert kept[0, 0, 0, :8].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="'x3' is not one of x4, x2-x2, x8-downscale"):
        multipass(Repeat(), torch.rand(1, 3, 4, 4), paths=("x3",))
    with pytest.raises(ConfigError, match="'nearest' is not one of"):
        multipass(Repeat(), torch.rand(1, 3, 4, 4), downscale="nearest")
    with pytest.raises(ConfigError, match="needs scale 8, and the network has 2, 4"):
        multipass(Repeat((2, 4)), torch.rand(1, 3, 4, 4), paths=("x8-downscale",))
