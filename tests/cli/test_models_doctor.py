"""``fourpass models``, ``fourpass doctor``, and errors of the command line as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fourpass import weights
from fourpass.engine import backends
from fourpass.engine.engine import Engine
from fourpass.errors import BackendError

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


def test_models_of_a_folder(fourpass: Run, tmp_path: Path) -> None:
    param = "7767517\n2 2\nInput in 0 1 data\nInterp up 1 1 data out 0=1 1=3 2=3\n"
    (tmp_path / "good.param").write_text(param)
    (tmp_path / "good.bin").write_bytes(b"")
    (tmp_path / "alone.param").write_text(param)
    (tmp_path / "bad.onnx").write_text("no model")
    (tmp_path / "notes.txt").write_text("no model either")
    code, out, err = fourpass("models", "--folder", str(tmp_path))
    assert (code, err) == (0, [])
    lines = out.decode().splitlines()
    assert lines[0].startswith("alone.param: cannot be used; ")
    assert "alone.bin: no such file" in lines[0]
    assert lines[1].startswith("bad.onnx: cannot be used; ")
    assert lines[2:] == ["good.param: upscales by 3, with ncnn"]
    rows = json.loads(fourpass("models", "--json", "--folder", str(tmp_path)).out)
    assert [row["scales"] for row in rows] == [[], [], [3]]
    code, _, err = fourpass("models", "--folder", str(tmp_path / "gone"))
    assert (code, len(err)) == (2, 1)
    assert "cannot be read as a folder" in err[0]


def test_bench_measures_and_remembers(fourpass: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from fourpass.engine import measuring

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))

    def rate(way: measuring.Way, *_: object) -> float:
        if way.backend == "torch":
            raise BackendError("torch is broken")
        return 2.5 if way.backend == "onnxruntime" else 0.5

    monkeypatch.setattr(measuring, "rate", rate)
    code, out, err = fourpass("doctor", "--bench", "-n", "swift")
    assert (code, err) == (0, [])
    lines = out.decode().splitlines()
    assert lines[0] == "swift by 4, a picture of 64x64, megapixels of output a second:"
    assert "  ncnn         cpu    fp32     0.500" in lines
    assert f"fastest: onnxruntime on cpu in fp32; saved in {tmp_path / 'fourpass' / 'speeds.json'}" == lines[-1]
    assert any("torch" in line and "failed" in line for line in lines)
    assert (tmp_path / "fourpass" / "speeds.json").is_file()
    assert (
        fourpass("doctor", "--bench", "--device", "cpu").out.decode().endswith("fastest: onnxruntime on cpu in fp32\n")
    )


def test_doctor_names_a_backend_that_is_missing(fourpass: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = type(backends.get("onnxruntime"))
    why = "onnxruntime is not installed; install it with: pip install 'fourpass[onnxruntime]'"
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
