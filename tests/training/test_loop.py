"""The loop: resume to the bit, schedule, average, collapse, signals, a full disk."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training wants the train extra")

from phases import Line, LineRecipe  # noqa: E402

from fourpass import weights  # noqa: E402
from fourpass.errors import ConfigError, FourpassError, WeightsError  # noqa: E402
from fourpass.training import loop  # noqa: E402
from fourpass.training.averaging import averaged, start_average, update_average  # noqa: E402
from fourpass.training.phase import CollapseError  # noqa: E402
from fourpass.training.progress import TrainingProgress, rate_factor  # noqa: E402


def stop_here():
    os.kill(os.getpid(), signal.SIGTERM)


def state(folder, name="last.pt"):
    content = torch.load(folder / name, weights_only=True)
    content["progress"].pop("seconds")
    return {key: content[key] for key in ("networks", "optimizers", "average", "progress", "metadata")}


def assert_equal(a, b):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_equal(left, right)
    else:
        assert a == b


def log(folder, event="train"):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    assert loop.train(Line(), tmp_path / "whole").reason == "finished"
    first = loop.train(Line(trouble={4: stop_here}), tmp_path / "broken")
    assert (first.reason, first.step) == ("SIGTERM", 5)
    assert loop.train(Line(), tmp_path / "broken", time_budget=1e-9).reason == "time budget"
    last = loop.train(Line(), tmp_path / "broken")
    assert (last.reason, last.step) == ("finished", 12)
    # The time budget's end validates once more than the unbroken run does, which moves none of the weights.
    whole, broken = state(tmp_path / "whole"), state(tmp_path / "broken")
    for content in (whole, broken):
        content["progress"] = {key: content["progress"][key] for key in ("step", "recent", "lowest", "rollbacks")}
    assert_equal(whole, broken)
    losses = [line["loss"] for line in log(tmp_path / "whole")]
    assert losses == [line["loss"] for line in log(tmp_path / "broken")]
    assert len(losses) == 12


def test_a_run_leaves_weights_logs_and_pictures(tmp_path):
    outcome = loop.train(Line(), tmp_path)
    kept = weights.load(tmp_path / "last.safetensors")
    assert kept.metadata.steps == 112
    assert kept.metadata.lineage == "line-1"
    average = state(tmp_path)["average"]
    np.testing.assert_allclose(kept.tensors["0.weight"], average["0.weight"], rtol=1e-3)
    scores = {line["step"]: line["score"] for line in log(tmp_path, "validation")}
    assert sorted(scores) == [0, 4, 8, 12]
    assert outcome.best == pytest.approx(max(scores.values()), rel=1e-5)
    best = state(tmp_path, "best.pt")["progress"]
    assert best["best_step"] == best["step"] == max(scores, key=scores.get)
    assert sorted(file.name for file in (tmp_path / "samples" / "flat").iterdir()) == [
        f"{step:08d}.png" for step in (0, 4, 8, 12)
    ]
    assert list((tmp_path / "tensorboard").iterdir())
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_finished_run_stays_as_it_is(tmp_path):
    loop.train(Line(), tmp_path)
    before = state(tmp_path)
    assert loop.train(Line(), tmp_path) == loop.TrainingOutcome("finished", 12, before["progress"]["best"])
    assert_equal(before, state(tmp_path))


def test_lineage_survives_a_resume(tmp_path):
    loop.train(Line(trouble={2: stop_here}), tmp_path)
    phase = Line()
    phase.metadata = replace(phase.metadata, lineage="another", steps=7)
    loop.train(phase, tmp_path)
    assert weights.load(tmp_path / "last.safetensors").metadata.lineage == "line-1"
    assert weights.load(tmp_path / "last.safetensors").metadata.steps == 112


def test_a_value_that_is_not_finite_rolls_back_and_goes_on(tmp_path, capsys):
    phase = Line(trouble={5: math.nan})
    assert loop.train(phase, tmp_path).step == 12
    assert phase.done == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 10, 11]
    assert "step 6: the gradient of line is nan; back to step 4 with half the learning rate" in capsys.readouterr().err
    assert [line["back_to"] for line in log(tmp_path, "rollback")] == [4]
    for tensor in state(tmp_path)["networks"]["line"].values():
        assert torch.isfinite(tensor).all()


def test_another_try_draws_other_batches(tmp_path):
    batches = {}

    class Recorder(Line):
        def step(self, batch, tools):
            batches.setdefault(batch[0], []).append(batch[1])
            return super().step(batch, tools)

    loop.train(Recorder(trouble={5: math.nan}), tmp_path)
    first, second = batches[5]
    assert not torch.equal(first, second)


def test_a_slow_collapse_goes_back_past_the_last_checkpoint(tmp_path):
    def wrong():
        raise CollapseError("colours wander off")

    phase = Line(trouble={7: wrong})
    loop.train(phase, tmp_path)
    assert [line["back_to"] for line in log(tmp_path, "rollback")] == [4]
    assert phase.done[8:10] == [4, 5]


def test_a_loss_far_above_what_it_was_is_a_collapse():
    progress, recipe = TrainingProgress(), LineRecipe(collapse=3.0)
    for _ in range(60):
        progress.watch({"loss": 1.0}, recipe)
    for _ in range(33):
        progress.watch({"loss": 4.0}, recipe)
    with pytest.raises(CollapseError, match=r"of 50 steps is 3\.04, and was 1"):
        progress.watch({"loss": 4.0}, recipe)  # 34 losses of 4 among 50 are the first whose mean is above 3
    for _ in range(60):
        progress.watch({"loss": 4.0}, replace(recipe, collapse=0.0))


def test_it_gives_up_after_so_many_rollbacks(tmp_path):
    class Hopeless(Line):
        def step(self, batch, tools):
            self.trouble[batch[0]] = math.inf
            return super().step(batch, tools)

    with pytest.raises(FourpassError, match=r"collapsed at step 1 .* after 2 rollbacks; lower learning_rate"):
        loop.train(Hopeless(LineRecipe(rollbacks=2)), tmp_path)


def test_signals_are_ours_only_while_training(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    outcome = loop.train(Line(trouble={1: lambda: os.kill(os.getpid(), signal.SIGINT)}), tmp_path)
    assert (outcome.reason, outcome.step) == ("SIGINT", 2)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path):
    loop.train(Line(trouble={3: stop_here}), tmp_path)
    before, stored = state(tmp_path), (tmp_path / "last.safetensors").read_bytes()

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # more than the log, less than a checkpoint

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(WeightsError, match=r"last\.pt: larger than files may be here; write elsewhere"):
            loop.train(Line(trouble={4: fill}), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_equal(before, state(tmp_path))
    assert stored == (tmp_path / "last.safetensors").read_bytes()
    assert not list(tmp_path.rglob("*.tmp"))
    assert loop.train(Line(), tmp_path).step == 12


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file: cannot be written .*; name another$"):
        loop.train(Line(), tmp_path / "file")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-600]), "not a complete checkpoint"),
        (lambda file: file.write_bytes(b"nonsense"), "not a complete checkpoint"),
        (lambda file: torch.save({"format": "other"}, file), "not a checkpoint of this program"),
        (lambda file: torch.save(print, file), "not a complete checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_named(tmp_path, damage, message):
    loop.train(Line(trouble={0: stop_here}), tmp_path)
    damage(tmp_path / "last.pt")
    with pytest.raises(WeightsError, match=rf"last\.pt: {message}") as caught:
        loop.train(Line(), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path):
    loop.train(Line(trouble={0: stop_here}), tmp_path)
    with pytest.raises(WeightsError, match="another architecture: width is 3 in it, and 5 here"):
        loop.train(Line(width=5), tmp_path)


def test_schedules_by_hand():
    halving = LineRecipe(schedule="halving", halve_every=200_000, warm_up=0, steps=1_000_000)
    rates = [rate_factor(halving, TrainingProgress(step)) for step in (0, 199_999, 200_000, 999_999)]
    assert rates == [1, 1, 0.5, 0.0625]
    assert rate_factor(replace(halving, decay=0.1), TrainingProgress(400_000)) == pytest.approx(0.01)
    cosine = LineRecipe(schedule="cosine", warm_up=0, steps=100)
    assert rate_factor(cosine, TrainingProgress(0)) == 1
    assert rate_factor(cosine, TrainingProgress(50)) == pytest.approx(0.5)
    assert rate_factor(cosine, TrainingProgress(25)) == pytest.approx(0.5 + 0.25 * math.sqrt(2))
    assert rate_factor(cosine, TrainingProgress(50, rollbacks=1)) == pytest.approx(0.25)
    assert rate_factor(replace(cosine, hours=2.0), TrainingProgress(0, seconds=3600)) == pytest.approx(0.5)
    warm = LineRecipe(schedule="constant", warm_up=4)
    assert [rate_factor(warm, TrainingProgress(step)) for step in range(5)] == [0.25, 0.5, 0.75, 1, 1]


def test_a_run_by_the_clock_ends_by_it(tmp_path):
    outcome = loop.train(Line(LineRecipe(hours=0.3 / 3600, steps=10**9)), tmp_path)
    assert outcome.reason == "finished"
    assert state(tmp_path)["progress"]["step"] == outcome.step > 1


def test_the_average_by_hand():
    network = torch.nn.BatchNorm1d(1)
    average = start_average(network, 0.5)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.num_batches_tracked.fill_(9)
    update_average(average, network, 0.5, step=1)  # (1 + 1) / (10 + 1) is below 0.5 still
    assert average["weight"].item() == pytest.approx(1 + 2 * 9 / 11)
    update_average(average, network, 0.5, step=100)
    assert average["weight"].item() == pytest.approx(1 + 2 * (9 / 11 + 1) / 2)
    assert average["num_batches_tracked"].item() == 9
    with averaged(network, average):
        assert network.weight.item() == pytest.approx(average["weight"].item())
    assert network.weight.item() == 3
    assert start_average(network, 0.0) == {}
