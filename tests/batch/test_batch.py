"""A batch over Ray: the same bytes as one by one, resumed, bad pictures set aside, nothing lost with a worker."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

ray = pytest.importorskip("ray", reason="wants the extra batch")
pytest.importorskip("fsspec", reason="wants the extra batch")

from fourpass import Upscaler, batch  # noqa: E402
from fourpass.conversion import convert  # noqa: E402
from fourpass.errors import BackendError, ConfigError  # noqa: E402
from fourpass.imaging import files  # noqa: E402
from fourpass.jobs import one_file  # noqa: E402
from fourpass.jobs.one_file import UpscaleOptions  # noqa: E402
from fourpass.weights import save  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(scope="module", autouse=True)
def cluster():
    # "local": a cluster of our own, even where the environment names another.
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def model(tmp_path_factory, references):
    file = tmp_path_factory.mktemp("model") / "small.safetensors"
    save(convert(references / "eusr.npz"), file)
    return str(file)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(6):
        files.write(folder / f"a{index}.png", rng.integers(0, 256, (9, 8 + index, 3), np.uint8))
    files.write(folder / "deeper" / "b.webp", rng.integers(0, 256, (9, 8, 3), np.uint8))
    return folder


@pytest.fixture
def work(model):
    return batch.Work(UpscaleOptions(scale=2), model=model, threads=1)


def outputs(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != batch.MANIFEST
    }


def test_the_same_bytes_as_one_by_one_and_resume(photos, work, tmp_path):
    out = tmp_path / "out"
    tally = batch.run(str(photos), str(out), work, workers=2)
    assert (tally.done, tally.skipped, tally.failed) == (7, 0, 0)
    upscaler = Upscaler(work.model, threads=1)
    made = outputs(out)
    assert sorted(made) == [*(f"a{index}.png" for index in range(6)), "deeper/b.webp"]
    for place, content in made.items():
        alone = tmp_path / "alone" / place
        alone.parent.mkdir(parents=True, exist_ok=True)
        planned = one_file.plan(upscaler, str(photos / place), work.wanted, key=None, name=str(alone))
        one_file.upscale_file(upscaler, str(photos / place), str(alone), planned, work.wanted)
        assert alone.read_bytes() == content

    (out / "a0.png").unlink()
    files.write(photos / "a1.png", np.zeros((5, 5, 3), np.uint8))
    again = batch.run(str(photos), str(out), work, workers=1)
    assert (again.done, again.skipped) == (2, 5)
    other = batch.Work(UpscaleOptions(scale=4), model=work.model, threads=1)
    assert batch.run(str(photos), str(out), other, workers=1).done == 7


def test_bad_pictures_are_set_aside_with_their_error(photos, work, tmp_path):
    (photos / "bad.png").write_bytes(b"no picture")
    (photos / "empty.jpg").write_bytes(b"")
    tally = batch.run(str(photos), str(tmp_path / "out"), work, workers=1)
    assert (tally.done, tally.failed) == (7, 2)
    assert sorted(os.path.basename(source) for source, _ in tally.failures) == ["bad.png", "empty.jpg"]
    for source, error in tally.failures:
        assert source in error
        assert "\n" not in error


def workers_of_ours():
    """Ray's workers that this process started, by way of Ray's own daemon; the machine may run others."""
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(pid))
    found, waiting = [], [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            name = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        if "ray::_Worker" in name:
            found.append(pid)
    return found


def test_a_killed_worker_loses_nothing_and_does_nothing_twice(photos, work, tmp_path):
    out = tmp_path / "out"
    rng = np.random.default_rng(1)
    for index in range(20):
        files.write(photos / f"c{index:02}.png", rng.integers(0, 256, (60, 60, 3), np.uint8))
    killed = []

    def kill():
        while not killed:
            time.sleep(0.05)
            manifest = out / batch.MANIFEST
            if manifest.exists() and len(manifest.read_text().splitlines()) >= 3:
                for pid in workers_of_ours():
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    tally = batch.run(str(photos), str(out), work, workers=2)
    killed.append(0)
    thread.join()
    assert len(killed) > 1
    assert (tally.done, tally.failed) == (27, 0)
    entries = [json.loads(line) for line in (out / batch.MANIFEST).read_text().splitlines()]
    names = [entry["output"] for entry in entries]
    assert len(names) == len(set(names)) == 27
    assert len(outputs(out)) == 27


def test_a_list_and_another_format(photos, work, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photos / 'a0.png'}\n\n{photos / 'deeper' / 'b.webp'}\n")
    other = batch.Work(work.wanted, model=work.model, threads=1, key="tiff")
    batch.run(str(listed), str(tmp_path / "out"), other)
    assert sorted(outputs(tmp_path / "out")) == ["a0.tif", "b.tif"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nothing", "no such folder"),
        (lambda folder: folder / "nothing.txt", "no such list"),
        (lambda folder: folder, "this folder contains no pictures"),
        (lambda folder: "nonsense://x", "cannot be opened"),
        (lambda folder: "memory://x", "is the memory of one process"),
    ],
)
def test_nothing_to_do_is_said(tmp_path, work, make, words):
    with pytest.raises(ConfigError, match=words):
        batch.run(str(make(tmp_path)), str(tmp_path / "out"), work)


def test_a_list_of_what_are_no_names_is_said(photos, work, tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a.png\0b.png\0")
    with pytest.raises(ConfigError, match=r"list\.txt: has NUL characters"):
        batch.run(str(tmp_path / "list.txt"), str(tmp_path / "out"), work)


def test_a_ray_that_does_not_start_is_said_in_one_line(photos, work, tmp_path, monkeypatch):
    def fails(**options):
        raise Exception("the node timed out\nduring startup")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", fails)
    with pytest.raises(BackendError, match=r"Ray cannot be started \(the node timed out during startup\); try again"):
        batch.run(str(photos), str(tmp_path / "out"), work)


def test_two_inputs_for_one_output_are_refused(photos, work, tmp_path):
    files.write(photos / "a0.webp", np.zeros((5, 5, 3), np.uint8))
    both = batch.Work(work.wanted, model=work.model, key="png")
    with pytest.raises(ConfigError, match="would both become"):
        batch.run(str(photos), str(tmp_path / "out"), both)


def test_inputs_are_never_overwritten(photos, work):
    with pytest.raises(ConfigError, match="never overwritten"):
        batch.run(str(photos), str(photos), work)
