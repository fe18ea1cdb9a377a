"""ncnn on a GPU, in its child process; Mesa's lavapipe is one (apt-get install mesa-vulkan-drivers)."""

from __future__ import annotations

import logging
import subprocess

import numpy as np
import pytest

from fourpass.engine import backends
from fourpass.engine.backends import DeviceLost, ncnn, ncnn_worker
from fourpass.engine.engine import Engine
from fourpass.engine.sources import OurWeights
from fourpass.upscaling.upscaler import Upscaler

pytest.importorskip("ncnn")


@pytest.fixture
def gpu():
    if not ncnn_worker.gpus():
        pytest.skip("wants a Vulkan driver: apt-get install mesa-vulkan-drivers")
    return "gpu"


@pytest.fixture
def picture():
    return np.random.default_rng(3).uniform(0, 255, (1, 3, 12, 20)).astype(np.float32)


@pytest.fixture
def fresh_look():
    ncnn_worker.gpus.cache_clear()
    yield
    ncnn_worker.gpus.cache_clear()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_gpu_gives_the_processors_values(gpu, tiny, picture, precision):
    engine = Engine("ncnn", device=gpu, precision=precision)
    assert engine.device == "gpu:0"
    session = engine.load(OurWeights(tiny, 2))
    expected = Engine("ncnn", device="cpu").load(OurWeights(tiny, 2)).run(picture)
    largest = np.abs(expected).max()
    # Half precision is only kept where a trial was within 1/255 of white.
    tolerance = 1e-3 * largest if session.precision == "fp32" else 2 * largest / 255
    np.testing.assert_allclose(session.run(picture), expected, rtol=0, atol=tolerance)
    assert 2**26 < session.budget < 2**50


def test_gpus_have_names_and_numbers(gpu):
    name = ncnn_worker.gpus()[0].name
    assert Engine("ncnn", device=name[:6].upper()).device == "gpu:0"
    if ncnn_worker.gpus()[0].software:
        assert "gpu:0" in ncnn.Ncnn().emulated()


def test_a_driver_that_dies_leaves_the_work_to_the_processor(gpu, tiny, picture, caplog):
    session = Engine("ncnn", device=gpu, precision="fp32").load(OurWeights(tiny, 2))
    session.run(picture)
    session._session._network._process.kill()
    with caplog.at_level(logging.WARNING, "fourpass"):
        result = session.run(picture)
    expected = Engine("ncnn", device="cpu").load(OurWeights(tiny, 2)).run(picture)
    np.testing.assert_array_equal(result, expected)
    assert session.device == "cpu"
    assert [record.message for record in caplog.records] == [
        "fourpass: GPU 0 was lost: the process of its driver ended with code -9; the processor takes over"
    ]


def test_what_a_driver_complains_of_is_an_error(gpu, tiny, picture):
    """ncnn goes on after these, with whatever is in memory."""
    session = Engine("ncnn", device=gpu, precision="fp32").load(OurWeights(tiny, 2))
    worker = session._session._network

    def complain(text):
        with open(worker._errors.name, "ab") as stream:
            stream.write(text)

    complain(b"[0 some device]  queueC=0[1]\n")
    worker.run(picture[0])
    complain(b"vkAllocateMemory failed -2\n")
    with pytest.raises(backends.OutOfDeviceMemory, match=r"GPU 0 has too little memory \(vkAllocateMemory\)"):
        worker.run(picture[0])
    complain(b"vkQueueSubmit failed -4\n")
    with pytest.raises(DeviceLost, match=r"GPU 0 was lost \(vkQueueSubmit gave -4\)"):
        worker.run(picture[0])


@pytest.mark.parametrize("how", ["crashes", "hangs", "prints"])
def test_no_gpu_where_a_child_cannot_look(monkeypatch, fresh_look, how):
    def run(command, **_):
        if how == "crashes":
            raise subprocess.CalledProcessError(-11, "python")
        if how == "hangs":
            raise subprocess.TimeoutExpired("python", 20)
        return subprocess.CompletedProcess(command, 0, stdout=b"no JSON")

    monkeypatch.setattr(ncnn_worker.subprocess, "run", run)
    assert ncnn.Ncnn().devices() == ("cpu",)


