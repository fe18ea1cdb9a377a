"""Conversion of released weights: a GraphDef built byte by byte, and PyTorch checkpoints in their usual wrappings."""

import struct

import numpy as np
import pytest

from fourpass.conversion import convert
from fourpass.conversion.graphdef import read_constants
from fourpass.errors import WeightsError


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, payload):
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def tensor_proto(value, style):
    shape = b"".join(field(2, field(1, size)) for size in value.shape)
    head = field(1, {"half": 19}.get(style, 1)) + field(2, shape)
    if style == "content":
        return head + field(4, value.astype("<f4").tobytes())
    if style == "half":
        codes = value.astype(np.float16).view(np.uint16).ravel()
        return head + field(13, b"".join(varint(int(code)) for code in codes))
    return head + field(5, value.astype("<f4").tobytes())  # packed float_val


def node(name, op, attributes=()):
    content = field(1, name.encode()) + field(2, op.encode())
    for key, value in attributes:
        content += field(5, field(1, key.encode()) + field(2, value))
    return field(1, content)


def graph(constants, style="content"):
    """A frozen graph as TensorFlow writes it: other nodes, attributes and versions around the constants."""
    content = node("images", "Placeholder", [("dtype", field(6, 1))])
    for name, value in constants.items():
        content += node(name, "Const", [("dtype", field(6, 1)), ("value", field(8, tensor_proto(value, style)))])
        content += node(name + "/read", "Identity", [("_class", field(1, b"x"))])
    return content + field(4, field(1, 27))


@pytest.fixture
def variables(references):
    data = np.load(references / "eusr.npz")
    return {name[4:].removesuffix(":0"): data[name] for name in data.files if name.startswith("var:")}


@pytest.mark.parametrize("style", ["content", "floats"])
def test_a_frozen_graph_gives_the_same_weights_as_the_npz(tmp_path, references, variables, style):
    file = tmp_path / "eusr.pb"
    file.write_bytes(graph(variables, style))
    converted, expected = convert(file), convert(references / "eusr.npz")
    assert converted.metadata.numbers == {
        "features": 16,
        "shared_blocks": 2,
        "upscale_blocks": 1,
        "scales": [2, 4, 8],
    }
    assert converted.sha256 == expected.sha256


def test_half_and_run_length_constants(tmp_path):
    file = tmp_path / "g.pb"
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    file.write_bytes(graph({"a": value}, "half"))
    np.testing.assert_array_equal(read_constants(file)["a"], value)
    # TensorFlow writes a constant of equal values as one value.
    shape = field(2, field(2, field(1, 2)) + field(2, field(1, 3)))
    file.write_bytes(node("b", "Const", [("value", field(8, field(1, 1) + shape + field(5, struct.pack("<f", 2.5))))]))
    np.testing.assert_array_equal(read_constants(file)["b"], np.full((2, 3), 2.5))


def make_variables(features, shared, upscale, scales):
    """The authors' names for a network of another size, straight from their scheme."""
    rng = np.random.default_rng(0)
    result = {}

    def add(scope, index, size, fan_in=features, fan_out=features):
        name = f"generator/{scope}/conv2d" + (f"_{index}" if index else "")
        result[f"{name}/kernel"] = rng.normal(size=(size, size, fan_in, fan_out)).astype(np.float32)
        result[f"{name}/bias"] = rng.normal(size=fan_out).astype(np.float32)

    add("first_conv", 0, 3, 3)
    for index in range(2 * shared + 1):
        add("shared", index, 3)
    for scale in scales:
        for index in range(4):
            add(f"initial_blocks/x{scale}", index, 5)
        for module in range(int(np.log2(scale))):
            for part in range(4):
                for index in range(2 * upscale + 1):
                    add(f"upscaling/x{scale}/m{module}/px{part}", index, 3)
        add(f"upscaling/x{scale}", 0, 3, fan_out=3)
    return result


@pytest.mark.parametrize(("features", "shared", "upscale"), [(4, 1, 1), (6, 12, 3)])
def test_any_number_of_features_and_blocks(tmp_path, features, shared, upscale):
    torch_models = pytest.importorskip("fourpass.models", exc_type=ImportError)
    file = tmp_path / "other.pb"
    file.write_bytes(graph(make_variables(features, shared, upscale, (2, 4, 8))))
    weights = convert(file)
    assert weights.metadata.numbers["shared_blocks"] == shared
    assert weights.metadata.numbers["upscale_blocks"] == upscale
    torch_models.build(weights)  # strict: every tensor has its place


@pytest.mark.parametrize("wrap", ["bare", "params", "params_ema", "state_dict", "module"])
def test_pytorch_checkpoints(tmp_path, references, wrap):
    torch = pytest.importorskip("torch")
    expected = convert(references / "eusr.npz")
    state = {name: torch.from_numpy(np.array(value)) for name, value in expected.tensors.items()}
    if wrap == "module":
        state = {f"module.{name}": value for name, value in state.items()}
    elif wrap != "bare":
        state = {wrap: state, "epoch": 3}
    torch.save(state, tmp_path / "eusr.pth")
    assert convert(tmp_path / "eusr.pth").sha256 == expected.sha256


class Evil:
    def __reduce__(self):
        return (print, ("ran code",))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save({"a": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth: not a PyTorch checkpoint that loads safely"):
        convert(tmp_path / "evil.pth")
    assert "ran code" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.pb", lambda whole: whole[: len(whole) // 2], "not a complete GraphDef|values, but its shape"),
        ("text.pb", lambda whole: b"this is not a graph", "not a complete GraphDef"),
        ("empty.pb", lambda whole: b"", "contains no constants"),
        ("other.pb", lambda whole: graph({"dense/kernel": np.ones((2, 2))}), "not belong to any known architecture"),
        ("w.bin", lambda whole: whole, r"suffix '\.bin'"),
        ("cut.npz", lambda whole: b"PK\x03\x04", r"not a complete \.npz"),
        ("cut.safetensors", lambda whole: whole[:9], "not a complete safetensors"),
    ],
)
def test_bad_files_are_named(tmp_path, variables, name, content, words):
    file = tmp_path / name
    file.write_bytes(content(graph(variables)))
    with pytest.raises(WeightsError, match=words) as caught:
        convert(file)
    assert name in str(caught.value)


def test_half_a_network_is_refused(tmp_path, variables):
    file = tmp_path / "half.pb"
    file.write_bytes(graph({name: value for name, value in variables.items() if "upscaling" not in name}))
    with pytest.raises(WeightsError, match="lacks parts of EUSR"):
        convert(file)
