"""The whole paper as a plan: what is missing, the order of the commands, and going on after a stop."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fourpass.cli import words as words_of
from fourpass.cli.app import app
from fourpass.errors import ConfigError
from fourpass.evaluation.figures import PANELS
from fourpass.evaluation.images import save_picture
from fourpass.evaluation.methods import parse_methods
from fourpass.evaluation.paper import paper_rows
from fourpass.reproduction.plan import KINDS, ReproductionPlan
from fourpass.reproduction.run import run
from fourpass.reproduction.sources import SOURCES, missing
from fourpass.training import recipe_files, recipes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(tmp_path):
    return ReproductionPlan("authors", tmp_path / "data", tmp_path / "out", recipe_files.folder())


class Machine:
    """Stands for the machine: notes the commands, and leaves what each makes."""

    def __init__(self, steps, out, codes=None):
        self.steps, self.out, self.codes, self.ran = steps, out, codes or {}, []

    def __call__(self, command):
        done = [step.name for step in self.steps if step.makes.exists()]
        step = next(step for step in self.steps if step.command(done) == command)
        self.ran.append(step.name)
        code = self.codes.get(step.name, 0)
        if not code:
            step.makes.parent.mkdir(parents=True, exist_ok=True)
            step.makes.write_text("made")
        return code

    def run(self, missing=()):
        return run(self.steps, self.out, missing, execute=self, say=lambda line: None)


def test_everything_is_run_in_order_and_once(plan):
    machine = Machine(plan.steps(), plan.out)
    report = machine.run()
    assert report.done == machine.ran == [step.name for step in machine.steps]
    for before, after in (("eusr", "4pp-eusr"), ("aesthetic", "4pp-eusr"), ("srresnet-mse", "cx"), ("cx", "table2")):
        assert machine.ran.index(before) < machine.ran.index(after)
    again = Machine(machine.steps, plan.out)
    assert again.run().done == machine.ran
    assert again.ran == []


def test_a_stopped_run_goes_on_where_it_was(plan):
    machine = Machine(plan.steps(), plan.out, {"subjective": 130})
    report = machine.run()
    assert (report.stopped, machine.ran) == (130, ["eusr", "aesthetic", "subjective"])
    machine = Machine(machine.steps, plan.out)
    machine.run()
    assert machine.ran[:2] == ["subjective", "4pp-eusr"]


def test_what_is_missing_keeps_back_what_needs_it_and_nothing_else(plan):
    machine = Machine(plan.steps(), plan.out)
    report = machine.run(missing={"AVA"})
    assert report.waiting["aesthetic"] == "AVA"
    assert report.waiting["4pp-eusr"] == "aesthetic"
    assert report.waiting["measure-table4"].startswith("any of all_losses-0")
    assert {"eusr", "subjective", "srgan-vgg54", "table1", "table2", "fig7+fig8"} <= set(report.done)
    everything = Machine(machine.steps, plan.out)
    everything.run()
    assert everything.ran[0] == "aesthetic"
    assert "measure-table2" in everything.ran  # one row more
    assert "eusr" not in everything.ran


def test_a_failure_does_not_stop_the_others(plan):
    machine = Machine(plan.steps(), plan.out, {"srresnet-mse": 2})
    report = machine.run()
    assert report.failed == {"srresnet-mse": 2}
    assert report.waiting["cx"] == "srresnet-mse"
    assert "table2" in report.done


def test_a_changed_command_is_run_again(plan, tmp_path):
    Machine(plan.steps(), plan.out).run()
    other = ReproductionPlan("authors", plan.root, plan.out, plan.recipes, "cpu")
    machine = Machine(other.steps(), plan.out)
    machine.run()
    assert machine.ran[0] == "eusr"
    assert "table1" not in machine.ran
    (plan.out / "done.json").write_text("{")
    with pytest.raises(ConfigError, match=r"done\.json: cannot be read"):
        machine.run()


@pytest.mark.parametrize("kind", KINDS)
def test_every_training_command_is_one_that_the_command_line_takes(kind, tmp_path):
    """Phase, recipe and settings fit together, whatever the kind."""
    import importlib

    from fourpass.cli.train import PHASES

    for step in ReproductionPlan(kind, tmp_path, tmp_path, recipe_files.folder()).steps():
        words = step.command(())
        if words[0] != "train":
            continue
        module = importlib.import_module(PHASES[words[1]])
        recipe = module.RECIPES[words[1]] if hasattr(module, "RECIPES") else module.RECIPE
        settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        recipes.load(recipe, Path(words[3]), dict(map(recipes.parse_override, settings)))


def test_the_rows_are_the_papers(plan):
    for table in (2, 3, 4, 5):
        ours = {label.split("#")[0] for label in plan.rows(table)} | ({"Bicubic"} if table == 2 else set())
        assert ours == {row["method"] for row in paper_rows(table)}
    trained = {step.name for step in plan.steps()}
    assert {step for table in (2, 3, 4, 5) for step, _ in plan.rows(table).values()} <= trained
    assert sum(label.startswith("without l_as,l_ar#") for label in plan.rows(4)) == 3


def test_labels_with_commas_reach_evaluate_whole(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("fourpass.evaluation.methods._provenance", lambda source: (None, "", ""))
    steps = {step.name: step for step in plan.steps()}
    done = [name for name in steps if name not in ("alpha_r_0.3-0",)]
    words = steps["measure-table4"].command(done)
    assert [method.label for method in parse_methods([words[words.index("--methods") + 1]])] == list(plan.rows(4))
    words = steps["fig10"].command(done)
    labels = {method.label for method in parse_methods([words[words.index("--methods") + 1]])}
    assert set(PANELS["fig10"]) <= labels


def test_missing_data_are_named_with_their_page_and_place(tmp_path):
    root = tmp_path / "data"
    for number in range(5):
        save_picture(root / "Set5" / f"{number}.png", np.zeros((16, 16, 3), np.uint8))
    save_picture(root / "DIV2K" / "DIV2K_train_HR" / "0001.png", np.zeros((16, 16, 3), np.uint8))
    save_picture(root / "DIV2K" / "DIV2K_valid_HR" / "0801.png", np.zeros((16, 16, 3), np.uint8))
    lacking = missing(root)
    assert "Set5" not in lacking
    assert lacking["DIV2K"].endswith("holds 1 of 800 train and 1 of 100 valid pictures")
    assert {"AVA", "TID2013", "Set14", "BSD100"} <= set(lacking)
    done = CliRunner().invoke(
        app, ["reproduce", "all", "--data", str(root), "--dry-run", "--recipes", "cpu", "-o", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    for word in ("missing DIV2K", "3,530,603,713 bytes", "eusr: waits for DIV2K", "table1: fourpass reproduce table1"):
        assert word in done.output
    assert not (tmp_path / "out").exists()
    assert "missing AVA" not in done.output  # the packaged predictors serve there
    done = CliRunner().invoke(app, ["reproduce", "all", "--data", str(root), "--dry-run", "-o", str(tmp_path / "out")])
    assert "missing AVA" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "all takes one folder"),
        (["--data", "a", "--data", "b"], "all takes one folder"),
        (["--data", "no such folder"], "no such folder: no such folder"),
        (["--data", ".", "--recipes", "huge"], "--recipes huge is not one of authors, paper, cpu, tiny"),
    ],
)
def test_mistakes_are_named(words, message):
    result = CliRunner().invoke(app, ["reproduce", "all", *words])
    assert isinstance(result.exception, ConfigError)
    assert message in words_of.line(result.exception)


def test_the_document_says_what_the_code_says():
    """Every source, its page, sizes and checksum; every command but for paths."""
    text = (ROOT / "docs" / "tutorials" / "reproduce.md").read_text()
    for source in SOURCES.values():
        assert source.page in text
        assert source.folder in text
        for part in source.checksum.split():
            if len(part.strip(",")) == 64:
                assert part.strip(",") in text
    plan = ReproductionPlan("authors", Path("ROOT"), Path("OUT"), Path("recipes"))
    steps = {step.name: step for step in plan.steps()}
    for name in ("eusr", "aesthetic", "subjective", "4pp-eusr", "without_l_g-0", "srresnet-mse", "cx"):
        words = [word for word in steps[name].command(()) if word not in ("--device", "auto")]
        assert shlex.join(["fourpass", *words]) in " ".join(text.replace("\\\n", " ").split())


def test_the_record_is_plain(plan):
    machine = Machine(plan.steps(), plan.out)
    machine.run()
    record = json.loads((plan.out / "done.json").read_text())
    assert list(record) == machine.ran
    assert record["eusr"][:2] == ["train", "eusr"]
