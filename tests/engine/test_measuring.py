"""How ``auto`` chooses: what was measured, kept in a file, and never for small pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fourpass.engine import backends, measuring
from fourpass.engine.engine import Engine
from fourpass.engine.measuring import Way
from fourpass.engine.sources import OnnxFile, OurWeights
from fourpass.errors import BackendError


class Dummy:
    """A backend that is as fast as a test says."""

    sources = (OurWeights,)

    def __init__(self, name, devices=("cpu",), emulated=()):
        self.name, self._devices, self._emulated = name, devices, emulated

    def missing(self):
        return None

    def preferred_device(self):
        return "cpu"

    def devices(self):
        return self._devices

    def describe(self, device):
        return ""

    def emulated(self):
        return self._emulated

    def precisions(self, device):
        return ("fp16", "fp32") if device != "cpu" else ("fp32",)

    def load(self, source, device, precision, threads):
        name = self.name

        class Session:
            backend, budget = name, None

            def bytes_a_pixel(self, features):
                return features

            def run(self, image):
                return image.repeat(2, axis=2).repeat(2, axis=3)

        Session.device, Session.precision, Session.threads = device, precision, threads
        return Session()


@pytest.fixture
def dummies(monkeypatch, tmp_path):
    """Three backends, and how fast each way is; returns the rates and the ways that were measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    there = {
        "slow": Dummy("slow"),
        "fast": Dummy("fast", ("cpu", "gpu:0", "gpu:1"), ("gpu:1",)),
        "broken": Dummy("broken"),
    }
    monkeypatch.setattr(backends, "BACKENDS", there)
    monkeypatch.setattr(backends, "get", there.__getitem__)
    rates = {"slow": 0.1, "fast": 0.5}
    asked = []

    def rate(way, source, threads, side=64):
        asked.append(way)
        if way.backend == "broken":
            raise BackendError("broken")
        return rates[way.backend] * (10 if way.device != "cpu" else 1)

    monkeypatch.setattr(measuring, "rate", rate)
    return rates, asked


LARGE = 4000 * 3000


def test_a_large_picture_is_worth_measuring_once(dummies, tiny):
    _, asked = dummies
    session = Engine().load(OurWeights(tiny, 2), LARGE)
    assert (session.backend, session.device, session.precision) == ("fast", "gpu:0", "fp16")
    # Of a GPU its usual precision alone, and none that a processor plays.
    assert asked == [
        Way("slow", "cpu", "fp32"),
        Way("fast", "cpu", "fp32"),
        Way("fast", "gpu:0", "fp16"),
        Way("broken", "cpu", "fp32"),
    ]
    engine = Engine()
    assert engine.load(OurWeights(tiny, 2), 100).backend == "fast"  # known by now, for small ones too
    assert engine.reason == "the fastest of 3 that were measured, 5.00 megapixels a second"
    assert len(asked) == 4
    assert Engine().load(OurWeights(tiny, 4), 100).backend == "slow"  # another network


def test_a_small_picture_is_not_measured(dummies, tiny):
    assert Engine().load(OurWeights(tiny, 2), measuring.LARGE - 1).backend == "slow"
    assert dummies[1] == []
    assert not measuring.file().exists()


def test_work_of_a_few_seconds_is_not_worth_it(dummies, tiny):
    rates, asked = dummies
    rates["slow"] = 100.0  # 48 megapixels of output take half a second
    assert Engine().load(OurWeights(tiny, 2), LARGE).backend == "slow"
    assert asked == [Way("slow", "cpu", "fp32")]


def test_flags_decide(dummies, tiny):
    source = OurWeights(tiny, 2)
    assert Engine("slow").load(source, LARGE).backend == "slow"
    assert Engine(device="cpu").load(source, LARGE).device == "cpu"
    assert dummies[1] == []
    session = Engine(precision="fp32").load(source, LARGE)
    assert (session.device, session.precision) == ("gpu:0", "fp32")
    one = Engine(threads=1).load(source, 100)  # measured with other threads: not known
    assert one.backend == "slow"


def test_a_file_that_is_damaged_or_cannot_be_written_is_no_matter(dummies, tiny, monkeypatch, tmp_path):
    source = OurWeights(tiny, 2)
    measuring.file().parent.mkdir(parents=True)
    for content in ("not JSON", "[]", '{"a": 3}'):
        measuring.file().write_text(content)
        assert Engine().load(source, LARGE).backend == "fast"
    entries = json.loads(measuring.file().read_text())
    for bad in ({"one|two": 1}, {"a|b|c": "x"}, [1], {"gone|cpu|fp32": 9.0}):
        measuring.file().write_text(json.dumps(dict.fromkeys(entries, bad)))
        assert Engine().load(source, 100).backend == "slow"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "file"))
    assert Engine().load(source, LARGE).backend == "fast"


def test_the_file_stays_small(dummies):
    for number in range(150):
        measuring.keep(str(number), {Way("slow", "cpu", "fp32"): 1.0})
    assert list(json.loads(measuring.file().read_text())) == [str(number) for number in range(50, 150)]
    assert measuring.kept("149") == {Way("slow", "cpu", "fp32"): 1.0}


def test_auto_takes_a_backend_that_runs_such_files(dummies, tmp_path):
    class Other(Dummy):
        sources = (OnnxFile,)

    backends.BACKENDS["other"] = Other("other")
    assert Engine().load(OnnxFile(tmp_path / "a.onnx")).backend == "other"


def test_a_rate_is_of_output(dummies, tiny, monkeypatch):
    monkeypatch.undo()
    clock = iter([0.0, 0.5])
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(backends, "get", lambda name: Dummy(name))
    found = measuring.rate(Way("slow", "cpu", "fp32"), OurWeights(tiny, 2), None, side=64)
    assert found == pytest.approx(128 * 128 / 0.5 / 1e6)
    assert np.isfinite(found)
