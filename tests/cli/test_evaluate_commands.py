"""``fourpass reproduce`` and ``fourpass compare`` as a person types them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fourpass.cli.app import app
from fourpass.errors import ConfigError
from fourpass.evaluation.images import save_picture


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.parametrize("item", ["table1", "table2", "table3", "table4", "table5"])
def test_tables_are_written_in_every_format(tmp_path, item):
    result = run("reproduce", item, "-o", tmp_path, "--format", "md,tex,csv,json")
    assert result.exit_code == 0, result.output
    assert "Protocol" in result.output
    for suffix in ("md", "tex", "csv", "json"):
        assert "rotocol" in (tmp_path / f"{item}.{suffix}").read_text()


def test_figure_6_is_drawn_from_the_tables(tmp_path):
    result = run("reproduce", "fig6", "-o", tmp_path, "--format", "svg")
    assert result.exit_code == 0, result.output
    assert "not measured, so shown with the paper's value only: " in result.output
    assert (tmp_path / "fig6.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table1", "--methods", "eusr"], "table1 counts parameters in the code"),
        (["fig2"], "Figs. 2 to 5 are drawings"),
        (["table9"], "table9: not one of table1"),
        (["table2", "--format", "png"], "--format png: table2 is written as md, tex, csv, json"),
        (["fig6", "--format", "md"], "--format md: fig6 is written as png, svg, pdf"),
        (["fig7"], "give their folder: --data DIR"),
        (["table2", "--methods", "eusr"], "--methods needs --data; give the evaluation sets"),
    ],
)
def test_what_cannot_be_reproduced_is_explained(tmp_path, arguments, message):
    result = run("reproduce", *arguments, "-o", tmp_path)
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_a_table_measured_now_takes_the_place_of_committed_rows(tmp_path):
    rng = np.random.default_rng(0)
    save_picture(tmp_path / "Set5/a.png", rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    save_picture(tmp_path / "mine/a.png", rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    arguments = ("--data", tmp_path / "Set5", "--methods", f"x4={tmp_path / 'mine'}")
    result = run("reproduce", "table3", *arguments, "-o", tmp_path, "--format", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "table3.json").read_text())["rows"]
    mine = next(row for row in rows if (row["dataset"], row["method"]) == ("Set5", "x4"))
    assert (mine["status"], mine["psnr_y_db_paper"]) == ("measured", "31.0846")
    assert 5 < float(mine["psnr_y_db_ours"]) < 14  # noise against other noise


def test_compare_writes_a_page_and_rates_votes(tmp_path):
    for name, level in {"a/x.png": 10, "b/x.png": 20, "truth/x.png": 30}.items():
        save_picture(tmp_path / name, np.full((40, 40, 3), level, np.uint8))
    page = tmp_path / "out/page.html"
    arguments = [tmp_path / "a/x.png", tmp_path / "b/x.png", "--reference", tmp_path / "truth/x.png"]
    result = run("compare", *arguments, "--metrics", "psnr", "-o", page)
    assert result.exit_code == 0, result.output
    assert '["x", "b/x"]' in page.read_text()
    vote = {"picture": "x", "left": "x", "right": "b/x", "choice": "left"}
    votes = {"format": "fourpass-votes-1", "labels": ["x", "b/x"], "votes": [vote] * 3}
    (tmp_path / "v.json").write_text(json.dumps(votes))
    result = run("compare", "--votes", tmp_path / "v.json", "--votes", tmp_path / "v.json")
    assert result.output.splitlines()[0] == "x: strength 3.606, Elo +223, won 6 of 6"  # sqrt(6.5 / 0.5)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/x.png"] * 3, "two of the pictures are called"),
        (["a/x.png"], "at least two pictures"),
        ([], "at least two pictures"),
    ],
)
def test_compare_explains_what_it_cannot_compare(tmp_path, names, message):
    save_picture(tmp_path / "a/x.png", np.zeros((40, 40, 3), np.uint8))
    result = run("compare", *(tmp_path / name for name in names))
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_several_items_at_once(tmp_path):
    done = CliRunner().invoke(app, ["reproduce", "table1", "table3", "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["table1.md", "table3.md"]
