"""The discriminator: its size, its padding, its two kinds of verdict, its accuracy."""

from __future__ import annotations

import itertools

import pytest
import torch

from fourpass.models.discriminator import Discriminator, _convolve_same, accuracy


def test_parameters_of_the_papers_network() -> None:
    """Counted by hand: ten convolutions, then 6 * 6 * 512 -> 1024 -> 1."""
    channels = [3, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512]
    convolutions = sum(9 * a * b + b for a, b in itertools.pairwise(channels))
    dense = 6 * 6 * 512 * 1024 + 1024 + 1024 + 1
    with torch.device("meta"):
        network = Discriminator()
    assert sum(value.numel() for value in network.parameters()) == convolutions + dense


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


def test_centring_is_a_change_of_range() -> None:
    torch.manual_seed(0)
    plain = Discriminator(32, width=0.1)
    centred = Discriminator(32, width=0.1, centred=True)
    centred.load_state_dict(plain.state_dict())
    picture = torch.rand(1, 3, 32, 32) * 255
    torch.testing.assert_close(centred(picture), plain((picture - 127.5) / 127.5))


@pytest.mark.parametrize(("arguments", "rule"), [((100,), "multiple of 32"), ((64, "pixel"), "not one of")])
def test_bad_numbers(arguments: tuple[object, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Discriminator(*arguments)  # type: ignore[arg-type]


def test_a_verdict_an_image_is_bound_to_its_patch() -> None:
    with pytest.raises(ValueError, match=r"\(96, 96\) pixels is not 64x64"):
        Discriminator(64, width=0.1)(torch.rand(1, 3, 96, 96))


def test_accuracy() -> None:
    assert accuracy(torch.tensor([3.0, -1.0]), torch.tensor([-2.0, -2.0])) == 0.75
