"""MobileNetV2 and NIMA against values that Keras computed, and their shapes and rules."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

from fourpass.conversion.predictors import from_keras
from fourpass.models import build, load_strictly
from fourpass.models.mobilenet_v1 import NIMAMobileNetV1
from fourpass.models.mobilenet_v2 import KerasBatchNorm, MobileNetV2, rounded
from fourpass.models.nima import NIMA, mean_score, score_spread
from fourpass.weights import Metadata, Weights


def nima_reference(references: Path, name: str) -> tuple[Weights, dict[str, np.ndarray]]:
    with np.load(references / f"nima_{name}.npz") as stored:
        arrays = {key.removeprefix("var:"): stored[key] for key in stored.files if key.startswith("var:")}
        data = {key: stored[key] for key in ("x", "scores", "features")}
    metadata = Metadata("nima", {"width": 0.35}, "reference", "random", 0, "Apache-2.0")
    return Weights(from_keras(arrays, name), metadata), data


@pytest.mark.parametrize("name", ["aesthetic", "subjective"])
def test_reproduces_the_reference_values(references: Path, name: str) -> None:
    weights, data = nima_reference(references, name)
    # In double precision, so that only the reference's own rounding remains: float32 alone is off by up to 1.03e-4.
    network = build(weights).double().eval()
    image = torch.from_numpy(data["x"].astype(np.float64) * 127.5 + 127.5).permute(0, 3, 1, 2)
    with torch.no_grad():
        scores, features = network(image)
    assert np.abs(scores.numpy() - data["scores"]).max() < 1e-5
    assert np.abs(features.numpy() - data["features"]).max() < 1e-4


@pytest.mark.parametrize(
    ("channels", "expected"), [(32 * 0.35, 16), (16 * 0.35, 8), (24 * 0.35, 8), (24, 24), (11, 16)]
)
def test_rounds_channels_as_keras(channels: float, expected: int) -> None:
    assert rounded(channels) == expected


def test_counts_parameters_as_published() -> None:
    # Keras' MobileNetV2 without top has 2,257,984 parameters, 34,112 of them moving averages.
    trainable = sum(parameter.numel() for parameter in MobileNetV2().parameters())
    assert trainable == 2_257_984 - 34_112


def test_last_convolution_is_not_thinned() -> None:
    assert MobileNetV2(0.35).channels == 1280
    assert MobileNetV2(1.4).channels == 1792


def test_rejects_a_width_of_nothing() -> None:
    with pytest.raises(ValueError, match="width 0"):
        MobileNetV2(0)


def test_mean_and_spread_by_hand() -> None:
    probabilities = torch.zeros(2, 10)
    probabilities[0, 4] = 1
    probabilities[1, 0] = probabilities[1, 9] = 0.5
    assert mean_score(probabilities).tolist() == pytest.approx([5, 5.5])
    assert score_spread(probabilities).tolist() == pytest.approx([0, 4.5])


def test_gradient_reaches_the_image() -> None:
    network = NIMA(width=0.35).eval()
    image = torch.rand(1, 3, 64, 64).mul(255).requires_grad_()
    probabilities, _ = network(image)
    mean_score(probabilities).sum().backward()
    assert image.grad is not None
    assert bool(image.grad.abs().sum() > 0)


@pytest.mark.shared
def test_teacher_rates_a_photo_above_its_blur(shared: Path) -> None:
    from PIL import Image, ImageFilter
    from safetensors.numpy import load_file

    teacher = NIMAMobileNetV1().eval()
    stored = load_file(shared / "weights" / "nima_mobilenet_v1_ava.safetensors")
    metadata = Metadata("nima_mobilenet_v1", {}, "idealo", "AVA", 0, "Apache-2.0")
    load_strictly(teacher, Weights({name: value.astype(np.float32) for name, value in stored.items()}, metadata))
    photo = Image.open(shared / "data" / "tid2013" / "kodak" / "23.png")
    pictures = [photo, photo.filter(ImageFilter.GaussianBlur(4))]
    batch = torch.stack([torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() for picture in pictures])
    with torch.no_grad():
        sharp, blurred = mean_score(teacher(batch)).tolist()
    assert 3 < blurred < sharp < 7


def test_folding_the_norms_changes_neither_values_nor_gradients(references: Path) -> None:
    network = build(nima_reference(references, "subjective")[0]).double().eval()
    image = torch.rand(2, 3, 64, 64, dtype=torch.float64) * 255

    def run() -> tuple[torch.Tensor, list[torch.Tensor]]:
        network.zero_grad()
        _, features = network(image)
        (features**2).sum().backward()
        return features.detach(), [p.grad for p in network.parameters() if p.grad is not None]

    folded, gradients = run()
    for module in network.modules():
        if isinstance(module, KerasBatchNorm):
            module.training = True  # normalise without folding, by the moving averages, as eval() does
            module.forward = functools.partial(_as_eval, module)
    plain, expected = run()
    torch.testing.assert_close(folded, plain)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def _as_eval(norm: KerasBatchNorm, x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
    )
