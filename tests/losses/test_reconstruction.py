"""Mean squared errors and VGG distances against numbers worked by hand and plain torch."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

torch = pytest.importorskip("torch")

from fourpass.losses.reconstruction import grid_error, low_frequency_error, maps_error, mean_squared_error  # noqa: E402
from fourpass.losses.vgg import feature_distance  # noqa: E402
from fourpass.models.vgg import VGG  # noqa: E402


def test_mean_squared_error_is_on_minus_one_to_one():
    assert mean_squared_error(torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 255.0)).item() == pytest.approx(4)
    assert mean_squared_error(torch.tensor([1.0, 5.0]), torch.tensor([4.0, 1.0])).item() == pytest.approx(
        12.5 / 127.5**2
    )


def test_low_frequencies_equal_scipys_gaussian():
    generator = np.random.default_rng(0)
    truth, upscaled = generator.uniform(0, 255, (2, 2, 3, 40, 30))
    difference = (upscaled - truth) / 127.5
    # scipy's kernel ends after radius pixels, as the 21x21 one does; the rim, where it mirrors, is cut away.
    blurred = gaussian_filter(difference, (0, 0, 3, 3), radius=(0, 0, 10, 10))[..., 10:-10, 10:-10]
    found = low_frequency_error(torch.from_numpy(truth), torch.from_numpy(upscaled))
    assert found.item() == pytest.approx(np.square(blurred).mean(), rel=1e-10)


def test_high_frequencies_are_free():
    truth = torch.full((1, 3, 32, 32), 128.0)
    checkered = truth + 100 * (-1.0) ** torch.arange(32)
    assert low_frequency_error(truth, checkered) < 1e-6 < mean_squared_error(truth, checkered)


def test_a_picture_smaller_than_the_kernel():
    with pytest.raises(ValueError, match="smaller than the 21x21 kernel"):
        low_frequency_error(torch.zeros(1, 3, 20, 40), torch.zeros(1, 3, 20, 40))


def test_maps_by_hand():
    """A right angle has a squared distance of 2 between unit vectors, a half turn 4; lengths do not count."""
    one = torch.tensor([3.0, 0.0]).view(1, 2, 1, 1).repeat(1, 1, 1, 2)
    other = torch.tensor([[0.0, -5.0], [2.0, 0.0]]).view(1, 2, 1, 2)
    assert maps_error([one], [other]).item() == pytest.approx((2 + 4) / 2)
    assert maps_error([one, one], [other, 7 * one]).item() == pytest.approx(3)


def test_a_grid_by_hand():
    """One place of 16 set apart by 8: mean 0.5, variance (7.5 ** 2 + 15 * 0.5 ** 2) / 16."""
    truth = torch.full((2, 3, 32, 32), 90.0)
    cell = torch.zeros(4, 4)
    cell[1, 2] = 8
    grid = truth + cell.repeat(8, 8)
    assert grid_error(truth, grid).item() == pytest.approx(3.75)
    assert grid_error(truth, grid, window=2).item() == pytest.approx(3.75)
    assert grid_error(truth, truth + 5) == 0
    assert grid_error(grid, grid) == 0
    # Of another period, every place gets its share: 1 everywhere.
    stripes = truth + torch.tensor([3.0, 0, 0]).repeat(11)[:32]
    assert grid_error(truth[..., :24], stripes[..., :24], window=12) < 1e-9
    # Half of the picture: windows see it where it is.
    half = torch.cat([truth[..., :16], grid[..., 16:]], dim=3)
    assert grid_error(truth, half, window=4).item() == pytest.approx(3.75 / 2)
    assert grid_error(truth, half, window=8).item() == pytest.approx(3.75 / 4)


@pytest.mark.parametrize("activated", [True, False])
def test_feature_distance(activated):
    torch.manual_seed(0)
    network = VGG(19, "conv2_2")
    truth, upscaled = 255 * torch.rand(2, 1, 3, 12, 12)
    upscaled.requires_grad_()
    loss = feature_distance(network, truth, upscaled, "conv2_2", activated=activated)
    difference = network(truth, "conv2_2", activated) - network(upscaled, "conv2_2", activated)
    # SRGAN's factor, section 3.2; features of random weights are small, so that a relative error counts.
    torch.testing.assert_close(loss, (difference / 12.75).square().mean(), rtol=1e-4, atol=0)
    loss.backward()
    assert upscaled.grad.abs().sum() > 0
    assert feature_distance(network, truth, truth, "conv2_2") == 0
