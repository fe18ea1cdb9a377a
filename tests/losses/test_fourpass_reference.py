"""The 4PP-EUSR losses against the values that the authors' program computed (shared reference, its variants)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from fourpass.losses import fourpass as losses
from fourpass.models.discriminator import Discriminator
from fourpass.models.eusr import EUSR
from fourpass.multipass import multipass

pytestmark = pytest.mark.shared
Arrays = Mapping[str, NDArray[np.float32]]
PATHS = {"x4": "out_4", "x2_x2": "out_2x2", "x8_down": "out_8down"}


@pytest.fixture(scope="module")
def values(shared: Path) -> Arrays:
    with np.load(shared / "reference" / "fourpass_losses.npz") as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


@pytest.fixture(scope="module")
def upscaled(values: Arrays) -> dict[str, Tensor]:
    network = EUSR(features=8, shared_blocks=1)
    network.load_state_dict(
        {name: torch.from_numpy(value) for name, value in generator_state(values).items()}, strict=True
    )
    with torch.no_grad():
        return multipass(network, image(values["x"]), downscale="decimate")


@pytest.fixture(scope="module")
def judge(values: Arrays) -> Discriminator:
    network = Discriminator(64, "position")
    state = {}
    for index in range(10):
        stem = f"var:discriminator/conv{index + 1}/conv2d"
        state[f"convs.{index}.weight"] = values[f"{stem}/kernel:0"].transpose(3, 2, 0, 1)
        state[f"convs.{index}.bias"] = values[f"{stem}/bias:0"]
    for ours, theirs in (("hidden", "fc"), ("final", "final")):
        state[f"{ours}.weight"] = values[f"var:discriminator/{theirs}/dense/kernel:0"].T
        state[f"{ours}.bias"] = values[f"var:discriminator/{theirs}/dense/bias:0"]
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in state.items()}, strict=True)
    return network


@pytest.mark.parametrize("path", PATHS)
def test_passes(values: Arrays, upscaled: dict[str, Tensor], path: str) -> None:
    expected = image(values[PATHS[path]])
    assert (upscaled[path] - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_discriminator_logits(values: Arrays, judge: Discriminator) -> None:
    with torch.no_grad():
        logits = judge(image(values["truth"]))
    assert logits.shape == (2, 4)
    np.testing.assert_allclose(logits.reshape(-1, 1).numpy(), values["disc_logits_truth"], rtol=1e-4)


def test_discriminator_loss(values: Arrays, judge: Discriminator, upscaled: dict[str, Tensor]) -> None:
    with torch.no_grad():
        loss = losses.discrimination(judge(image(values["truth"])), [judge(one) for one in upscaled.values()])
    assert float(loss) == pytest.approx(float(values["loss:discriminator"]), rel=1e-4)


def image(nhwc: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(nhwc.transpose(0, 3, 1, 2)))


def generator_state(values: Arrays) -> dict[str, NDArray[np.float32]]:
    """TensorFlow's names, in the order in which it numbers the convolutions of a scope, to ours."""
    pairs = {"first_conv/conv2d": "first_conv"}
    blocks = ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3")
    for scale, modules in ((2, 1), (4, 2), (8, 3)):
        for index, name in enumerate(blocks):
            pairs[f"initial_blocks/x{scale}/{name}"] = f"initial_blocks.x{scale}.{index // 2}.conv{index % 2 + 1}"
        pairs[f"upscaling/x{scale}/conv2d"] = f"final_conv.x{scale}"
        stems = {f"upscaling/x{scale}/m{m}/px{i}": (m, i) for m in range(modules) for i in range(4)}
        for theirs, (m, i) in stems.items():
            ours = f"upscaling.x{scale}.{m}.residual_modules.{i}"
            pairs |= _module(theirs, ours)
    pairs |= _module("shared", "shared")
    state = {}
    for theirs, ours in pairs.items():
        kernel = values[f"var:generator/{theirs}/kernel:0"]
        state[f"{ours}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        state[f"{ours}.bias"] = values[f"var:generator/{theirs}/bias:0"]
    return state


def _module(theirs: str, ours: str) -> dict[str, str]:
    """A residual module of one local residual block."""
    return {
        f"{theirs}/conv2d": f"{ours}.blocks.0.conv1",
        f"{theirs}/conv2d_1": f"{ours}.blocks.0.conv2",
        f"{theirs}/conv2d_2": f"{ours}.conv",
    }
