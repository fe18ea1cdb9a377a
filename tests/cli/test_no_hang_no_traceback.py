"""Whatever is given, and wherever it runs: an answer in one line, soon, and the other files done."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import picture_bytes as make
import pytest

from fourpass.cli import terminal
from fourpass.imaging import files

pytest.importorskip("onnxruntime")
Run = Callable[..., tuple[int, bytes, list[str]]]
PNG = make.encode(make.random_pixels(20, 30, 3), "PNG")
posix = pytest.mark.skipif(sys.platform == "win32", reason="wants POSIX")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with one picture."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(PNG)
    return tmp_path


def shell(line: str, doubling: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell, in which FP is ``fourpass`` and UP ``fourpass upscale`` with the doubling model."""
    program = f"'{sys.executable}' -m fourpass.cli.app"
    line = line.replace("UP", f"FP upscale -n '{doubling}' --backend onnxruntime").replace("FP", program)
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, timeout=100, env={**os.environ, **environment}, check=False
    )


def says(done: subprocess.CompletedProcess[bytes]) -> str:
    text = done.stderr.decode()
    assert len(text.splitlines()) == 1, text
    assert text.startswith("fourpass: ")
    return text.removeprefix("fourpass: ").strip()


@posix
@pytest.mark.timeout(60)
def test_pipes_devices_and_sockets_are_named_and_the_others_done(upscale: Run, here: Path) -> None:
    Path("in").mkdir()
    Path("in/a.png").write_bytes(PNG)
    os.mkfifo("in/b.png")
    os.symlink("/dev/zero", "in/c.png")
    os.symlink("b.png", "in/d.png")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("in/e.png")
        for options in ((), ("--resume",)):
            code, _, err = upscale("in", "-o", "out", *options)
            assert code == 1
            assert [line.split(": ", 2)[1] for line in err] == [f"in/{name}.png" for name in "bcde"]
            assert [("pipe" in line, "device" in line) for line in err] == [
                *((True, False), (False, True)),
                *((True, False), (False, True)),
            ]
            assert files.probe("out/a.png").size == (40, 60)


@posix
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale", "pipe.png", "-o", "o.png"],
        ["upscale", "a.png", "-o", "o.png", "--strength-map", "pipe.png"],
        ["upscale", "a.png", "-o", "o.png", "--json", "pipe.png"],
        ["upscale", "a.png", "-o", "pipe.png"],
        ["upscale", "a.png", "-o", "o.png", "-n", "pipe.png"],
        ["score", "pipe.png", "--metrics", "none"],
        ["compare", "a.png", "pipe.png", "-o", "o.html"],
        ["convert", "pipe.png", "-o", "o.safetensors"],
    ],
    ids=" ".join,
)
def test_a_named_pipe_is_not_waited_for(arguments: list[str], doubling: Path, fourpass: Run) -> None:
    os.mkfifo("pipe.png")
    if arguments[0] == "upscale" and "-n" not in arguments and "--strength-map" not in arguments:
        arguments = [*arguments, "-n", str(doubling), "--backend", "onnxruntime"]
    code, _, err = fourpass(*arguments)
    assert code in (1, 2)
    assert len(err) == 1
    assert "pipe.png" in err[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale", ""],
        ["upscale", "a.png", ""],
        ["upscale", "a.png", "-o", ""],
        ["upscale", "a.png", "--json", ""],
        ["upscale", "a.png", "-n", ""],
        ["upscale", "a.png", "--disagreement", ""],
        ["upscale", "-i", ""],
        ["batch", "", "out"],
        ["batch", "in", ""],
        ["score", ""],
        ["score", "a.png", "--map", ""],
        ["compare", "a.png", "", "-o", "o.html"],
        ["compare", "a.png", "a.png", "-o", ""],
        ["convert", ""],
        ["evaluate", "--data", "", "-o", "out"],
        ["evaluate", "--data", "in", "-o", ""],
        ["reproduce", ""],
        ["train", "eusr", "--data", "in", "--out", ""],
        ["serve", "--model", ""],
        [""],
    ],
    ids=repr,
)
def test_an_empty_argument_is_named(arguments: list[str], fourpass: Run) -> None:
    before = sorted(os.listdir())
    code, _, err = fourpass(*arguments)
    assert code == 2
    assert len(err) == 1
    assert "is empty" in err[0] or arguments == [""], err
    assert sorted(os.listdir()) == before


