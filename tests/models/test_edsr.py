"""EDSR and MDSR against values of the authors' own program, and at the sizes of the paper."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fourpass.conversion import convert  # noqa: E402
from fourpass.errors import WeightsError  # noqa: E402
from fourpass.models import build  # noqa: E402
from fourpass.models.edsr import EDSR, upsampler  # noqa: E402
from fourpass.models.mdsr import MDSR  # noqa: E402
from fourpass.weights import Weights  # noqa: E402

REFERENCES = [
    ("edsr_x3", 3, "out"),
    ("edsr_x4", 4, "out"),
    ("mdsr", 2, "out_x2"),
    ("mdsr", 3, "out_x3"),
    ("mdsr", 4, "out_x4"),
]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("file", "scale", "key"), REFERENCES)
def test_equals_the_reference(references, file, scale, key, channels_last):
    data = np.load(references / f"{file}.npz")
    network = build(convert(references / f"{file}.npz"))
    image = torch.from_numpy(data["x"])
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        output = network(image, scale).numpy()
    assert np.ptp(data[key]) > 100
    # The reference is float32 too, and up to 8e-5 from float64: another order of sums may be as far on the other side.
    np.testing.assert_allclose(output, data[key], rtol=0, atol=2e-4 if channels_last else 1e-4)


@pytest.mark.parametrize(
    ("build_network", "parameters"),
    [
        (lambda: EDSR(), 43_089_947),
        (lambda: EDSR(features=64, blocks=16, residual_scaling=1.0), 1_517_595),
        (lambda: MDSR(), 7_954_011),
    ],
)
def test_the_papers_sizes(build_network, parameters):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build_network().parameters()) == parameters


def test_the_mean_colour_is_never_trained():
    network = EDSR(8, 1)
    network(torch.full((1, 3, 4, 4), 100.0)).sum().backward()
    assert network.sub_mean.bias.grad is None
    assert network.add_mean.weight.grad is None
    assert network.head[0].weight.grad is not None


def test_mdsr_shares_its_trunk_between_scales():
    network = MDSR(8, 1)
    network(torch.rand(1, 3, 4, 4), 3).sum().backward()
    assert network.body[0].body[0].weight.grad is not None
    assert network.upsample[1][0].weight.grad is not None
    assert network.upsample[0][0].weight.grad is None
    assert network.pre_process[2][0].body[0].weight.grad is None


@pytest.mark.parametrize("scale", [0, 1, 5, 6])
def test_a_scale_that_cannot_be_built(scale):
    with pytest.raises(ValueError, match=f"scale {scale} is neither"):
        upsampler(8, scale)


def test_a_scale_that_was_not_trained():
    with pytest.raises(ValueError, match="scale 2 is not this network's 4"):
        EDSR(8, 1)(torch.zeros(1, 3, 4, 4), 2)
    with pytest.raises(ValueError, match="scale 8 is not one of"):
        MDSR(8, 1)(torch.zeros(1, 3, 4, 4), 8)


def test_two_scales_are_none_of_edsr(references):
    converted = convert(references / "edsr_x4.npz")
    numbers = {**converted.metadata.numbers, "scales": [2, 4]}
    metadata = type(converted.metadata)(**{**converted.metadata.__dict__, "numbers": numbers})
    with pytest.raises(WeightsError, match=r"numbers in its metadata do not fit edsr .*exactly one scale"):
        build(Weights(converted.tensors, metadata))
