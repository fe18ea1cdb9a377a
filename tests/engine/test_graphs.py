"""The ONNX graph against the authors' own outputs and the torch network, run by ONNX's own reference evaluator."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from fourpass.conversion import convert
from fourpass.engine import graphs
from fourpass.errors import ConfigError, WeightsError


def run(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"image": image})[0]


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_equals_the_authors_outputs(references, scale):
    data = np.load(references / "eusr.npz")
    model = graphs.onnx_model(convert(references / "eusr.npz"), scale)
    onnx.checker.check_model(model, full_check=True)
    expected = data[f"out_x{scale}"][:1].transpose(0, 3, 1, 2)
    result = run(model, data["x"][:1].transpose(0, 3, 1, 2))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6 * max(np.abs(expected).max(), 1e3))


@pytest.mark.parametrize(
    ("numbers", "scale"),
    [
        ({"features": 4, "shared_blocks": 1, "upscale_blocks": 2, "scales": [2]}, 2),
        ({"features": 3, "shared_blocks": 3, "upscale_blocks": 1, "scales": [4, 16]}, 16),
    ],
)
def test_equals_torch_at_other_numbers(tiny, numbers, scale):
    torch = pytest.importorskip("torch")
    from fourpass.models.eusr import EUSR

    torch.manual_seed(1)
    network = EUSR(**numbers).eval()
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    weights = replace(tiny, tensors=tensors, metadata=replace(tiny.metadata, numbers=numbers))
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 7, 5)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(image), scale).numpy()
    np.testing.assert_allclose(run(graphs.onnx_model(weights, scale), image), expected, rtol=0, atol=1e-3)


def test_builders_have_the_networks_own_defaults():
    pytest.importorskip("torch")
    from fourpass.models import eusr

    ours = inspect.signature(graphs.ARCHITECTURES["eusr"].write).parameters
    theirs = inspect.signature(eusr.EUSR).parameters
    assert {name: p.default for name, p in theirs.items()} == {name: ours[name].default for name in theirs}
    assert graphs.architectures.RGB_MEAN == eusr.RGB_MEAN


def test_scales_are_the_trained_ones(tiny):
    assert graphs.scales(tiny) == (2, 4, 8)
    with pytest.raises(ConfigError, match="scale 3 is not one of this model's scales 2, 4, 8"):
        graphs.onnx_model(tiny, 3)


def test_a_missing_tensor(tiny):
    tensors = dict(tiny.tensors)
    del tensors["shared.blocks.1.conv2.bias"]
    with pytest.raises(WeightsError, match=r"tiny: lacks the tensor shared.blocks.1.conv2.bias"):
        graphs.onnx_model(replace(tiny, tensors=tensors), 2)


def test_a_misshapen_tensor(tiny):
    tensors = {**tiny.tensors, "first_conv.weight": np.zeros((8, 3, 5, 5), np.float32)}
    with pytest.raises(WeightsError, match=r"first_conv.weight has shape \(8, 3, 5, 5\), not \(8, 3, 3, 3\)"):
        graphs.onnx_model(replace(tiny, tensors=tensors), 2)


def test_a_tensor_that_no_path_knows(tiny):
    tensors = {**tiny.tensors, "first_conv.wieght": np.zeros(3, np.float32)}
    with pytest.raises(WeightsError, match=r"has the tensor first_conv\.wieght, which its architecture does not have"):
        graphs.onnx_model(replace(tiny, tensors=tensors), 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "unet"}, "architecture 'unet' is not one that the engine runs: eusr"),
        ({"numbers": {"featuers": 8}}, "numbers in its metadata do not fit eusr .*featuers"),
    ],
)
def test_other_architectures_and_numbers(tiny, change, message):
    weights = replace(tiny, metadata=replace(tiny.metadata, **change))
    with pytest.raises(WeightsError, match=message):
        graphs.onnx_model(weights, 2)
