"""Swift: its size by hand, what it is before training, and that its colours come from the input."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fourpass.models.swift import Swift  # noqa: E402


def test_its_size():
    # By hand: 3x3x3x64 + 64; 14 of 3x3x64x64 + 64; heads 3x3x64 x (12 + 48 + 192), and as many biases.
    expected = 1_792 + 14 * 36_928 + 577 * (12 + 48 + 192)
    assert sum(parameter.numel() for parameter in Swift().parameters()) == expected == 664_188


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_starts_as_bilinear_interpolation(scale):
    """In one direction, by hand: sample j of the output looks at (j + 0.5) / scale - 0.5, held within the picture."""
    row = np.array([10.0, 50.0, 30.0, 250.0])
    image = torch.tensor(row, dtype=torch.float32).expand(1, 3, 5, 4)
    with torch.no_grad():
        output = Swift(features=4, blocks=1)(image, scale)
    places = (np.arange(4 * scale) + 0.5) / scale - 0.5
    expected = np.interp(places, np.arange(4), row)
    assert output.shape == (1, 3, 5 * scale, 4 * scale)
    np.testing.assert_allclose(output[0, 1, 2].numpy(), expected, atol=1e-4)


def test_a_head_fills_each_cell_row_by_row():
    """Output channel 4 * colour + 2 * row + column of the head is that pixel of a 2x2 cell."""
    network = Swift(features=4, blocks=1, scales=(2,))
    with torch.no_grad():
        network.final_conv["x2"].bias.copy_(torch.arange(12.0))
        output = network(torch.full((1, 3, 3, 3), 127.5), 2)
    cells = (output[0, :, :2, :2] - 127.5) / 127.5
    np.testing.assert_allclose(cells.numpy(), np.arange(12.0).reshape(3, 2, 2), atol=1e-5)


def test_every_part_learns():
    network = Swift(features=4, blocks=2)
    for _ in range(2):  # the heads start at 0 and let nothing through until they have moved
        for scale in (2, 4, 8):
            (network(255 * torch.rand(2, 3, 6, 6), scale) - 7).square().mean().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 1e-3 * parameter.grad.sign()
                assert torch.isfinite(parameter).all()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())
