"""``fourpass models``, ``fourpass doctor``, and errors of the command line as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from fourpass import weights
from fourpass.engine import backends
from fourpass.engine.engine import Engine

Run = Callable[..., tuple[int, bytes, list[str]]]


def test_models_lists_what_is_packaged(fourpass: Run) -> None:
    code, out, err = fourpass("models")
    assert (code, err) == (0, [])
    text = out.decode()
    for name in weights.available():
        assert f"{name}: " in text
    assert "eusr: upscales by 2, 4, 8; eusr, 6,295,689 parameters" in text


def test_models_as_json(fourpass: Run) -> None:
    rows = {row["name"]: row for row in json.loads(fourpass("models", "--json").out)}
    assert rows.keys() == set(weights.available())
    loaded = weights.load("eusr")
    assert rows["eusr"]["sha256"] == loaded.sha256
    assert rows["eusr"]["scales"] == [2, 4, 8]
    assert rows["eusr"]["numbers"]["features"] == 64


def test_doctor_says_what_runs_and_why(fourpass: Run) -> None:
    code, out, err = fourpass("doctor")
    assert (code, err) == (0, [])
    lines = {line.split(":", 1)[0]: line.split(":", 1)[1].strip() for line in out.decode().splitlines()}
    engine = Engine()
    assert lines["will use"].startswith(f"{engine.backend} on {engine.device} in {engine.precision} ({engine.reason})")
    assert "GiB free" in lines["memory"]
    assert "libvips" in lines["pictures"]
    assert "32x32 upscaled by 4 at" in lines["trial"]
    for name in backends.BACKENDS:
        assert name in lines


def test_doctor_names_a_backend_that_is_missing(fourpass: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = type(backends.get("onnxruntime"))
    why = "onnxruntime is not installed; bring it with: pip install 'fourpass[onnxruntime]'"
    monkeypatch.setattr(candidate, "missing", lambda self: why)
    code, out, err = fourpass("doctor", "--backend", "onnxruntime")
    assert (code, err) == (2, [f"fourpass: {why}"])
    assert why in out.decode()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonesuch"], "No such command 'nonesuch'.*; see fourpass --help"),
        (["--nonesuch"], "No such option: --nonesuch.*; see fourpass --help"),
        (["models", "extra"], "unexpected extra argument.*; see fourpass models --help"),
        (["doctor", "--threads", "few"], "Invalid value for '--threads'.*; see fourpass doctor --help"),
    ],
)
def test_usage_errors_are_one_line(arguments: list[str], says: str, fourpass: Run) -> None:
    code, out, err = fourpass(*arguments)
    assert (code, out, len(err)) == (2, b"", 1)
    assert re.search(f"^fourpass: .*{says}$", err[0]), err[0]


def test_version_and_help(fourpass: Run) -> None:
    code, out, _ = fourpass("--version")
    assert code == 0
    assert out.startswith(b"fourpass 0.")
    code, out, _ = fourpass("upscale", "--help")
    assert code == 0
    assert b"--self-ensemble" in out
    code, out, _ = fourpass()
    assert code == 0
    assert b"upscale" in out
