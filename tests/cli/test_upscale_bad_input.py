"""``fourpass upscale`` and what people give it by mistake: one line that names it and the way out, nothing lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest

from fourpass import weights
from fourpass.disk import atomic
from fourpass.imaging import files
from fourpass.weights import Metadata, Weights

pytest.importorskip("onnxruntime")
Run = Callable[..., tuple[int, bytes, list[str]]]
RGB = make.random_pixels(20, 30, 3)
LARGE = make.random_pixels(200, 300, 3)
PNG, JPEG = make.encode(LARGE, "PNG"), make.encode(LARGE, "JPEG")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(name: str, data: bytes | None = None) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make.encode(RGB, "PNG") if data is None else data)
    return path


BAD = {
    "empty.png": (b"", "is empty .0 bytes.; get the file again"),
    "short.jpg": (JPEG[: len(JPEG) // 2], "is cut short or damaged .*; get the file again"),
    "short.png": (PNG[: len(PNG) // 2], "is cut short or damaged .*; get the file again"),
    "text.png": (b"These are words.\n" * 9, "is a text file, not a picture in one of .*; convert it to PNG first"),
    "bomb.png": (make.png_claiming(200_000, 200_000), "200000x200000, 40,000 megapixels; the limit .* --max-pixels"),
    "猫 é.png": (b"", "is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_does_not_stop_the_others(name: str, upscale: Run) -> None:
    data, says = BAD[name]
    put("in/0 good.png")
    put(f"in/{name}", data)
    put("in/~good.png")
    code, out, err = upscale("in", "-o", "out", "--json", "report.json")
    assert (code, out, len(err)) == (1, b"", 1)
    assert re.match(f"fourpass: in/{re.escape(name)}: .*{says}", err[0])
    assert sorted(os.listdir("out")) == ["0 good.png", "~good.png"]
    assert Path(f"in/{name}").read_bytes() == data
    statuses = {
        Path(each["input"]).name: each["status"] for each in json.loads(Path("report.json").read_text())["files"]
    }
    assert statuses == {"0 good.png": "done", name: "failed", "~good.png": "done"}


@pytest.mark.parametrize("size", [(1, 1), (3, 5000), (5000, 3)])
def test_odd_sizes_work(size: tuple[int, int], upscale: Run) -> None:
    pixels = make.random_pixels(*size, 3)
    put("odd.png", make.encode(pixels, "PNG"))
    assert upscale("odd.png", "-o", "big.png") == (0, b"", [])
    assert np.array_equal(files.read("big.png").pixels, pixels.repeat(2, 0).repeat(2, 1))


def test_max_pixels(upscale: Run) -> None:
    put("a.png")
    assert upscale("a.png", "-o", "b.png", "--max-pixels", 600).code == 0
    code, _, err = upscale("a.png", "-o", "b.png", "--max-pixels", "599")
    assert code == 1
    limit = "the limit is 0.000599; if you trust it, raise the limit with --max-pixels 600"
    assert err == [f"fourpass: a.png: claims 30x20, 0.0006 megapixels; {limit}"]


@pytest.mark.parametrize(
    "name", ["Kätzchen.png", "猫.png", "😀 a b.png", "[1].png", "100%.png", "'\"`$x.png", "a\nb.png"]
)
def test_names_of_any_kind_work(name: str, upscale: Run) -> None:
    put(f"in/{name}")
    assert upscale("in", "-o", "out") == (0, b"", [])
    assert os.listdir("out") == [name]
    assert upscale(f"in/{name}", "--suffix", "größer").code == 0
    assert len(os.listdir("in")) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="wants names that are bytes")
def test_names_that_are_not_utf8(upscale: Run) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    put(f"in/{name}")
    put(f"in/bad-{name}", b"")
    code, out, err = upscale("in", "-o", "out", "--json", "report.json", "--dry-run")
    assert (code, len(err), out.count(b"\n")) == (1, 1, 1)
    code, out, err = upscale("in", "-o", "out", "--json", "report.json")
    assert (code, len(err)) == (1, 1)
    assert os.listdir("out") == [name]
    assert json.loads(Path("report.json").read_text())["counts"]["done"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no input; name pictures or folders, or - for standard input"),
        (["a.png", "-o", "a.png"], "a.png: is an input, and inputs are never overwritten; write to another folder"),
        (["a.png", "-o", "sub/../a.png"], "is an input"),
        (["a.png", "-o", "link.png"], "link.png: is an input"),
        (["a.png", "b.png", "-o", "."], "is an input, and inputs are never overwritten; .*add --suffix"),
        (["a.png", "b.png", "-o", "out.png"], "out.png: names one file, and 2 inputs need a folder for -o"),
        (["in", "-o", "out.png"], "out.png: names one file, and the pictures of a folder need a folder for -o"),
        (["in", "-o", "file"], "file: is a file, and the pictures of a folder need a folder for -o"),
        (["in"], "in: is a folder; name an output folder with -o"),
        (["nothing", "-o", "out"], "nothing: this folder contains no pictures; add --recursive to"),
        (["a.png", "in/a.png", "-o", "out"], "a.png and in/a.png would both become out/a.png; upscale them separately"),
        (["a.png", "a.jpg", "-o", "out", "--ext", "png"], "a.png and a.jpg would both become out/a.png"),
        (["a.png", "-o", "out.bmp"], "out.bmp: .bmp: not a format that can be written; .*; for a folder, end its name"),
        (["a.png", "-o", "out.heic"], "HEIF is read but not written; use .avif"),
        (["a.png", "-o", "out.png", "--ext", "jpg"], "out.png: is not what --ext jpg asks for; leave one of them out"),
        (["a.png", "--ext", "bmp"], "--ext bmp: not a format that can be written; use one of .jpg, .png"),
        (["a.png", "-s", "0"], "scale is 0.0; it must be a positive number"),
        (["a.png", "-s", "nan"], "scale is nan; it must be a positive number"),
        (["a.png", "-s", "16"], "-s 16 exceeds this model's largest factor, 2; upscale twice"),
        (["a.png", "-s", "2", "--width", "9"], "takes exactly one of .*; scale and width were given"),
        (["a.png", "--fit", "1920"], "--fit 1920 is not a size like 1920x1080"),
        (["a.png", "--quality", "0"], "--quality 0 is not within 1..100"),
        (["a.png", "-t", "5"], "tile 5 is smaller than the minimum"),
        (["a.png", "--max-memory", "lots"], "--max-memory lots is not a number above 0; write it like 250M or 2G"),
        (["a.png", "--backend", "cuda"], "backend 'cuda' is not one of auto, ncnn, openvino, onnxruntime, torch"),
        (["a.png", "--strength", "0.5"], "strength works only with the packaged models"),
        (["-", "-o", "out/"], "a picture from standard input has no name; give a file, or -, for -o"),
        (["-"], "a picture from standard input needs -o FILE, or -o - for standard output"),
        (["-", "a.png", "-o", "x.png"], "- stands for a single picture; give it as the only input"),
        (["a.png", "-o", "-", "--json", "-"], "would both write to standard output; give --json a file"),
        (["a.png", "--json", "file/report.json"], "--json file/report.json: cannot be written"),
        (["a.png", "-o", "x.png", "--resume"], "--resume keeps its list in the output folder; name a folder with -o"),
        (["a.png", "--bogus"], "No such option: --bogus.*; see fourpass upscale --help"),
        (["a.png", "-s", "much"], "Invalid value for '-s' / '--scale'"),
        (["a.png", "-o"], "Option '-o' requires an argument"),
    ],
)  # fmt: skip
def test_usage_errors_are_one_line_and_nothing_is_begun(arguments: list[str], says: str, upscale: Run) -> None:
    for name in ("a.png", "b.png", "in/a.png"):
        put(name)
    put("a.jpg", make.encode(RGB, "JPEG"))
    put("file", b"")
    Path("sub").mkdir()
    Path("nothing").mkdir()
    os.link("a.png", "link.png")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    code, out, err = upscale(*arguments, stdin=PNG)
    assert (code, out, len(err)) == (2, b"", 1), err
    assert re.search(says, err[0]), err[0]
    assert err[0].startswith("fourpass: ")
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_folder_where_a_picture_should_be(upscale: Run) -> None:
    Path("folder.png").mkdir()
    put("folder.png/inside.png")
    Path("in/x.png").mkdir(parents=True)
    put("in/a.png")
    assert upscale("in", "-o", "out").code == 0  # a folder named like a picture is none
    assert os.listdir("out") == ["a.png"]
    assert upscale("folder.png", "-o", "out2").code == 0
    assert os.listdir("out2") == ["inside.png"]
    Path("out3/a.png").mkdir(parents=True)
    code, _, err = upscale("in/a.png", "-o", "out3")
    assert code == 1
    assert err == ["fourpass: out3/a.png: is a folder, where a picture is to be written; name a file"]


def test_a_folder_that_cannot_be_written(upscale: Run) -> None:
    put("a.png")
    put("b.png")
    put("file", b"in the way")
    code, _, err = upscale("a.png", "b.png", "-o", "file/out")
    assert code == 1
    assert len(err) == 2
    assert re.match(r"fourpass: file/out/a\.png: cannot be written \(.*\); write to another folder with -o", err[0])
    if Path("/proc/self").exists():
        code, _, err = upscale("a.png", "-o", "/proc/out")
        assert code == 1
        assert err[0].startswith("fourpass: /proc/out/a.png: cannot be written")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="wants Linux's /dev/full")
def test_a_full_disk(upscale: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.png")
    put("out.png", b"old")
    opened = os.open

    def full(path: object, flags: int, mode: int = 0o777) -> int:
        return opened("/dev/full", os.O_RDWR) if str(path).endswith(".tmp") else opened(path, flags, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(atomic.os, "open", full)
    code, _, err = upscale("a.png", "-o", "out.png")
    assert code == 1
    assert err == ["fourpass: out.png: the disk is full; free some space, or write to another with -o"]
    assert Path("out.png").read_bytes() == b"old"
    assert sorted(os.listdir()) == ["a.png", "out.png"]


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="wants to mount a file system")
def test_a_disk_that_really_fills_up(here: Path, doubling: Path) -> None:
    """In a mount namespace of its own; where that is not allowed, the test skips."""
    put("a.png", make.encode(np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8), "PNG"))
    Path("small").mkdir()
    command = f"mount -t tmpfs -o size=200k none small && '{sys.executable}' -m fourpass.cli.app upscale a.png"
    command += f" -o small/out.tif -n '{doubling}' --backend onnxruntime; echo $?; ls -A small"
    if not shutil.which("unshare"):
        pytest.skip("wants unshare")
    done = subprocess.run(["unshare", "-m", "sh", "-c", command], capture_output=True, text=True, check=False)
    if "fourpass" not in done.stderr:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    assert done.stderr.splitlines() == [
        "fourpass: small/out.tif: the disk is full; free some space, or write to another with -o"
    ]
    assert done.stdout.split() == ["1"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole weights file; its tensors are of no network, which is found out last."""
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    metadata = Metadata("eusr", {"features": 8}, "test", "nothing", 0, "CC0-1.0")
    weights.save(Weights({"a": np.ones((9, 9), np.float32)}, metadata), path)
    return path


