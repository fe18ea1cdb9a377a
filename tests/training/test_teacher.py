"""Targets from a teacher: which patches get them, that they are computed once, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch", reason="training wants the train extra")

from PIL import Image  # noqa: E402

from fourpass import weights  # noqa: E402
from fourpass.data.patches import Patches  # noqa: E402
from fourpass.data.training_images import load_pictures  # noqa: E402
from fourpass.errors import ConfigError, WeightsError  # noqa: E402
from fourpass.models.swift import Swift  # noqa: E402
from fourpass.training.recipes import SwiftRecipe, build  # noqa: E402
from fourpass.training.teacher import teach  # noqa: E402
from fourpass.upscaling.upscaler import Upscaler  # noqa: E402
from fourpass.weights import Metadata  # noqa: E402


def doubling(path, share=1.0):
    """An ONNX model that repeats each pixel twice both ways, `share` times as bright."""
    nodes = [
        helper.make_node("Resize", ["image", "", "factors"], ["large"], mode="nearest"),
        helper.make_node("Mul", ["large", "share"], ["out"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "factors"),
        numpy_helper.from_array(np.array(share, np.float32), "share"),
    ]
    sides = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, None, None]) for n in ("image", "out")]
    graph = helper.make_graph(nodes, "doubling", sides[:1], sides[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return str(path)


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for index in range(2):
        file = tmp_path / f"{index}.png"
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(file)
        files.append(file)
    return load_pictures(files, (2, 4), cache=tmp_path / "cache")


def lessons(pictures, teachers, tmp_path, scales=(2, 4)):
    return teach(pictures, teachers, scales, cache=tmp_path / "cache", report=lambda _: None)


def test_the_scale_that_has_a_teacher_learns_its_output(pictures, tmp_path):
    taught = lessons(pictures, [doubling(tmp_path / "t.onnx")], tmp_path)
    for picture in taught:
        assert picture.taught.keys() == {2}
        expected = picture.low[2].repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(picture.taught[2], expected)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_share_of_patches(pictures, tmp_path, share):
    taught = lessons(pictures, [doubling(tmp_path / "t.onnx")], tmp_path)
    patches = Patches(taught, (2, 4), (1, 1), (4, 4), teacher_share=share)
    seen = {2: [], 4: []}
    for step in range(60):
        batch = patches.batch((0, step), 8)
        repeated = batch.low.repeat(batch.scale, axis=2).repeat(batch.scale, axis=3)
        seen[batch.scale].append((batch.high == repeated).all(axis=(1, 2, 3)))
    assert not np.concatenate(seen[4]).any()  # no teacher for x4: the truth
    assert abs(np.concatenate(seen[2]).mean() - share) < 0.12 * (share not in (0.0, 1.0)) + 1e-9


def test_computed_once_and_again_for_another_teacher(pictures, tmp_path, monkeypatch):
    file = doubling(tmp_path / "t.onnx")
    lessons(pictures, [file], tmp_path)
    calls = []
    monkeypatch.setattr(Upscaler, "upscale", lambda self, image, scale: calls.append(scale) or image.repeat(2, 0))
    lessons(pictures, [file], tmp_path)
    assert calls == []
    doubling(tmp_path / "t.onnx", share=0.9)  # the same name, other content
    lessons(pictures, [file], tmp_path)
    assert calls == [2, 2]


def test_weights_teach_all_their_scales(pictures, tmp_path):
    network = Swift(features=4, blocks=1)
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    metadata = Metadata("swift", {"features": 4, "blocks": 1}, "t", "none", 0, "CC0-1.0")
    weights.save(weights.Weights(tensors, metadata), tmp_path / "t.safetensors")
    taught = lessons(pictures, [str(tmp_path / "t.safetensors")], tmp_path)
    assert taught[0].taught.keys() == {2, 4}
    assert taught[0].taught[4].shape == (40, 48, 3)


def test_refusals(pictures, tmp_path):
    file = doubling(tmp_path / "t.onnx")
    with pytest.raises(ConfigError, match=r"upscales by 2, but this recipe trains 4"):
        lessons(pictures, [file], tmp_path, scales=(4,))
    with pytest.raises(ConfigError, match=r"another teacher has scale 2 already"):
        lessons(pictures, [file, file], tmp_path)
    with pytest.raises(WeightsError, match=r"none\.onnx: cannot be read"):
        lessons(pictures, [str(tmp_path / "none.onnx")], tmp_path)
    with pytest.raises(ConfigError, match=r"teacher_share 1\.5 is not within 0\.\.1"):
        build(SwiftRecipe, {"teacher_share": 1.5})