@posix
def test_streams_that_are_closed(doubling: Path) -> None:
    for tail in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        done = shell(f"UP a.png -o o.png {tail}", doubling)
        assert (done.returncode, done.stderr) == (0, b""), tail
        assert files.probe("o.png").size == (40, 60)
        Path("o.png").unlink()
    assert "standard input is closed" in says(shell("UP - -o o.png <&-", doubling))
    done = shell("UP a.png -o - -f png >&-", doubling)
    assert (done.returncode, says(done)) == (2, "standard output is closed; name a file with -o")


@posix
def test_a_reader_that_has_had_enough_and_a_full_disk(doubling: Path) -> None:
    done = shell("FP upscale --help | head -c 1", doubling)
    assert (len(done.stdout), done.stderr) == (1, b"")
    if os.path.exists("/dev/full"):
        done = shell("FP models > /dev/full", doubling)
        assert done.returncode == 2
        assert "No space left" in says(done)


@posix
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_terminals_of_any_character_set(encoding: str, doubling: Path) -> None:
    Path("猫 é.png").write_bytes(PNG)
    done = shell("UP '猫 é.png' -o out/ --dry-run; UP '猫 é2.png' -o out/", doubling, PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    shown = done.stdout.decode(encoding)
    assert shown.count("->") == 1
    assert ("猫" in shown) == (encoding == "utf-8")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("red\x1b[31m.png", r"red\x1b[31m.png"),
        ("two\nlines.png", r"two\nlines.png"),
        ("bell\a\x7f\x9b.png", r"bell\x07\x7f\x9b.png"),
        ("turn\u202egnp.png", r"turn\u202egnp.png"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\xe9.png"),
        ("猫 é 👩\u200d🚀.png", "猫 é 👩\u200d🚀.png"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(name: str, shown: str, upscale: Run) -> None:
    assert terminal.printable(name) == shown
    Path(name).write_bytes(b"")
    code, _, err = upscale(name, "-o", "out/")
    assert code == 1
    assert err == [f"fourpass: {shown}: is empty (0 bytes); get the file again"]
    Path(name).write_bytes(PNG)
    code, out, err = upscale(name, "-o", "out/", "--dry-run")
    assert (code, err) == (0, [])
    assert out.decode() == f"{shown} -> out{os.sep}{shown}  60x40\n"


@posix
def test_names_as_long_as_names_may_be(upscale: Run) -> None:
    name = "n" * 251 + ".png"
    Path(name).write_bytes(PNG)
    assert upscale(name, "-o", "out/") == (0, b"", [])
    assert os.listdir("out") == [name]
    for arguments in ([name], [name, "-o", "out/", "--suffix", "x2"], ["a.png", "-o", "x" + name]):
        code, _, err = upscale(*arguments)
        assert code == 1
        assert len(err) == 1
        assert "the name is longer than names may be here" in err[0]
    code, _, err = upscale("x" + name)
    assert code == 1
    assert len(err) == 1


def test_what_nobody_foresaw_is_one_line_too(fourpass: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from fourpass.cli import models

    def fail() -> None:
        raise RuntimeError("never\nthought of")

    monkeypatch.setattr(models, "models", fail)
    code, _, err = fourpass("models")
    assert code == 2
    assert err == [
        "fourpass: unexpected RuntimeError: never thought of; please report it with the output of FOURPASS_TRACEBACK=1"
    ]
    monkeypatch.setenv("FOURPASS_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="never"):
        fourpass("models")