def _with_header(data: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def test_damaged_weights(model: Path, fourpass: Run) -> None:
    put("a.png")
    whole = model.read_bytes()

    def unknown(header: dict[str, object]) -> None:
        header["__metadata__"]["flavour"] = "sweet"  # type: ignore[index]

    damaged = {
        "cut.safetensors": (whole[:-10], "not a complete safetensors file .*; fetch or convert it again"),
        "short.safetensors": (whole[:20], "not a complete safetensors file"),
        "empty.safetensors": (b"", "not a complete safetensors file|cannot be read"),
        "flipped.safetensors": (
            whole[:-5] + bytes([whole[-5] ^ 4]) + whole[-4:],
            "do not match their sha256.*fetch it ag",
        ),
        "key.safetensors": (_with_header(whole, unknown), "metadata has the unknown key 'flavour'; known keys are "),
        "odd.safetensors": (whole, "lacks the tensor|numbers in its metadata do not fit|tensor"),
        "text.onnx": (b"no network", "text.onnx: "),
        "missing.safetensors": (None, "no such weights file, and not one of the packaged ones"),
        "nonesuch": (None, "nonesuch: no such weights file"),
    }
    for name, (data, says) in damaged.items():
        if data is not None:
            Path(name).write_bytes(data)
        code, out, err = fourpass("upscale", "a.png", "-n", name)
        assert (code, out, len(err)) == (2, b"", 1), (name, err)
        assert name in err[0]
        assert re.search(says, err[0]), err[0]
    assert not list(Path().glob("a_x*"))


def test_a_bug_in_one_file_does_not_stop_the_others(upscale: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from fourpass.jobs import one_file

    real = one_file.upscale_file

    def failing(upscaler: object, source: object, *rest: object, **options: object) -> None:
        if source == "a.png":
            raise RuntimeError("never thought\nof this")
        if source == "b.png":
            raise MemoryError
        real(upscaler, source, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(one_file, "upscale_file", failing)
    for name in ("a.png", "b.png", "c.png"):
        put(name)
    code, _, err = upscale("a.png", "b.png", "c.png", "-o", "out", "--json", "report.json")
    assert code == 1
    assert err[0].startswith("fourpass: a.png: unexpected RuntimeError: never thought of this; please report it")
    assert err[1] == "fourpass: b.png: not enough memory; lower --max-memory or close other programs"
    assert os.listdir("out") == ["c.png"]
    report = json.loads(Path("report.json").read_text())
    assert "RuntimeError" in report["files"][0]["traceback"]
    assert report["files"][1]["traceback"] is None
