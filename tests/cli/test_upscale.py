"""``fourpass upscale``: which file becomes which, how large, and what is said about it."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest
from PIL import Image

from fourpass.imaging import files
from fourpass.imaging.picture import Header, Picture

pytest.importorskip("onnxruntime")
Run = Callable[..., tuple[int, bytes, list[str]]]
RGB = make.random_pixels(20, 30, 3)


def doubled(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(2, axis=0).repeat(2, axis=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a few pictures, a deeper one, and things that are none."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.png", "photos/b.PNG", "photos/deeper/c.png", "photos/.hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make.encode(RGB, "PNG"))
    (tmp_path / "photos" / "notes.txt").write_text("not a picture")
    return tmp_path


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_one_file_to_one_file(folder: Path, upscale: Run) -> None:
    assert upscale("photos/a.png", "-o", "big.png") == (0, b"", [])
    assert np.array_equal(files.read("big.png").pixels, doubled(RGB))


def test_beside_the_input_when_nothing_is_said(folder: Path, upscale: Run) -> None:
    assert upscale("-i", "photos/a.png").code == 0
    assert files.probe("photos/a_x2.png").size == (40, 60)
    code, _, err = upscale("photos/a.png")
    assert code == 2
    assert err == [f"fourpass: photos{os.sep}a_x2.png: already exists; delete it, or name an output with -o"]
    assert upscale("photos/a.png", "--suffix", "large").code == 0
    assert files.probe("photos/a_large.png").size == (40, 60)


def test_a_folder_keeps_names(folder: Path, upscale: Run) -> None:
    assert upscale("photos", "-o", "out") == (0, b"", [])
    assert tree(folder / "out") == ["a.png", "b.PNG"]


def test_recursive_keeps_the_tree_and_leaves_its_own_output_alone(folder: Path, upscale: Run) -> None:
    for _ in range(2):
        assert upscale("photos", "-o", "photos/out", "--recursive").code == 0
        assert tree(folder / "photos" / "out") == [".fourpass-manifest.jsonl", "a.png", "b.PNG", "deeper/c.png"]


def test_suffix_and_ext(folder: Path, upscale: Run) -> None:
    assert upscale("photos", "-o", "out", "--suffix", "x2", "--ext", "webp", "--quality", 100).code == 0
    assert tree(folder / "out") == ["a_x2.webp", "b_x2.webp"]
    assert np.array_equal(files.read("out/a_x2.webp").pixels, doubled(RGB))


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ([], (40, 60)),
        (["-s", 1.5], (30, 45)),
        (["--width", 45], (30, 45)),
        (["--height", 25], (25, 38)),
        (["--longest", 60], (40, 60)),
        (["--megapixels", 0.00135], (30, 45)),
        (["--fit", "50x1000"], (33, 50)),
        (["--fit", "1000X24"], (24, 36)),
        (["-s", 0.5], (10, 15)),
    ],
)
def test_any_size(folder: Path, upscale: Run, options: list[object], size: tuple[int, int]) -> None:
    assert upscale("photos/a.png", "-o", "out.png", *options).code == 0
    assert files.probe("out.png").size == size


def test_pipes(folder: Path, upscale: Run) -> None:
    code, out, err = upscale("-", "-o", "-", stdin=make.encode(RGB, "PNG"))
    assert (code, err) == (0, [])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(out))), doubled(RGB))
    code, out, _ = upscale("-", "-o", "-", "-f", "jpg", stdin=make.encode(RGB, "PNG"))
    assert Image.open(io.BytesIO(out)).format == "JPEG"
    assert upscale("-", "-o", "piped.tif", stdin=make.encode(RGB, "PNG")).code == 0
    assert np.array_equal(files.read("piped.tif").pixels, doubled(RGB))
    code, out, _ = upscale("photos/a.png", "-o", "-", "--ext", "png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(out))), doubled(RGB))
    code, out, err = upscale("-", "-o", "-", stdin=b"nonsense")
    assert (code, out) == (1, b"")
    assert len(err) == 1
    assert err[0].startswith("fourpass: standard input: is a text file")


def test_dry_run_writes_nothing(folder: Path, upscale: Run) -> None:
    before = tree(folder)
    code, out, err = upscale("photos", "-o", "out", "--dry-run", "-s", 2)
    assert code == 0
    assert out.decode().splitlines() == [
        f"photos{os.sep}a.png -> out{os.sep}a.png  60x40",
        f"photos{os.sep}b.PNG -> out{os.sep}b.PNG  60x40",
    ]
    assert tree(folder) == before
    (folder / "photos" / "bad.png").write_bytes(b"")
    code, out, err = upscale("photos", "-o", "out", "--dry-run")
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err == [f"fourpass: photos{os.sep}bad.png: is empty (0 bytes); get the file again"]


def test_report(folder: Path, upscale: Run) -> None:
    (folder / "photos" / "bad.png").write_bytes(b"")
    assert upscale("photos", "-o", "out", "--json", "report.json").code == 1
    report = json.loads(Path("report.json").read_text())
    assert report["complete"] is True
    assert report["backend"] == "onnxruntime"
    assert report["counts"] == {"planned": 0, "done": 2, "skipped": 0, "failed": 1}
    good, bad = report["files"][0], report["files"][2]
    assert good["status"] == "done"
    assert good["input_size"] == [30, 20]
    assert good["output_size"] == [60, 40]
    assert good["format"] == "PNG"
    assert good["bytes"] == Path("out/a.png").stat().st_size
    assert good["megapixels_per_second"] > 0
    assert bad["status"] == "failed"
    assert "is empty" in bad["error"]
    out = upscale("photos/a.png", "-o", "out", "--json", "-").out
    assert json.loads(out)["counts"]["done"] == 1


def test_what_a_format_cannot_keep_is_reported(folder: Path, upscale: Run) -> None:
    (folder / "deep.png").write_bytes(make.png16(make.random_pixels(20, 30, 3, dtype=np.uint16)))
    code, out, _ = upscale("deep.png", "-o", "out.jpg", "--json", "-")
    assert code == 0
    assert json.loads(out)["files"][0]["lost"] == ["16 bits a channel (now 8)"]


def test_what_only_the_pixels_tell_is_reported_and_said_in_a_line(folder: Path, upscale: Run) -> None:
    soft = make.random_pixels(20, 30, 4) | np.array([0, 0, 0, 1], np.uint8)
    (folder / "soft.png").write_bytes(make.encode(soft, "PNG"))
    code, out, err = upscale("soft.png", "-o", "out.gif", "--json", "-")
    assert code == 0
    lost = ["all but 256 colours a frame", "soft transparency (now on or off)"]
    assert json.loads(out)["files"][0]["lost"] == lost
    assert err == [f"fourpass: out.gif: without {', '.join(lost)}"]


def test_what_lies_beside_the_picture_is_reported(folder: Path, upscale: Run) -> None:
    jpeg = make.encode(make.random_pixels(20, 30, 3), "JPEG")
    (folder / "motion.jpg").write_bytes(jpeg + b"\0\0\0\x18ftypmp42" + bytes(99))
    code, out, err = upscale("motion.jpg", "-o", "out.jpg", "--json", "-")
    assert code == 0
    assert json.loads(out)["files"][0]["lost"] == ["the video of the motion photo"]
    assert err == ["fourpass: out.jpg: without the video of the motion photo"]
    (folder / "plain.jpg").write_bytes(jpeg)
    assert upscale("plain.jpg", "-o", "plain2.jpg").err == []


def test_resume(folder: Path, upscale: Run) -> None:
    def statuses(*options: object) -> list[str]:
        code, out, _ = upscale("photos", "-o", "out", "--resume", "--json", "-", *options)
        assert code == 0
        return [each["status"] for each in json.loads(out)["files"]]

    assert statuses() == ["done", "done"]
    assert statuses() == ["skipped", "skipped"]
    assert statuses("-s", 1.5) == ["done", "done"]  # other options
    assert statuses("-s", 1.5) == ["skipped", "skipped"]
    (folder / "photos" / "a.png").write_bytes(make.encode(255 - RGB, "PNG"))  # another input
    assert statuses("-s", 1.5) == ["done", "skipped"]
    (folder / "out" / "b.PNG").write_bytes(b"cut")  # a damaged output
    assert statuses("-s", 1.5) == ["skipped", "done"]
    (folder / "photos" / "new.png").write_bytes(make.encode(RGB, "PNG"))
    assert statuses("-s", 1.5) == ["skipped", "skipped", "done"]
    manifest = folder / "out" / ".fourpass-manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-30])  # a crash in the middle of a line
    assert statuses("-s", 1.5) == ["skipped", "skipped", "done"]
    assert statuses("-s", 1.5) == ["skipped", "skipped", "skipped"]


def test_resume_does_not_take_its_outputs_for_inputs(folder: Path, upscale: Run) -> None:
    for _ in range(2):
        assert upscale("photos", "-o", "photos", "--suffix", "x2", "--resume").code == 0
    names = [".fourpass-manifest.jsonl", ".hidden.png", "a.png", "a_x2.png", "b.PNG", "b_x2.PNG", "deeper/c.png"]
    assert tree(folder / "photos") == [*names, "notes.txt"]


def test_transparency_frames_and_metadata_go_all_the_way(folder: Path, upscale: Run) -> None:
    frames = np.stack([make.random_pixels(12, 16, 3, seed=seed) // 64 * 64 for seed in range(3)])
    alphas = np.zeros((3, 12, 16), np.uint8)
    alphas[:, 3:9, 4:12] = 255
    header = Header("", 16, 12, alpha=True, frames=3, delays=(100, 50, 70), loop=2)
    files.write("in.webp", Picture(header, frames, alphas), quality=100)
    assert upscale("in.webp", "-o", "out.gif").code == 0
    back = files.read("out.gif")
    assert back.header.delays == (100, 50, 70)
    assert back.header.loop == 2
    assert np.array_equal(back.alphas, alphas.repeat(2, 1).repeat(2, 2))
    shown = back.alphas > 0
    assert np.abs(back.frames.astype(int) - frames.repeat(2, 1).repeat(2, 2))[shown].max() <= 2
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    (folder / "turned.jpg").write_bytes(make.encode(RGB, "JPEG", exif=exif.tobytes(), dpi=(300, 300)))
    assert upscale("turned.jpg", "-o", "upright.png").code == 0
    result = Image.open(io.BytesIO(Path("upright.png").read_bytes()))
    assert result.size == (40, 60)
    assert result.getexif()[0x010F] == "Maker"
    assert result.getexif().get(0x0112, 1) == 1
    assert upscale("turned.jpg", "-o", "bare.png", "--strip").code == 0
    assert "exif" not in Image.open(io.BytesIO(Path("bare.png").read_bytes())).info


def test_opaque_transparency_is_no_obstacle_to_jpeg(folder: Path, upscale: Run) -> None:
    rgba = np.dstack([RGB, np.full((20, 30), 255, np.uint8)])
    (folder / "opaque.png").write_bytes(make.encode(rgba, "PNG"))
    assert upscale("opaque.png", "-o", "out.jpg").code == 0
    rgba[3, 3, 3] = 254
    (folder / "not.png").write_bytes(make.encode(rgba, "PNG"))
    code, _, err = upscale("not.png", "-o", "not.jpg")
    assert code == 1
    assert len(err) == 1
    assert err[0].startswith("fourpass: not.jpg: JPEG has no transparency, and the picture does; write .png or ")


def test_overwriting_an_earlier_output_is_fine(folder: Path, upscale: Run) -> None:
    for scale in (2, 1):
        assert upscale("photos/a.png", "-o", "out.png", "-s", scale).code == 0
    assert files.probe("out.png").size == (20, 30)


def test_self_ensemble_tile_and_memory(folder: Path, upscale: Run) -> None:
    options = ["-x", "-t", 64, "--max-memory", "1G", "--fp32", "--threads", 1]
    assert upscale("photos/a.png", "-o", "out.png", *options) == (0, b"", [])
    assert np.array_equal(files.read("out.png").pixels, doubled(RGB))


@pytest.mark.skipif(sys.platform == "win32", reason="wants POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_run_leaves_no_half_file(folder: Path, doubling: Path, number: int, code: int) -> None:
    """The first file is done, the second is stopped in the middle; the report says so."""
    big = make.random_pixels(800, 1000, 3)
    (folder / "photos" / "b.PNG").write_bytes(make.encode(big, "PNG"))
    command = [sys.executable, "-m", "fourpass.cli.app", "upscale", "photos", "-o", "out", "--json", "report.json"]
    command += ["-n", str(doubling), "--backend", "onnxruntime", "-t", "24", "-x", "--resume"]
    # A shell that runs the tests in the background has Ctrl-C ignored, and so would the child.
    heed = functools.partial(signal.signal, number, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    deadline = time.monotonic() + 60
    while not (os.path.exists("out/a.png") and any(name.endswith(".tmp") for name in os.listdir("out"))):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.splitlines() == (
        ["fourpass: stopped after 1 of 2; run the same command to resume"] if code == 130 else []
    )
    assert tree(folder / "out") == [".fourpass-manifest.jsonl", "a.png"]
    report = json.loads(Path("report.json").read_text())
    assert report["complete"] is False
    assert report["counts"]["done"] == 1


def test_progress_is_for_terminals(folder: Path, upscale: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    code, _, err = upscale("photos", "-o", "out")
    assert code == 0
    text = "\n".join(err)
    assert f"photos{os.sep}a.png -> out{os.sep}a.png  60x40" in text
    assert "MP/s" in text
    assert "2 done" in text
