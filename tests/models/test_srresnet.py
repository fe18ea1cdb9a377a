"""SRResNet and SRGAN's discriminator: sizes of the paper, ranges, batch statistics."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fourpass.models.srgan_discriminator import SRGANDiscriminator  # noqa: E402
from fourpass.models.srresnet import BatchNorm, SRResNet  # noqa: E402


def test_the_papers_size():
    # By hand: 9x9 convolutions 15,616 and 15,555; 16 blocks of 2 * (36,864 + 128) + 1; 36,864 + 128 behind them;
    # two upsampling convolutions of 147,712, each with a slope; the slope behind the first convolution.
    expected = 15_616 + 15_555 + 16 * (2 * (36_864 + 128) + 1) + 36_864 + 128 + 2 * 147_713 + 1
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in SRResNet().parameters()) == expected == 1_547_350


def test_ranges():
    network = SRResNet(features=4, blocks=1).eval()
    with torch.no_grad():
        for parameter in network.final_conv.parameters():
            parameter.zero_()
        output = network(torch.full((1, 3, 5, 6), 200.0), 4)
    assert output.shape == (1, 3, 20, 24)
    assert output.unique().tolist() == [127.5]  # 0 of -1..1


def test_tanh_stays_within_the_pixels_range():
    network = SRResNet(features=4, blocks=1, scales=(2,), tanh=True).eval()
    with torch.no_grad():
        network.final_conv.weight.mul_(1000)
        output = network(255 * torch.rand(1, 3, 8, 8))
    assert output.min() >= 0
    assert output.max() <= 255
    assert output.max() > 250


def test_batch_norm_equals_torchs():
    torch.manual_seed(0)
    ours, theirs = BatchNorm(5), nn.BatchNorm2d(5)
    for step in range(3):
        x = torch.randn(4, 5, 6, 7) * (step + 1) + step
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    assert set(ours.state_dict()) == {"weight", "bias", "running_mean", "running_var"}


@pytest.mark.parametrize("scales", [(3,), (1,), (2, 4), ()])
def test_scales_that_cannot_be_built(scales):
    with pytest.raises(ValueError, match="exactly one scale, a power of 2"):
        SRResNet(features=4, blocks=1, scales=scales)


def test_another_scale():
    with pytest.raises(ValueError, match="scale 2 is not this network's 4"):
        SRResNet(features=4, blocks=1)(torch.zeros(1, 3, 4, 4), 2)


@pytest.mark.parametrize(("patch", "side"), [(96, 6), (64, 4), (20, 2), (16, 1)])
def test_the_discriminator_is_sized_by_the_patch(patch, side):
    network = SRGANDiscriminator(patch=patch, features=4, hidden=8)
    assert network.dense[1].in_features == 32 * side * side
    assert network(torch.rand(2, 3, patch, patch) * 255).shape == (2,)


def test_the_papers_discriminator():
    with torch.device("meta"):
        network = SRGANDiscriminator()
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [conv.out_channels for conv in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [conv.stride[0] for conv in convolutions] == [1, 2, 1, 2, 1, 2, 1, 2]
    assert sum(isinstance(module, BatchNorm) for module in network.modules()) == 7
    assert [layer.out_features for layer in network.dense if isinstance(layer, nn.Linear)] == [1024, 1]


def test_the_discriminator_refuses_other_sizes():
    with pytest.raises(ValueError, match=r"\(20, 16\), not the 16x16"):
        SRGANDiscriminator(patch=16, features=4, hidden=4)(torch.zeros(1, 3, 20, 16))
    with pytest.raises(ValueError, match="patch 8 is smaller"):
        SRGANDiscriminator(patch=8)
