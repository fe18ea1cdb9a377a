"""Phase 1 through its command: mistakes in one line, two processes like one, resume, and a small run for real."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training wants the train extra")

from PIL import Image  # noqa: E402

from fourpass import weights  # noqa: E402
from fourpass.cli import app  # noqa: E402
from fourpass.cli.train import parse_duration  # noqa: E402
from fourpass.data.wear import Wear  # noqa: E402
from fourpass.errors import ConfigError  # noqa: E402
from fourpass.training.loop import Tools  # noqa: E402
from fourpass.training.precision import pick_device, pick_dtype  # noqa: E402
from fourpass.training.pretrain import prepare  # noqa: E402
from fourpass.training.recipes import EusrRecipe  # noqa: E402

ROOT = Path(__file__).parents[2]
SMALL = {
    "features": "4",
    "shared_blocks": "1",
    "scales": "[2,4]",
    "odds": "[0.5,0.5]",
    "patches": "[8,8]",
    "batch": "4",
    "steps": "6",
    "log_every": "2",
    "validate_every": "3",
    "checkpoint_every": "2",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    home = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for index in range(3):
        coarse = rng.integers(0, 256, (6, 7, 3), np.uint8)
        Image.fromarray(coarse).resize((70, 60), Image.Resampling.BICUBIC).save(home / f"{index}.png")
    return home


def arguments(photos, out, *more, **settings):
    values = {**SMALL, **settings}
    sets = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    cache = photos.parent / "cache"
    return ["train", "eusr", "--data", str(photos), "--out", str(out), "--cache", str(cache), *sets, *more]


def run(monkeypatch, words):
    """Run the command in this process, whose memory allocator stays as it is; return its exit code."""
    monkeypatch.setattr("fourpass.training.precision.keep_freed_memory", lambda: False)
    monkeypatch.setattr(sys, "argv", ["fourpass", *map(str, words)])
    with pytest.raises(SystemExit) as caught:
        app.main()
    return caught.value.code or 0


def test_the_command_trains_and_goes_on(monkeypatch, photos, tmp_path, capsys):
    command = arguments(photos, tmp_path, "--validation", photos)
    assert run(monkeypatch, command) == 0
    said = capsys.readouterr()
    assert f"{tmp_path}: finished at step 6, best score" in said.out
    assert "step 3 validation: score" in said.err
    trained = weights.load(tmp_path / "best.safetensors")
    assert trained.metadata.architecture == "eusr"
    assert trained.metadata.lineage.startswith("eusr-")
    assert run(monkeypatch, arguments(photos, tmp_path, steps="8")) == 0
    said = capsys.readouterr()
    assert "resuming from step 6" in said.err
    assert "steps was 6 before, and is 8 now" in said.err
    assert weights.load(tmp_path / "last.safetensors").metadata.lineage == trained.metadata.lineage
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["event"] == "train"] == [2, 4, 6, 8]


def test_worn_inputs_teach_clean_targets(monkeypatch, photos, tmp_path, capsys):
    table = "wear={clean=0, noise=1, noise_sigma=[9, 9], saved=0, blur=0, filter=0}"
    assert run(monkeypatch, arguments(photos, tmp_path, "--set", table, steps="2")) == 0
    capsys.readouterr()
    assert run(monkeypatch, arguments(photos, tmp_path, "--set", table, steps="4")) == 0
    said = capsys.readouterr().err
    assert "resuming from step 2" in said
    assert "wear was" not in said

    wear = Wear(clean=0.0, noise=1.0, noise_sigma=(9.0, 9.0), saved=0.0, blur=0.0, filter=0.0)
    settings = {"features": 4, "shared_blocks": 1, "scales": (2, 4), "odds": (1.0, 1.0), "patches": (8, 8), "batch": 4}
    folder = photos.parent / "cache"
    clean, worn = (prepare(EusrRecipe(**settings, wear=each), [photos], cache=folder) for each in (None, wear))
    plain, batch = clean.batch(0, (0, 0, 0)), worn.batch(0, (0, 0, 0))
    np.testing.assert_array_equal(batch.high, plain.high)
    np.testing.assert_array_equal(batch.low, plain.low)
    assert 5 < (batch.seen.astype(float) - plain.low).std() < 11
    shown = []
    worn.forward = lambda low, scale: (shown.append(low.numpy()), clean.forward(low, scale))[1]
    worn.step(batch, Tools(worn))
    np.testing.assert_array_equal(shown[0], batch.worn)


def test_start_weights_hand_on_their_lineage(monkeypatch, photos, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(monkeypatch, arguments(photos, first, steps="3"))
    start = weights.load(first / "last.safetensors")
    run(monkeypatch, arguments(photos, second, "--init", first / "last.safetensors", steps="1", learning_rate="1e-9"))
    child = weights.load(second / "last.safetensors")
    assert (child.metadata.lineage, child.metadata.steps) == (start.metadata.lineage, 4)
    for name, value in start.tensors.items():
        np.testing.assert_allclose(child.tensors[name], value, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [*c, "--set", "crop_boarder=4"], "unknown key 'crop_boarder'"),
        (lambda c: [*c, "--set", "batch=-4"], "batch = -4 is negative"),
        (lambda c: [*c, "--recipe", "none.toml"], "none.toml: no such recipe file or packaged recipe"),
        (lambda c: [*c, "--data", "none"], "none: no such folder"),
        (lambda c: [*c, "--init", "none"], "none: no such weights file"),
        (lambda c: [*c, "--init", "eusr"], "eusr: weights with features 64, but the recipe has 4"),
        (lambda c: [*c, "--time-budget", "soon"], "--time-budget soon: not a positive time"),
        (lambda c: [*c, "--device", "tpu"], "device 'tpu' is not one of auto, cpu, cuda"),
        (lambda c: [*c, "--set", "patches=[8,48]"], "x4 patches need 192x192"),
        (lambda c: [*c, "--validation", "none"], "none: no such folder"),
        (lambda c: ["train", "lunch", *c[2:]], "phase 'lunch' is not one of eusr"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(monkeypatch, photos, tmp_path, capsys, change, message):
    assert run(monkeypatch, change(arguments(photos, tmp_path / "run"))) == 2
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.startswith("fourpass: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in said


def test_a_checkpoint_of_another_architecture(monkeypatch, photos, tmp_path, capsys):
    run(monkeypatch, arguments(photos, tmp_path, steps="1"))
    capsys.readouterr()
    assert run(monkeypatch, arguments(photos, tmp_path, features="8")) == 2
    assert "another architecture: features is 4 in it, and 8 here" in capsys.readouterr().err


def test_corrupt_pictures_do_not_stop_a_run(monkeypatch, photos, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for file in photos.iterdir():
        (mixed / file.name).write_bytes(file.read_bytes())
    (mixed / "broken.png").write_bytes((photos / "0.png").read_bytes()[:300])
    assert run(monkeypatch, arguments(mixed, tmp_path / "run", steps="1")) == 0
    said = capsys.readouterr().err
    assert "broken.png" in said
    assert "1 of 4 pictures left out" in said


def test_sigterm_keeps_a_checkpoint_and_closed_pipes_do_no_harm(photos, tmp_path):
    command = [sys.executable, "-m", "fourpass.cli.app", *arguments(photos, tmp_path, steps="100000", log_every="1")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=one_thread(), text=True)
    assert process.stderr.readline().startswith("step 1 ")
    process.stderr.close()  # as when Ctrl-C ends the `tee` behind us
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    content = torch.load(tmp_path / "last.pt", weights_only=True)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1] == {"event": "stop", "step": content["progress"]["step"]}
    assert content["progress"]["step"] > 1


def test_two_processes_train_like_one_with_twice_the_batch(monkeypatch, photos, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    settings = {"steps": "3", "validate_every": "0", "ema": "0.9", "clip": "0.5"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    two = [*launcher, "-m", "fourpass.cli.app", *arguments(photos, halves, batch="2", **settings)]
    assert run(monkeypatch, arguments(photos, whole, batch="4", **settings)) == 0
    subprocess.run(two, check=True, env=one_thread(), capture_output=True, timeout=200)
    first, second = (torch.load(folder / "last.pt", weights_only=True) for folder in (whole, halves))
    names = list(first["networks"]["eusr"])
    for index, name in enumerate(names):
        ours, theirs = first["networks"]["eusr"][name], second["networks"]["eusr"][name]
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
        states = [content["optimizers"]["eusr"]["state"].get(index) for content in (first, second)]
        assert (states[0] is None) == (states[1] is None)
        if states[0]:  # Adam's mean of the gradients
            torch.testing.assert_close(states[0]["exp_avg"], states[1]["exp_avg"], rtol=1e-3, atol=1e-7)
    logs = [(folder / "log.jsonl").read_text().splitlines() for folder in (whole, halves)]
    assert len(logs[0]) == len(logs[1])


def one_thread():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def test_precision_falls_back_where_the_processor_has_none(monkeypatch):
    device = pick_device("cpu")
    monkeypatch.setattr("fourpass.training.precision.has_fast_bf16", lambda: False)
    assert pick_dtype("auto", device) == torch.float32
    assert pick_dtype("bf16", device) == torch.bfloat16
    monkeypatch.setattr("fourpass.training.precision.has_fast_bf16", lambda: True)
    assert pick_dtype("auto", device) == torch.bfloat16
    assert pick_dtype("fp32", device) == torch.float32


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone takes mallopt")
def test_freed_memory_stays_ours():
    program = """
