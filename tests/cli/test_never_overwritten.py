"""No command writes over what it reads: refused with exit code 2 and one line, and nothing is written at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import picture_bytes as make
import pytest

from fourpass.errors import ConfigError
from fourpass.imaging import files

pytest.importorskip("onnxruntime")
Run = Callable[..., tuple[int, bytes, list[str]]]
PNG = make.encode(make.random_pixels(20, 30, 3), "PNG")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos under several names, a set with results, weights, a recipe."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "tree/a.png", "tree/sub/a.png", "tree/sub/b.png", "set/x.png", "res/images/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PNG)
    for name in ("w.safetensors", "summary.csv", "res/table2.csv", "res/summary.csv"):
        (tmp_path / name).write_bytes(b"precious")
    os.link("a.png", "hard.png")
    os.symlink("a.png", "soft.png")
    os.symlink("tree", "door")
    return tmp_path


def everything() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


UPSCALE = [
    ["a.png", "-o", "a.png"],
    ["a.png", "-o", "{here}/a.png"],
    ["{here}/a.png", "-o", "a.png"],
    ["a.png", "-o", "file://{here}/a.png"],
    ["file://{here}/a.png", "-o", "soft.png"],
    ["local://{here}/a.png", "-o", "hard.png"],
    ["a.png", "-o", "local://{here}/a.png"],
    ["local://{here}/tree", "-o", "door"],
    ["zip://x.png::{here}/a.png", "-o", "o.png", "--json", "soft.png"],
    ["a.png", "-o", "hard.png"],
    ["tree/a.png", "-o", "door/a.png"],
    ["tree", "-o", "tree"],
    ["tree", "-o", "door"],
    ["door", "-o", "tree/"],
    ["tree", "-r", "-o", "tree"],
    ["tree", "-r", "-o", "tree/sub"],  # tree/a.png would become tree/sub/a.png
    ["door", "-r", "-o", "./tree/sub"],
    ["tree", "tree/sub", "-r", "-o", "door/sub"],
    ["a.png", "b.png", "-o", "."],
    ["a.png", "-o", "o.png", "--json", "a.png"],
    ["a.png", "-o", "o.png", "--json", "soft.png"],
    ["a.png", "-o", "o.png", "--json", "o.png"],
    ["a.png", "-o", "o.png", "--json", "./o.png"],
    ["a.png", "-o", "o.png", "--disagreement", "hard.png"],
    ["a.png", "-o", "o.png", "--disagreement", "m.png", "--json", "m.png"],
    ["a.png", "-o", "o.png", "--strength-map", "b.png", "--disagreement", "b.png"],
    ["a.png", "-o", "b.png", "--strength-map", "b.png"],
    ["a.png", "-o", "o.png", "--json", "{model}"],
    ["a.png", "-o", "out/", "--resume", "--json", "out/.fourpass-manifest.jsonl"],
]


@pytest.mark.parametrize("arguments", UPSCALE, ids=" ".join)
def test_upscale(arguments: list[str], here: Path, doubling: Path, fourpass: Run) -> None:
    model = here / "doubling.onnx"
    model.write_bytes(doubling.read_bytes())
    with_pair = any(each in arguments for each in ("--disagreement", "--strength-map"))
    before = everything()
    spelt = [each.format(here=here, model=model) for each in arguments]
    options = ["--backend", "openvino"] if with_pair else ["-n", str(model), "--backend", "onnxruntime"]
    code, out, err = fourpass("upscale", *spelt, *options)
    assert (code, out, len(err)) == (2, b"", 1), err
    assert any(words in err[0] for words in ("never overwritten", "a file of its own", "would both become"))
    assert everything() == before


OTHERS = [
    ["score", "a.png", "--map", "a.png", "--metrics", "none"],
    ["score", "a.png", "--map", "soft.png"],
    ["score", "{here}/a.png", "--map", "hard.png"],
    ["compare", "a.png", "b.png", "-o", "a.png"],
    ["compare", "a.png", "b.png", "--reference", "tree/a.png", "-o", "door/a.png"],
    ["compare", "N=tree", "set", "-o", "tree/a.png"],
    ["evaluate", "--data", "set", "--methods", "X=w.safetensors", "-o", "."],
    ["evaluate", "--data", "set", "--methods", "res/images", "-o", "."],
    ["evaluate", "--data", "set", "--methods", "EUSR=eusr", "--save-images", "-o", "."],
    ["reproduce", "table2", "--results", "res/table2.csv", "--format", "csv", "-o", "res"],
    ["reproduce", "table1", "table2", "--results", "{here}/res/table2.csv", "--format", "md,csv", "-o", "./res/"],
    ["convert", "w.safetensors", "-o", "w.safetensors"],
    ["convert", "w.safetensors", "-o", "{here}/w.safetensors"],
    ["train", "eusr", "--data", "tree", "--out", "tree"],
    ["train", "eusr", "--data", "tree", "--out", "door/run"],
    ["train", "eusr", "--data", "tree", "--validation", "set", "--out", "{here}/set/run"],
    ["train", "eusr", "--data", "tree", "--out", "run", "--init", "run/best.safetensors"],
]


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_the_other_commands(arguments: list[str], here: Path, fourpass: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if arguments[0] == "train":
        pytest.importorskip("torch")
        Path("run").mkdir()
        Path("run/best.safetensors").write_bytes(b"precious")
    if arguments[:1] == ["evaluate"]:
        from fourpass.evaluation import methods

        monkeypatch.setattr(methods, "_provenance", lambda source: (None, "", ""))
        if "--save-images" in arguments:  # what is measured lies where its results would go
            Path("images/EUSR/set").mkdir(parents=True)
            os.rename("set/x.png", "images/EUSR/set/x.png")
            arguments = [each.replace("set", "images/EUSR/set") if each == "set" else each for each in arguments]
        else:
            os.link("set/x.png" if "w.safetensors" not in arguments[4] else "w.safetensors", "per_image.csv")
            os.link("res/images/x.png", "comparisons.md")
    before = everything()
    code, out, err = fourpass(*(each.format(here=here) for each in arguments))
    assert (code, out, len(err)) == (2, b"", 1), err
    assert "never overwritten" in err[0] or "is an input" in err[0] or "name a folder outside it" in err[0]
    assert everything() == before


@pytest.mark.parametrize(
    "output",
    ["a.png", "./a.png", "{here}/a.png", "soft.png", "hard.png", "file://{here}/a.png", "local://{here}/a.png"],
)
def test_the_api(output: str, here: Path) -> None:
    import fourpass

    before = everything()
    for target in (output.format(here=here), Path(output.format(here=here))):
        if isinstance(target, Path) and "://" in output:
            continue
        with pytest.raises(ConfigError, match="never overwritten"):
            fourpass.upscale("a.png", 2, output=target)
    assert everything() == before


def test_the_api_takes_files_of_this_machine_by_their_urls_and_no_others(here: Path) -> None:
    import fourpass

    fourpass.upscale(f"file://{here}/a.png", 2, output=f"file://{here}/o.png")
    assert files.probe("o.png").size == (40, 60)
    before = everything()
    for source, target in (("a.png", "memory://x/o.png"), ("a.png", "s3://x/o.png"), ("s3://x/a.png", "p.png")):
        with pytest.raises(ConfigError, match="is a URL"):
            fourpass.upscale(source, 2, output=target)
    with pytest.raises(ConfigError, match="has a NUL character"):
        fourpass.upscale("a.png", 2, output="p\0.png")
    assert everything() == before


def test_convert_replaces_nothing_that_nobody_named(fourpass: Run) -> None:
    Path("w.pth").write_bytes(b"")
    code, _, err = fourpass("convert", "w.pth")
    assert (code, err) == (
        2,
        ["fourpass: w.safetensors: already exists; delete it, or name another file with --output"],
    )
    assert Path("w.safetensors").read_bytes() == b"precious"


def test_an_input_at_standard_input_is_a_file_too(here: Path, doubling: Path) -> None:
    import subprocess
    import sys

    command = [
        sys.executable,
        "-m",
        "fourpass.cli.app",
        "upscale",
        "-",
        "-n",
        str(doubling),
        "--backend",
        "onnxruntime",
    ]
    with open("a.png", "rb") as stream:
        done = subprocess.run([*command, "-o", "soft.png"], stdin=stream, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("fourpass: soft.png: is an input (standard input), and inputs are never overwritten")
    assert Path("a.png").read_bytes() == PNG


def test_an_output_folder_among_the_inputs(upscale: Run) -> None:
    """What runs made there is told from photos that were there before, also without --resume."""
    for _ in range(3):
        assert upscale("tree", "-r", "-o", "tree/large") == (0, b"", [])
        made = sorted(path.as_posix() for path in Path("tree").rglob("*.png"))
        assert made == [
            *("tree/a.png", "tree/large/a.png", "tree/large/sub/a.png", "tree/large/sub/b.png"),
            *("tree/sub/a.png", "tree/sub/b.png"),
        ]
    assert files.probe("tree/large/a.png").size == (40, 60)
    mine = make.encode(np.zeros((5, 5, 3), np.uint8), "PNG")
    Path("tree/large/a.png").write_bytes(mine)  # a photo of somebody's own, under a name that was ours
    code, _, err = upscale("tree", "-r", "-o", "tree/large")
    assert code == 2
    assert "tree/large/a.png" in err[0]
    assert "never overwritten" in err[0]
    assert Path("tree/large/a.png").read_bytes() == mine


def test_an_output_that_a_crash_left_unrecorded_is_still_ours(upscale: Run) -> None:
    assert upscale("tree", "-r", "-o", "tree/large").code == 0
    record = Path("tree/large/.fourpass-manifest.jsonl")
    lines = record.read_text().splitlines()
    assert '"begun"' in lines[-2]
    record.write_text("\n".join(lines[:-1]) + "\n")  # killed after the file, before its line
    assert upscale("tree", "-r", "-o", "tree/large") == (0, b"", [])
    assert len(list(Path("tree").rglob("*.png"))) == 6


def test_resume_is_by_content_and_not_by_name(doubling: Path, here: Path, fourpass: Run) -> None:
    import json

    model = here / "doubling.onnx"
    model.write_bytes(doubling.read_bytes())

    def statuses(source: str, output: str, name: str) -> list[str]:
        command = ["upscale", source, "-o", output, "-n", name, "--backend", "onnxruntime", "--resume", "--json", "-"]
        code, out, _ = fourpass(*command)
        assert code == 0
        return [each["status"] for each in json.loads(out)["files"]]

    assert statuses("tree/sub", "out", "doubling.onnx") == ["done", "done"]
    for source in ("./tree/sub/", f"{here}/tree/sub", "door/sub", f"file://{here}/tree/sub"):
        assert statuses(source, "out", "doubling.onnx") == ["skipped", "skipped"]
    for output in ("./out", f"{here}/out", "tree/../out"):
        assert statuses("tree/sub", output, f"{here}/doubling.onnx") == ["skipped", "skipped"]
    import onnx

    other = onnx.load(str(model))
    other.doc_string = "another file under the same name"
    onnx.save(other, str(model))
    assert statuses("tree/sub", "out", "doubling.onnx") == ["done", "done"]
