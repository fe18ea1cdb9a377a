"""The comparing discriminator's losses: numbers worked by hand, and properties of logistic regression on pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fourpass.losses.perceptual import adversarial
from fourpass.losses.relativistic import relative_discrimination, relative_to, unsteadiness


def brightness(picture: Tensor) -> Tensor:
    """A judge that finds bright pictures real: three positions, each the mean times 0, 1, 2."""
    return picture.mean((1, 2, 3)).unsqueeze(1) * torch.arange(3.0)


def test_discrimination_by_hand() -> None:
    truth = torch.tensor([[2.0, 0.0]])
    batches = [torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 3.0]])]
    # softplus of 0, 1, -1, 3
    wanted = (math.log(2) + math.log(1 + math.e) + math.log(1 + 1 / math.e) + math.log(1 + math.e**3)) / 4
    assert float(relative_discrimination(truth, batches)) == pytest.approx(wanted, rel=1e-6)


def test_only_differences_count() -> None:
    generator = torch.Generator().manual_seed(0)
    truth, upscaled, both = (torch.randn(4, 5, generator=generator) for _ in range(3))
    apart = relative_discrimination(truth, [upscaled])
    assert float(relative_discrimination(truth + both, [upscaled + both])) == pytest.approx(float(apart), rel=1e-5)


def test_the_generators_side_mirrors_it() -> None:
    """Swapping truth and upscaled turns one loss into the other."""
    truth, upscaled = torch.full((2, 3, 4, 4), 5.0), torch.full((2, 3, 4, 4), 3.0)
    mirrored = relative_discrimination(brightness(upscaled), [brightness(truth)])
    assert float(adversarial(relative_to(brightness, truth)(upscaled))) == pytest.approx(float(mirrored), rel=1e-6)


def test_the_truth_gets_no_gradient() -> None:
    truth, upscaled = (torch.full((1, 3, 4, 4), 5.0, requires_grad=True) for _ in range(2))
    adversarial(relative_to(brightness, truth)(upscaled)).backward()
    assert truth.grad is None
    assert upscaled.grad is not None
    assert float(upscaled.grad.sum()) < 0  # brighter is more real


def test_unsteadiness_is_the_squared_slope() -> None:
    """Of a linear judge the expected squared change is the squared length of its weights, for noise of variance 1."""
    weights = torch.linspace(-1, 1, 3 * 8 * 8).view(3, 8, 8)

    def judge(picture: Tensor) -> Tensor:
        return (picture * weights).sum((1, 2, 3)).unsqueeze(1)

    pictures = [torch.zeros(4000, 3, 8, 8), torch.full((4000, 3, 8, 8), 9.0)]
    found = unsteadiness(judge, pictures, [judge(one) for one in pictures], [1, 2])
    assert float(found) == pytest.approx(2 * float(weights.square().sum()), rel=0.05)
    halved = unsteadiness(
        judge, pictures, [judge(one) for one in pictures], [1, 2], lambda one: one.new_full((len(one), 1, 1, 1), 0.5)
    )
    assert float(halved) == pytest.approx(float(found) / 4, rel=1e-4)
    assert float(unsteadiness(lambda picture: picture.new_zeros(1, 1), pictures[:1], [torch.zeros(1, 1)], [1])) == 0


def test_unsteadiness_is_drawn_from_its_seed() -> None:
    picture = torch.zeros(2, 3, 8, 8)
    values = [float(unsteadiness(brightness, [picture], [brightness(picture)], [seed])) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
