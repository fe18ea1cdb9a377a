"""The graphs of EDSR, MDSR and SRResNet: against the authors' outputs, the torch networks, and in the engine."""

from __future__ import annotations

import inspect

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from fourpass.conversion import convert
from fourpass.engine import graphs
from fourpass.errors import WeightsError
from fourpass.upscaling import network
from fourpass.upscaling.upscaler import Upscaler
from fourpass.weights import Metadata, Weights


def run(weights: Weights, scale: int, image: np.ndarray) -> np.ndarray:
    model = graphs.onnx_model(weights, scale)
    onnx.checker.check_model(model, full_check=True)
    return ReferenceEvaluator(model).run(None, {"image": image})[0]


def random_weights(architecture: str, numbers: dict) -> tuple[Weights, object]:
    """A network away from its initial state, batch norm's statistics included, and the network itself."""
    torch = pytest.importorskip("torch")
    from fourpass.models import BUILDERS

    torch.manual_seed(1)
    network = BUILDERS[architecture](**numbers).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if "norm" in name or "activation" in name:
                value.copy_(0.5 + torch.rand_like(value))
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    return Weights(tensors, Metadata(architecture, numbers, "test", "none", 0, "CC0-1.0")), network


@pytest.mark.parametrize(
    ("file", "scale", "key"),
    [
        ("edsr_x3", 3, "out"),
        ("edsr_x4", 4, "out"),
        ("mdsr", 2, "out_x2"),
        ("mdsr", 3, "out_x3"),
        ("mdsr", 4, "out_x4"),
    ],
)
def test_equals_the_authors_outputs(references, file, scale, key):
    data = np.load(references / f"{file}.npz")
    result = run(convert(references / f"{file}.npz"), scale, data["x"])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, data[key], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("architecture", "numbers"),
    [
        ("swift", {"features": 4, "blocks": 2, "scales": [2, 4, 8]}),
        ("srresnet", {"features": 4, "blocks": 2, "scales": [4]}),
        ("srresnet", {"features": 4, "blocks": 1, "scales": [2], "slopes": 4, "tanh": True}),
        ("edsr", {"features": 4, "blocks": 1, "scales": [8], "residual_scaling": 0.3}),
        ("mdsr", {"features": 4, "blocks": 1, "scales": [3, 2], "residual_scaling": 0.3}),
    ],
)
def test_equals_torch(architecture, numbers):
    torch = pytest.importorskip("torch")
    weights, network = random_weights(architecture, numbers)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 7, 5)).astype(np.float32)
    for scale in numbers["scales"]:
        with torch.no_grad():
            expected = network(torch.from_numpy(image), scale).numpy()
        np.testing.assert_allclose(run(weights, scale, image), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "torch"])
@pytest.mark.parametrize("architecture", ["edsr", "mdsr", "srresnet"])
def test_the_engine_runs_them(architecture, backend):
    torch = pytest.importorskip("torch")
    pytest.importorskip(backend)
    weights, network = random_weights(architecture, {"features": 4, "blocks": 1, "scales": [4]})
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    upscaler = Upscaler(weights, backend=backend, precision="fp32")
    assert upscaler.scales == (4,)
    batch = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    with torch.no_grad():
        expected = network(batch, 4)[0].numpy().transpose(1, 2, 0)
    found = upscaler.upscale(image, 4)
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 0.51


@pytest.mark.parametrize(("architecture", "halo"), [("srresnet", 32), ("edsr", 32), ("mdsr", 32)])
def test_tiles_see_more_than_eusrs(architecture, halo):
    """With EUSR's 12 pixels, tiles of a trained SRResNet are up to 1.7 levels off; with 24 they are equal."""

    weights, _ = random_weights(architecture, {"features": 4, "blocks": 1, "scales": [4]})
    assert network.ours({4: weights}).halo == halo > graphs.ARCHITECTURES["eusr"].halo


def test_a_mean_that_mixes_colours_stays_a_convolution(references):
    torch = pytest.importorskip("torch")
    from fourpass.models import build

    weights = convert(references / "edsr_x4.npz")
    tensors = {**weights.tensors, "sub_mean.weight": np.flip(weights.tensors["sub_mean.weight"], 0).copy()}
    mixed = Weights(tensors, weights.metadata)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 5, 5)).astype(np.float32)
    with torch.no_grad():
        expected = build(mixed)(torch.from_numpy(image), 4).numpy()
    np.testing.assert_allclose(run(mixed, 4, image), expected, rtol=0, atol=1e-3)


def test_two_scales_are_none_of_edsr(references):
    weights = convert(references / "edsr_x4.npz")
    numbers = {**weights.metadata.numbers, "scales": [2, 4]}
    metadata = Metadata("edsr", numbers, "test", "none", 0, "CC0-1.0")
    with pytest.raises(WeightsError, match="numbers in its metadata do not fit edsr"):
        graphs.scales(Weights(weights.tensors, metadata))


@pytest.mark.parametrize("architecture", ["edsr", "mdsr", "srresnet"])
def test_builders_have_the_networks_own_defaults(architecture):
    pytest.importorskip("torch")
    from fourpass.models import BUILDERS

    ours = inspect.signature(graphs.ARCHITECTURES[architecture].write).parameters
    theirs = inspect.signature(BUILDERS[architecture]).parameters
    assert {name: p.default for name, p in theirs.items()} == {name: ours[name].default for name in theirs}
