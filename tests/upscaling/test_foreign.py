"""Other people's ONNX files: what is found out about them, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fourpass.engine import graphs
from fourpass.errors import ConfigError, WeightsError
from fourpass.upscaling.upscaler import Upscaler
from fourpass.weights import load


def write(path, nodes, constants=(), *, shape=(1, 3, "h", "w"), kind=TensorProto.FLOAT, more_inputs=()):
    body = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("lr", kind, shape), *more_inputs],
        [helper.make_tensor_value_info("sr", kind, [None] * 4)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def enlarge(source="lr", target="sr", scale=3):
    """Nodes that repeat each pixel."""
    node = helper.make_node("Resize", [source, "", "scales"], [target], mode="nearest", nearest_mode="floor",
                            coordinate_transformation_mode="asymmetric")  # fmt: skip
    return [node], [("scales", np.array([1, 1, scale, scale], np.float32))]


def repeated(image, scale=3):
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("top", [1.0, 255.0])
def test_range_and_scale_are_found(tmp_path, photo_like, top, backend):
    """A model that clips to its range, and one for 0..255 that takes off a mean as EDSR does."""
    pytest.importorskip(backend)
    nodes, constants = enlarge("middle")
    gamma = 1.5  # (x / top) ** gamma * top: right in the right range only
    nodes = [
        helper.make_node("Clip", ["lr", "low", "high"], ["clipped"]),
        helper.make_node("Div", ["clipped", "high"], ["share"]),
        helper.make_node("Pow", ["share", "gamma"], ["curved"]),
        helper.make_node("Mul", ["curved", "high"], ["bright"]),
        helper.make_node("Sub", ["lr", "bright"], ["off"]),
        helper.make_node("Mul", ["off", "little"], ["touch"]),
        helper.make_node("Sub", ["lr", "touch"], ["middle"]),
        *nodes,
    ]
    constants += [("low", np.float32(0)), ("high", np.float32(top)), ("gamma", np.float32(gamma))]
    constants += [("little", np.float32(0.1))]
    upscaler = Upscaler(write(tmp_path / "model.onnx", nodes, constants), backend=backend)
    assert upscaler.scales == (3,)
    assert upscaler._network.top == top
    share = photo_like / 255
    expected = repeated(share - 0.1 * (share - share**gamma)) * 255
    assert np.abs(upscaler.upscale(photo_like) - expected).max() <= 0.51


def test_our_own_graph_as_a_file(tmp_path, photo_like):
    file = tmp_path / "eusr_x2.onnx"
    weights = load("eusr")
    onnx.save(graphs.onnx_model(weights, 2), file)
    upscaler = Upscaler(file)
    assert upscaler.scales == (2,)
    assert upscaler._network.top == 255
    image = photo_like[:20, :16]
    expected = Upscaler(weights, keep_colour=False).upscale(image, 2)
    assert np.abs(upscaler.upscale(image).astype(int) - expected).max() <= 1


def test_sides_that_must_be_even(tmp_path, photo_like):
    """Real-ESRGAN x2 folds 2x2 pixels into channels first, and so takes no odd sides."""
    nodes, constants = enlarge("again", scale=2)
    nodes = [
        helper.make_node("SpaceToDepth", ["lr"], ["folded"], blocksize=2),
        helper.make_node("DepthToSpace", ["folded"], ["again"], blocksize=2),
        *nodes,
    ]
    upscaler = Upscaler(write(tmp_path / "model.onnx", nodes, constants))
    assert upscaler._network.multiple == 2
    np.testing.assert_array_equal(upscaler.upscale(photo_like), repeated(photo_like, 2))  # 75x53, both odd
    tiled = Upscaler(tmp_path / "model.onnx", tile=31).upscale(photo_like)
    np.testing.assert_array_equal(tiled, repeated(photo_like, 2))


def test_tiles_smaller_than_what_sides_are_multiples_of(tmp_path, photo_like):
    nodes, constants = enlarge("again", scale=2)
    nodes = [
        helper.make_node("SpaceToDepth", ["lr"], ["folded"], blocksize=32),
        helper.make_node("DepthToSpace", ["folded"], ["again"], blocksize=32),
        *nodes,
    ]
    file = write(tmp_path / "model.onnx", nodes, constants)
    with pytest.raises(ConfigError, match=r"tile 20 is too small: .* takes sides that are multiples of 32"):
        Upscaler(file, tile=20).upscale(photo_like)
    np.testing.assert_array_equal(Upscaler(file, tile=63).upscale(photo_like), repeated(photo_like, 2))


@pytest.mark.parametrize("shape", [(75, 53), (20, 53), (5, 7)])
def test_one_size_only(tmp_path, photo_like, shape):
    file = write(tmp_path / "model.onnx", *enlarge(), shape=(1, 3, 32, 32))
    image = photo_like[: shape[0], : shape[1]]
    np.testing.assert_array_equal(Upscaler(file).upscale(image), repeated(image))


def test_one_size_only_that_is_not_square_turned(tmp_path, photo_like):
    file = write(tmp_path / "model.onnx", *enlarge(), shape=(1, 3, 24, 40))
    np.testing.assert_array_equal(Upscaler(file).upscale(photo_like, self_ensemble=True), repeated(photo_like))


def test_half_precision(tmp_path, photo_like):
    file = write(tmp_path / "model.onnx", *enlarge(), kind=TensorProto.FLOAT16)
    assert np.abs(Upscaler(file).upscale(photo_like).astype(int) - repeated(photo_like)).max() <= 1


def test_other_scales_than_its_own(tmp_path, photo_like):
    upscaler = Upscaler(write(tmp_path / "model.onnx", *enlarge()))
    assert upscaler.upscale(photo_like, 2).shape == (150, 106, 3)
    with pytest.raises(ConfigError, match="factor of 4, beyond this model's largest, 3"):
        upscaler.upscale(photo_like, 4)


def identity():
    return [helper.make_node("Identity", ["lr"], ["sr"])], []


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        (identity, {}, "64x64 became 64x64, which is not larger by a whole factor"),
        (
            enlarge,
            {"shape": (1, "h", "w", 3)},
            r"input has shape \(1, any, any, 3\); .* RGB as \(1, 3, rows, columns\)",
        ),
        (enlarge, {"shape": (1, 1, "h", "w")}, r"input has shape \(1, 1, any, any\)"),
        (enlarge, {"shape": (8, 3, "h", "w")}, r"input has shape \(8, 3, any, any\)"),
        (enlarge, {"shape": (1, 3, 64, "w")}, "one side fixed and one free"),
        (enlarge, {"kind": TensorProto.UINT8}, "its input is UINT8; fourpass runs models that take FLOAT"),
        (
            enlarge,
            {"more_inputs": [helper.make_tensor_value_info("sigma", TensorProto.FLOAT, [1])]},
            "has 2 inputs and 1 outputs",
        ),
    ],
)
def test_what_is_refused(tmp_path, nodes, options, message):
    with pytest.raises(WeightsError, match=message) as caught:
        Upscaler(write(tmp_path / "model.onnx", *nodes(), **options))
    assert "model.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_upscales_to_another_picture_is_refused(tmp_path):
    nodes, constants = enlarge("negative")
    nodes = [helper.make_node("Neg", ["lr"], ["negative"]), *nodes]
    with pytest.raises(WeightsError, match=r"its output differs from its input by .* if white is 1 and by"):
        Upscaler(write(tmp_path / "model.onnx", nodes, constants))


def test_no_onnx_file(tmp_path):
    with pytest.raises(WeightsError, match=r"gone\.onnx: no such file"):
        Upscaler(tmp_path / "gone.onnx")
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"this is text, whatever its name says")
    with pytest.raises(WeightsError, match=r"bad\.onnx: not a complete ONNX file"):
        Upscaler(bad)
    whole = write(tmp_path / "cut.onnx", *enlarge())
    whole.write_bytes(whole.read_bytes()[:-60])
    with pytest.raises(WeightsError, match=r"cut\.onnx: not a complete ONNX file"):
        Upscaler(whole)
