"""The three backends against the torch network, and how one is chosen."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from fourpass import weights
from fourpass.conversion import convert
from fourpass.engine import backends, hardware
from fourpass.engine.backends import BACKENDS
from fourpass.engine.engine import Engine
from fourpass.engine.sources import OnnxFile, OurWeights
from fourpass.errors import BackendError, ConfigError
from fourpass.upscaling.upscaler import Upscaler


def available(name: str) -> str:
    reason = backends.get(name).missing()
    if reason is not None:
        pytest.skip(reason)
    return name


@pytest.fixture(scope="module")
def released(references):
    return convert(references / "eusr.npz")


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("name", BACKENDS)
def test_equals_the_torch_network(name, scale, released):
    torch = pytest.importorskip("torch")
    from fourpass.models import build

    session = Engine(available(name), device="cpu", precision="fp32").load(OurWeights(released, scale))
    for shape in ((17, 11), (1, 1), (9, 30)):  # one session takes them all
        image = np.random.default_rng(3).uniform(0, 255, (1, 3, *shape)).astype(np.float32)
        with torch.no_grad():
            expected = build(released)(torch.from_numpy(image), scale).numpy()
        result = session.run(image)
        assert result.dtype == np.float32
        assert result.flags.c_contiguous
        # Asked for: 0.5 on outputs of 0..255. These random weights reach beyond 500, and agree far better.
        # ncnn convolves by Winograd's way, whose rounding errors are larger.
        np.testing.assert_allclose(result, expected, rtol=0, atol=0.1 if name == "ncnn" else 0.005)


@pytest.mark.parametrize("name", BACKENDS)
def test_any_layout_in_memory(name, tiny):
    session = Engine(available(name), device="cpu", precision="fp32").load(OurWeights(tiny, 2))
    picture = np.random.default_rng(0).uniform(0, 255, (41, 37, 3)).astype(np.float32)
    turned = picture.transpose(2, 0, 1)[None]
    expected = session.run(np.ascontiguousarray(turned))
    for _ in range(3):  # what reads freed memory may be lucky once
        np.testing.assert_allclose(session.run(turned), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", BACKENDS)
def test_several_threads_at_once(name, tiny):
    session = Engine(available(name), device="cpu", precision="fp32").load(OurWeights(tiny, 2))
    random = np.random.default_rng(0)
    images = [random.uniform(0, 255, (1, 3, 8 + n, 9)).astype(np.float32) for n in range(6)]
    expected = [session.run(image) for image in images]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(5):
            if not np.allclose(session.run(images[index]), expected[index], atol=1e-3):
                wrong.append(index)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(images))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_session_dropped_in_another_thread_leaves_signals_alone(tmp_path, tiny):
    """In a process of its own, which a signal on freed memory would kill."""
    available("openvino")
    script = tmp_path / "drop.py"
    script.write_text(
        "import gc, signal, sys, threading\n"
        "import numpy as np\n"
        "from fourpass import Upscaler\n"
        "held, seen = [Upscaler(sys.argv[1], backend='openvino', threads=1)], []\n"
        "held[0].upscale(np.zeros((8, 8, 3), np.uint8), 2)\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))\n"
        "dropper = threading.Thread(target=lambda: (held.clear(), gc.collect()))\n"
        "dropper.start()\n"
        "dropper.join()\n"
        "signal.raise_signal(signal.SIGTERM)\n"
        "print(held, seen == [signal.SIGTERM])\n"
    )
    file = tmp_path / "tiny.safetensors"
    weights.save(tiny, file)
    ran = subprocess.run([sys.executable, script, file], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "[] True\n"), ran.stderr


def test_auto_is_ncnn_or_openvino_where_bf16_is_fast(monkeypatch):
    available("openvino")
    assert (Engine().backend, Engine().device, Engine().precision) == ("ncnn", "cpu", "fp32")
    monkeypatch.setattr(hardware, "bf16_instructions", lambda: "AMX")
    assert (Engine().backend, Engine().device, Engine().precision) == ("openvino", "cpu", "bf16")


def test_auto_falls_to_the_next_that_is_installed(monkeypatch):
    available("openvino")
    from fourpass.engine.backends.ncnn import Ncnn

    monkeypatch.setattr(Ncnn, "missing", lambda self: "ncnn is not installed")
    assert Engine().backend == "openvino"
    with pytest.raises(BackendError, match="ncnn is not installed"):
        Engine("ncnn")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "tensorrt"}, "backend 'tensorrt' is not one of auto, ncnn, openvino, onnxruntime, torch"),
        ({"precision": "int4"}, "precision 'int4' is not one of auto, fp32, bf16, fp16"),
        ({"threads": 0}, "threads is 0; it must be at least 1"),
    ],
)
def test_what_cannot_be_chosen(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Engine(**arguments)


def test_bf16_follows_the_processor(monkeypatch):
    monkeypatch.setattr(hardware, "bf16_instructions", lambda: None)
    assert Engine("openvino").precision == "fp32"
    with pytest.raises(ConfigError, match="precision bf16 does not run well with openvino on this machine"):
        Engine("openvino", precision="bf16")
    monkeypatch.setattr(hardware, "bf16_instructions", lambda: "AMX")
    assert Engine("openvino").precision == "bf16"
    assert Engine("openvino", precision="fp32").precision == "fp32"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f amx_bf16 avx512_bf16 amx_tile", "AMX"),
        ("fpu avx2 avx512f avx512_bf16", "AVX512-BF16"),
        ("fpu avx2 avx512f", None),
        ("fpu avx2", None),
    ],
)
def test_instructions_are_read_from_the_processors_flags(real_processor, monkeypatch, flags, expected):
    text = f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n"
    monkeypatch.setattr(hardware.Path, "read_text", lambda self, **_: text)
    assert hardware.bf16_instructions() == expected


def test_the_machine_has_memory_and_processors():
    assert 2**26 < hardware.free_memory() < 2**50
    assert 1 <= hardware.usable_cpus() < 10_000


def test_threads_are_kept(tiny):
    for name in ("openvino", "ncnn", "onnxruntime"):
        assert Engine(available(name), device="cpu", threads=1).load(OurWeights(tiny, 2)).threads == 1


def test_torch_refuses_what_it_cannot_do(tiny):
    torch = pytest.importorskip("torch")
    with pytest.raises(ConfigError, match="set OMP_NUM_THREADS"):
        Engine("torch", device="cpu", threads=torch.get_num_threads() + 1).load(OurWeights(tiny, 2))
    with pytest.raises(BackendError, match="scores run on the backends openvino, ncnn and onnxruntime, not on torch"):
        Engine("torch", device="cpu").load(OurWeights(tiny, None))


@pytest.mark.parametrize("name", ["ncnn", "torch"])
def test_onnx_files_are_for_those_that_run_them(name):
    with pytest.raises(BackendError, match=f"the {name} backend does not run ONNX files; .* openvino or onnxruntime"):
        Engine(available(name), device="cpu").load(OnnxFile(Path("a.onnx")))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_broken_graph_is_one_line(name, tmp_path):
    file = tmp_path / "broken.onnx"
    file.write_bytes(b"this is not ONNX")
    with pytest.raises(BackendError, match=f"{name} cannot load the model") as caught:
        Engine(available(name), device="cpu").load(OnnxFile(file))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", BACKENDS)
def test_a_run_that_fails_is_one_line(name, tiny):
    session = Engine(available(name), device="cpu", precision="fp32").load(OurWeights(tiny, 2))
    with pytest.raises(BackendError, match=r"failed on an input of shape \(1, 4, 8, 8\)") as caught:
        session.run(np.zeros((1, 4, 8, 8), np.float32))
    assert "\n" not in str(caught.value)
    assert session.run(np.zeros((1, 3, 8, 8), np.float32)).shape == (1, 3, 16, 16)


class Doubling:
    """A backend of a test's own: repeats each pixel twice, whatever the weights are."""

    sources = (OurWeights,)

    def missing(self):
        return None

    def preferred_device(self):
        return "cpu"

    def devices(self):
        return ("cpu", "gpu:0", "gpu:1")

    def describe(self, device):
        return {"gpu:1": "Maker's Fast One"}.get(device, "")

    def emulated(self):
        return ()

    def precisions(self, device):
        return ("fp32",)

    def load(self, source, device, precision, threads):
        class Session:
            backend, budget = "doubling", None

            def bytes_a_pixel(self, features):
                return features

            def run(self, image):
                return image.repeat(2, axis=2).repeat(2, axis=3)

        Session.device, Session.precision, Session.threads = device, precision, threads
        return Session()