def test_a_missing_driver_file_is_no_gpu_and_no_noise(monkeypatch, fresh_look, capfd):
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, "/nonexistent/driver.json")
    assert ncnn.Ncnn().devices() == ("cpu",)
    assert capfd.readouterr() == ("", "")


class Fake:
    """A session on a device that does what a test says."""

    backend, precision, threads, budget = "fake", "fp32", None, None

    def __init__(self, device, precision, behave):
        self.device, self.precision, self._behave = device, precision, behave

    def bytes_a_pixel(self, features):
        return 1.0

    def run(self, image):
        self._behave(self, image)
        return image.repeat(2, axis=2).repeat(2, axis=3)


class FakeBackend:
    sources = (OurWeights,)

    def __init__(self, behave):
        self._behave = behave

    def missing(self):
        return None

    def preferred_device(self):
        return "cpu"

    def devices(self):
        return ("cpu", "gpu:0")

    def describe(self, device):
        return ""

    def emulated(self):
        return ()

    def precisions(self, device):
        return ("fp16", "fp32") if device != "cpu" else ("fp32",)

    def load(self, source, device, precision, threads):
        return Fake(device, precision, self._behave)


def upscaler(monkeypatch, tiny, behave, **options):
    monkeypatch.setattr(backends, "get", lambda name: FakeBackend(behave))
    return Upscaler(tiny, backend="ncnn", device="gpu", keep_colour=False, **options)


def test_too_little_memory_makes_smaller_tiles_then_the_processor(monkeypatch, tiny, caplog):
    photo = np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8)
    ran = []

    def behave(session, image, limit):
        ran.append((session.device, image.shape[2:]))
        if session.device != "cpu" and image[0, 0].size > limit:
            raise backends.OutOfDeviceMemory("GPU 0 has too little memory")

    for limit, device in ((20_000, "gpu:0"), (100, "cpu")):
        ran.clear()
        caplog.clear()
        one = upscaler(monkeypatch, tiny, lambda session, image, limit=limit: behave(session, image, limit))
        np.testing.assert_array_equal(one.upscale(photo, 2), photo.repeat(2, 0).repeat(2, 1))
        assert ran[-1][0] == device
        assert len(caplog.records) == (1 if device != "cpu" else 2)
        assert "smaller tiles are used" in caplog.records[0].message
    assert "the processor takes over" in caplog.records[1].message


def test_nan_in_half_precision_is_done_again(monkeypatch, tiny, caplog):
    photo = np.full((20, 20, 3), 50, np.uint8)

    monkeypatch.setattr(Fake, "run", _doubled)
    one = upscaler(monkeypatch, tiny, None)
    np.testing.assert_array_equal(one.upscale(photo, 2), np.full((40, 40, 3), 50))
    assert [record.message for record in caplog.records] == [
        "fourpass: fp16 produced values that are not finite; fp32 takes over"
    ]


def _doubled(session, image):
    values = np.full_like(image, np.nan) if session.precision == "fp16" else image
    return values.repeat(2, axis=2).repeat(2, axis=3)


def test_a_device_that_cannot_start_is_the_processor(monkeypatch, tiny, caplog):
    photo = np.full((20, 20, 3), 50, np.uint8)

    def load(self, source, device, precision, threads):
        if device != "cpu":
            raise DeviceLost("GPU 0 was lost")
        return Fake(device, precision, lambda *_: None)

    monkeypatch.setattr(FakeBackend, "load", load)
    one = upscaler(monkeypatch, tiny, None)
    np.testing.assert_array_equal(one.upscale(photo, 2), np.full((40, 40, 3), 50))
    assert [record.message for record in caplog.records] == ["fourpass: GPU 0 was lost; the processor takes over"]


def test_tiles_follow_a_small_gpus_memory(tiny):
    from fourpass.upscaling import network, tiling

    picture = np.broadcast_to(np.uint8(0), (2000, 2000, 3))
    limits = tiling.Limits(None, None, True, False)
    for megabytes in (1, 64, 128):
        rows, columns = tiling.plan(network.ours({4: tiny}), picture, 4, limits, 40_000.0, megabytes * 2**20)
        area = max(row.stop - row.start for row in rows) * max(column.stop - column.start for column in columns)
        assert 40_000 * area <= max(megabytes * 2**20, 40_000 * tiling.SMALLEST**2)
