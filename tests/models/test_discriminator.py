"""The discriminator: its size, its padding, its two kinds of verdict, its accuracy."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from fourpass.models.discriminator import (
    Discriminator,
    _convolve_same,
    accuracy,
    contrast_range,
    detail,
    relative_accuracy,
)


def test_parameters_of_the_papers_network() -> None:
    """Counted by hand: ten convolutions, then 6 * 6 * 512 -> 1024 -> 1."""
    channels = [3, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512]
    convolutions = sum(9 * a * b + b for a, b in itertools.pairwise(channels))
    dense = 6 * 6 * 512 * 1024 + 1024 + 1024 + 1
    with torch.device("meta"):
        network = Discriminator()
    assert sum(value.numel() for value in network.parameters()) == convolutions + dense


def test_it_starts_as_glorot_has_it() -> None:
    """As the authors' program, on pixels: verdicts start near 0, not at 16, where the first losses would be 50."""
    torch.manual_seed(0)
    network = Discriminator(64, "position")
    for layer in (*network.convs, network.hidden, network.final):
        inputs, outputs = layer.weight.shape[1], layer.weight.shape[0]
        bound = (6 / ((inputs + outputs) * layer.weight[0, 0].numel())) ** 0.5
        assert 0.95 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert not layer.bias.any()
    logits = network(torch.rand(2, 3, 64, 64) * 255)
    assert float(logits.detach().abs().max()) < 5


def test_verdict_per_image_and_per_position() -> None:
    assert Discriminator(64, width=0.1)(torch.rand(2, 3, 64, 64)).shape == (2, 1)
    assert Discriminator(64, "position", width=0.1)(torch.rand(2, 3, 64, 64)).shape == (2, 4)
    assert Discriminator(64, "position", width=0.1)(torch.rand(1, 3, 192, 192)).shape == (1, 36)


def test_stride_two_pads_right_and_bottom_only() -> None:
    conv = torch.nn.Conv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.ones_(conv.weight)
    picture = torch.zeros(1, 1, 4, 4)
    picture[..., 0, 0] = 1
    assert _convolve_same(conv, picture).flatten().tolist() == [1, 0, 0, 0]


def test_detail_is_what_a_mean_leaves_over() -> None:
    picture = torch.full((1, 3, 7, 7), 50.0)
    picture[..., 3, 3] = 75
    assert detail(picture)[0, 0, 3, 3].item() == pytest.approx((25 - 1) / 8)
    assert detail(picture)[0, 0, 3, 4].item() == pytest.approx(-1 / 8)
    assert detail(picture)[0, 0, 0, 0].item() == 0


def test_detail_view_does_not_see_colour() -> None:
    network = Discriminator(32, "position", 0.1, layers=4, view="detail")
    picture = torch.rand(1, 3, 32, 32) * 200
    assert network(picture).shape == (1, 64)
    torch.testing.assert_close(network(picture), network(picture + 30))


def test_contrast_is_measured_by_what_is_coarse() -> None:
    stripes = torch.zeros(1, 3, 60, 60)
    stripes[..., 30:] = 80.0
    found = contrast_range(stripes)
    assert found.shape == (1, 1, 60, 60)
    assert found[0, 0, 30, 5].item() == pytest.approx(2)  # flat within reach
    # Beside the edge, means of five columns: 7 of 0, then 16, 32, 48, 64, then 6 of 80.
    means = torch.tensor([0.0] * 7 + [16, 32, 48, 64] + [80.0] * 6)
    assert found[0, 0, 30, 30].item() == pytest.approx(2 + float(means.std(correction=0)) / 2, rel=1e-4)
    assert not contrast_range(stripes.requires_grad_()).requires_grad


def test_fine_detail_hardly_changes_its_own_measure() -> None:
    checks = torch.full((1, 3, 48, 48), 128.0)
    checks[..., ::2, ::2] += 20
    checks[..., 1::2, 1::2] += 20
    assert contrast_range(checks)[..., 10:-10, 10:-10].max().item() < 2.25
    assert detail(checks).abs().max().item() * 8 > 9


def test_contrast_view_shows_faint_detail_as_large_as_strong() -> None:
    network = Discriminator(32, "position", 0.1, layers=4, view="contrast")
    ramp = torch.linspace(0, 200, 32).expand(1, 3, 32, 32)
    flat = torch.full((1, 3, 32, 32), 100.0)
    assert network.unit(flat).max().item() == pytest.approx(1 / 4)
    assert network.unit(ramp).min().item() > 1
    assert float(Discriminator(32, "position", 0.1, layers=4, view="detail").unit(ramp)) == 1


@pytest.mark.parametrize(
    ("numbers", "rule"),
    [
        ({"patch": 100}, "multiple of 32"),
        ({"verdict": "pixel"}, "not one of"),
        ({"view": "edges"}, "not one of"),
        ({"layers": 3}, "even number"),
    ],
)
def test_bad_numbers(numbers: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Discriminator(**numbers)


def test_a_verdict_an_image_is_bound_to_its_patch() -> None:
    with pytest.raises(ValueError, match=r"\(96, 96\) pixels is not 64x64"):
        Discriminator(64, width=0.1)(torch.rand(1, 3, 96, 96))


def test_accuracy() -> None:
    assert accuracy(torch.tensor([3.0, -1.0]), torch.tensor([-2.0, -2.0])) == 0.75


def test_relative_accuracy_by_hand() -> None:
    truth = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    upscaled = torch.tensor([[0.0, 2.0], [4.0, 3.0], [0.0, 0.0], [0.0, 0.0]])  # two batches
    assert relative_accuracy(truth, upscaled) == 6 / 8