def test_a_backend_is_one_file_and_one_line(monkeypatch, tiny, photo_like):
    module = types.ModuleType("doubling_backend")
    module.Doubling = Doubling
    monkeypatch.setitem(sys.modules, "doubling_backend", module)
    monkeypatch.setattr(backends, "BACKENDS", {"doubling": "doubling_backend:Doubling"})
    upscaler = Upscaler(tiny, backend="doubling", keep_colour=False, tile=32)
    np.testing.assert_array_equal(upscaler.upscale(photo_like, 2), photo_like.repeat(2, 0).repeat(2, 1))
    assert [Engine(device=name).device for name in ("auto", "gpu", "gpu:1")] == ["cpu", "gpu:0", "gpu:1"]
    assert Engine(device="fast one").device == "gpu:1"
    with pytest.raises(BackendError, match="doubling has no device npu here, only cpu, gpu:0, gpu:1"):
        Engine(device="npu")


def test_one_engine_for_several_upscalers(tiny, photo_like):
    engine = Engine(available("onnxruntime"), device="cpu", threads=1)
    first, second = (Upscaler(tiny, engine=engine) for _ in range(2))
    np.testing.assert_array_equal(first.upscale(photo_like, 2), second.upscale(photo_like, 2))
    with pytest.raises(ConfigError, match="both given; give only one of them"):
        Upscaler(tiny, engine=engine, threads=1)