import resource
import numpy as np
from fourpass.training.precision import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = min(faults() for _ in range(5))
assert keep_freed_memory()
print(before, min(faults() for _ in range(5)))
"""
    words = [sys.executable, "-c", program]
    before, after = map(int, subprocess.run(words, capture_output=True, check=True, text=True).stdout.split())
    assert before > 10 * max(after, 1)  # its 64 MB came page by page each time, and do no more


def test_durations():
    assert [parse_duration(text) for text in ("90", "90s", "1.5m", "2h")] == [90, 90, 90, 7200]
    for text in ("0", "-3s", "2 weeks", "h"):
        with pytest.raises(ConfigError, match="not a positive time"):
            parse_duration(text)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PyTorch's compiler warns of PyTorch
def test_a_compiled_network_trains_like_a_plain_one(monkeypatch, photos, tmp_path):
    if not shutil.which("g++"):
        pytest.skip("wants a C++ compiler")
    for name in ("plain", "compiled"):
        settings = {"compile": str(name == "compiled").lower(), "scales": "[2]", "odds": "[1]", "patches": "[8]"}
        assert run(monkeypatch, arguments(photos, tmp_path / name, steps="2", **settings)) == 0
    plain, compiled = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("plain", "compiled"))
    torch.testing.assert_close(plain["networks"], compiled["networks"], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_tiny_recipe_learns_in_two_minutes(monkeypatch, tmp_path):
    """On other pictures than it learned from, the result beats bicubic, and the loss has fallen."""
    skimage = pytest.importorskip("skimage", reason="wants the pictures that scikit-image brings")
    from fourpass.imaging.resize import imresize
    from fourpass.metrics.psnr import psnr
    from fourpass.models import build
    from fourpass.training.validation import upscale

    held_out = tmp_path / "held-out"
    held_out.mkdir()
    crops = {"cat": skimage.data.chelsea()[:240, 100:340], "cup": skimage.data.coffee()[80:320, 120:360]}
    for name, crop in crops.items():
        Image.fromarray(crop).save(held_out / f"{name}.png")
    seen = tmp_path / "seen"
    seen.mkdir()
    Image.fromarray(skimage.data.astronaut()).save(seen / "astronaut.png")
    Image.fromarray(skimage.data.rocket()).save(seen / "rocket.png")
    out = tmp_path / "run"
    command = ["train", "eusr", "--recipe", ROOT / "recipes" / "tiny" / "eusr.toml", "--data", seen, "--out", out]
    assert run(monkeypatch, [*command, "--validation", held_out, "--cache", tmp_path / "cache"]) == 0

    losses = [line["loss"] for line in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if "loss" in line]
    assert losses[-1] < losses[0] / 3
    network = build(weights.load(out / "best.safetensors")).eval()
    for scale in (2, 4):
        gains = []
        for crop in crops.values():
            low = imresize(crop, 1 / scale)
            ours = psnr(crop, upscale(network, low, scale), border=4)
            gains.append(ours - psnr(crop, imresize(low, scale), border=4))
        assert min(gains) > 0.1, f"x{scale}: {gains}"


def test_the_command_trains_swift_by_a_teacher(monkeypatch, photos, tmp_path):
    sizes = {"features": "4", "blocks": "1", "scales": "[2,4,8]", "odds": "[1,1,1]", "patches": "[4,4,4]"}
    sets = {**SMALL, **sizes, "teacher": '["eusr"]', "teacher_share": "0.5", "steps": "2", "batch": "1"}
    del sets["shared_blocks"]
    words = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    small = Image.open(photos / "0.png").resize((16, 16))
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40), (90, 120, 30)).save(tmp_path / "photos" / "flat.png")
    small.resize((40, 40)).save(tmp_path / "photos" / "one.png")
    out = tmp_path / "run"
    cache = str(tmp_path / "cache")
    data = str(tmp_path / "photos")
    assert run(monkeypatch, ["train", "swift", "--data", data, "--out", out, "--cache", cache, *words]) == 0
    trained = weights.load(out / "last.safetensors")
    assert trained.metadata.architecture == "swift"
    assert trained.metadata.numbers == {"features": 4, "blocks": 1, "scales": [2, 4, 8]}
    assert len(list((tmp_path / "cache").glob("*-by-*.npy"))) == 6  # two pictures at three scales
