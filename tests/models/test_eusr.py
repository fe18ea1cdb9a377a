"""EUSR against values computed by the authors' own program."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fourpass.conversion import convert  # noqa: E402
from fourpass.errors import WeightsError  # noqa: E402
from fourpass.models import build  # noqa: E402
from fourpass.models.eusr import EUSR, depth_to_space, start_as_glorot  # noqa: E402
from fourpass.weights import Weights, load  # noqa: E402


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_equals_the_reference(references, scale, channels_last):
    data = np.load(references / "eusr.npz")
    network = build(convert(references / "eusr.npz"))
    image = torch.from_numpy(data["x"]).permute(0, 3, 1, 2).contiguous()
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        output = network(image, scale).permute(0, 2, 3, 1).numpy()
    expected = data[f"out_x{scale}"]
    magnitude = np.abs(expected).max()
    assert magnitude > 500
    # 1e-3 at a magnitude of 1e3, so 8 float32 roundings; the reference's own distance from float64 is up to 5 of them.
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-6 * max(magnitude, 1e3))


def test_the_papers_size():
    assert sum(parameter.numel() for parameter in EUSR().parameters()) == 6_295_689


def test_residual_blocks_start_small():
    torch.manual_seed(0)
    network = EUSR()
    weight = network.shared.blocks[3].conv1.weight
    expected = np.sqrt(1e-4 / 62 / (64 * 9))  # 32 shared blocks, 3 * 2 before them, (1 + 2 + 3) * 4 after them
    assert weight.abs().max() <= 2 * expected
    assert weight.std().item() == pytest.approx(0.88 * expected, rel=0.05)  # a normal cut at 2 sigma


def test_other_convolutions_start_as_glorot_has_it_where_asked():
    torch.manual_seed(0)
    network = EUSR()
    small = network.shared.blocks[3].conv1.weight.detach().clone()
    start_as_glorot(network)
    assert torch.equal(network.shared.blocks[3].conv1.weight, small)
    for conv, inputs, outputs in (
        (network.first_conv, 3, 64),
        (network.shared.conv, 64, 64),
        (network.final_conv["x8"], 64, 3),
    ):
        bound = np.sqrt(6 / (9 * (inputs + outputs)))
        assert 0.98 * bound < conv.weight.abs().max() <= bound
        assert conv.weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.05)
        assert not conv.bias.any()


def test_depth_to_space_by_hand():
    parts = [torch.full((1, 2, 1, 1), float(i)) + torch.tensor([0.0, 10.0]).view(1, 2, 1, 1) for i in range(4)]
    result = depth_to_space(parts)
    assert result.tolist() == [[[[0, 1], [2, 3]], [[10, 11], [12, 13]]]]


def test_the_packaged_weights_fit_and_do_better_than_repeating_pixels():
    network = build(load("eusr"))
    ramp = torch.linspace(30, 220, 16).view(1, 1, 1, 16).expand(1, 3, 16, 16).contiguous()
    with torch.no_grad():
        result = network(ramp, 2)[0, 0, 16, 4:-4]
    expected = torch.linspace(30, 220, 16)
    step = (expected[1] - expected[0]).item()
    ideal = 30 + step * ((torch.arange(32) + 0.5) / 2 - 0.5)[4:-4]
    # A repeated pixel is off by a quarter of a step everywhere.
    assert (result - ideal).abs().mean() < step / 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("shared.conv.bias"), "lacks the tensor shared.conv.bias"),
        (lambda t: t.update(extra=np.zeros(1, np.float32)), "has the tensor extra"),
        (
            lambda t: t.update({"first_conv.bias": np.zeros(3, np.float32)}),
            r"first_conv.bias has shape \(3,\)",
        ),
    ],
)
def test_loading_is_strict(references, change, words):
    weights = convert(references / "eusr.npz")
    tensors = dict(weights.tensors)
    change(tensors)
    with pytest.raises(WeightsError, match=words):
        build(Weights(tensors, weights.metadata))
