"""The paper's tables and figures with ours beside them, and the ways a table is written."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from fourpass.data.layouts import find_datasets
from fourpass.errors import BackendError, ConfigError, DatasetError
from fourpass.evaluation import figures, paper, plots
from fourpass.evaluation.images import save_picture
from fourpass.evaluation.methods import packaged_methods, parse_methods
from fourpass.evaluation.tables import Table, render
from fourpass.imaging import files

HEADER = "dataset,method,scale,images,psnr_y_db,psnr_y_db_low,psnr_y_db_high,ssim_y,niqe,sr_score,"
HEADER += "steps,weights,protocol,command\n"
ROW = "BSD100,{},4,100,27.5,27,28,0.73,6.2,,{},abc,x4; Y,fourpass evaluate\n"


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + ROW.format("EUSR", 3744) + ROW.format("Mine", ""))
    return path


def test_the_papers_numbers_are_whole():
    assert [len(paper.paper_rows(number)) for number in range(1, 6)] == [10, 33, 9, 15, 9]
    bicubic = next(row for row in paper.paper_rows(2) if (row["dataset"], row["method"]) == ("Set5", "Bicubic"))
    assert (bicubic["psnr_y_db"], bicubic["ssim_y"], bicubic["niqe"]) == ("28.4178", "0.8098", "8.5404")


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_committed_rows_are_well_formed_and_named_as_the_paper_names_them(number):
    rows = paper.measured_rows(number)
    sets = {row["dataset"] for row in paper.paper_rows(number)}
    assert {dataset for dataset, _ in rows} <= sets
    table = paper.performance_table(number, rows)
    assert len(table.rows) >= len(paper.paper_rows(number))
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_ours_stands_beside_the_papers_and_what_is_missing_says_so(measured):
    rows = paper.measured_rows(2, [measured])
    table = paper.performance_table(2, {key: row for key, row in rows.items() if row["command"] == "fourpass evaluate"})
    shown = {(row[0], row[1]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    eusr = shown["BSD100", "EUSR"]
    assert (eusr["PSNR, paper"], eusr["PSNR, ours"], eusr["Steps, ours"]) == ("27.6743", "27.5000", "3,744")
    assert (eusr["SR score, paper"], eusr["SR score, ours"]) == ("5.8082", "needs model.mat")
    assert shown["BSD100", "CX"]["PSNR, ours"] == "no weights"
    assert shown["Set5", "EUSR"]["PSNR, ours"] == "not measured"
    assert shown["BSD100", "Mine"]["PSNR, paper"] == "–"
    assert table.notes[0] == "Protocol of our rows: x4; Y."
    assert len(table.rows) == 33 + 1
    record = next(record for record in table.records if record["method"] == "EUSR" and record["dataset"] == "BSD100")
    assert (record["psnr_y_db_ours_low"], record["status"], record["sr_score_ours"]) == ("27", "measured", None)


def test_a_stand_in_is_named_below_the_table(tmp_path):
    row = ROW.format("CX", 1500).rstrip() + ',"CX; features: vgg16-hed, conv3_3 for conv3_4"\n'
    (tmp_path / "t.csv").write_text(HEADER.rstrip() + ",note\n" + row)
    table = paper.performance_table(2, paper.measured_rows(2, [tmp_path / "t.csv"]))
    assert "CX: CX; features: vgg16-hed, conv3_3 for conv3_4." in table.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROW.format("EUSR", 1) * 2, "line 3: BSD100 EUSR appears twice"),
        (HEADER + ROW.format("EUSR", "many"), "line 2: steps is 'many'"),
        (HEADER + "BSD100,EUSR\n", "line 2: has more or fewer cells"),
        (HEADER + ROW.format("EUSR", 1).replace("fourpass evaluate", ""), "the column command is empty"),
        (HEADER + ROW.format("EUSR", 1).replace("x4; Y", ""), "the column protocol is empty"),
        (HEADER + ROW.format("EUSR", 1).replace("27.5", "nan"), "psnr_y_db is 'nan'"),
    ],
)
def test_rows_that_cannot_be_trusted_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        paper.measured_rows(2, [tmp_path / "t.csv"])
    with pytest.raises(DatasetError, match=r"none\.csv: cannot be read"):
        paper.measured_rows(2, [tmp_path / "none.csv"])


def test_rows_of_other_scales_are_left_out(tmp_path):
    (tmp_path / "t.csv").write_text(HEADER + ROW.format("New", 1).replace(",4,100", ",2,100"))
    assert ("BSD100", "New") not in paper.measured_rows(2, [tmp_path / "t.csv"])


def test_table_1_counts_our_parameters():
    pytest.importorskip("torch")
    table = paper.properties_table()
    shown = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(shown) == [row["method"] for row in paper.paper_rows(1)]
    assert shown["EUSR"]["Parameters, paper"] == "6.3M"
    assert shown["EUSR"]["Ours"] == "6.296M"  # 6,295,689
    assert shown["EDSR"]["Ours"] == "43.090M"  # 43,089,947


def test_table_1_shows_where_our_losses_are_not_the_papers(monkeypatch):
    assert not any("paper:" in cell for row in paper.properties_table().rows for cell in row)
    ours = {**paper.METHODS, "cx": replace(paper.METHODS["cx"], losses=replace(paper.METHODS["cx"].losses, pixel=0.0))}
    monkeypatch.setattr("fourpass.losses.published.METHODS", ours)
    table = paper.properties_table()
    shown = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert shown["CX"]["Reconstruction loss"] == "pre-training only (paper: yes)"


TABLE = Table(
    "A & B",
    ["Set", "Method", "PSNR"],
    [["Set5", "l_r", "30.0"], ["Set14", "a|b", "–"]],
    ["Protocol: x4, 4 px, 95 %."],
    [{"set": "Set5", "psnr": 30.0}, {"set": "Set14", "psnr": None}],
)


def test_markdown_and_latex_escape_what_they_must():
    text = render(TABLE, "md")
    assert "| Set14 | a\\|b   |    – |" in text
    assert text.endswith("\nProtocol: x4, 4 px, 95 %.\n")
    latex = render(TABLE, "tex")
    assert r"Set5 & l\_r & 30.0 \\" in latex
    assert r"A \& B" in latex
    assert r"95 \%" in latex
    assert latex.count(r"\midrule") == 2


def test_csv_and_json_hold_the_records():
    assert list(csv.DictReader(render(TABLE, "csv").splitlines())) == [
        {"set": "Set5", "psnr": "30.0"},
        {"set": "Set14", "psnr": ""},
    ]
    assert json.loads(render(TABLE, "json"))["rows"] == list(TABLE.records)
    with pytest.raises(ConfigError, match="'xls' is not one of md, tex, csv, json"):
        render(TABLE, "xls")
    broken = Table("t", [], [], [], [{"psnr": float("nan")}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        render(broken, "json")


def test_every_figure_has_a_region_and_known_methods():
    named = {row["method"] for number in (2, 3, 4, 5) for row in paper.paper_rows(number)}
    for figure, methods in figures.PANELS.items():
        assert figures.regions(figure), figure
        assert set(methods) <= named, figure


@pytest.mark.shared
def test_every_region_lies_in_its_picture(shared):
    datasets = find_datasets(shared / "data/eval", 4)
    for figure in figures.PANELS:
        for strip in figures.strips(figure, datasets, []):
            assert [panel.picture is None for panel in strip.panels[1:]] == [True] * (len(strip.panels) - 1)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A figure of one made-up picture, whose EUSR results lie on disk."""
    rng = np.random.default_rng(0)
    save_picture(tmp_path / "Made/a.png", rng.integers(0, 256, (80, 100, 3)).astype(np.uint8))
    save_picture(tmp_path / "eusr/ax4.png", np.full((80, 100, 3), (0, 255, 0), np.uint8))
    table = tmp_path / "figures.csv"
    table.write_text("figure,dataset,image,top,left,height,width,note\nfig1,Made,a,10,20,30,40,a stand-in\n")
    monkeypatch.setattr(figures, "_REGIONS", table)
    return tmp_path


def test_crops_show_each_method_and_an_empty_cell_where_one_is_missing(pictures):
    methods = parse_methods(["bicubic", f"EUSR={pictures / 'eusr'}"])
    (strip,) = figures.strips("fig1", find_datasets(pictures / "Made", 4), methods)
    assert [panel.label for panel in strip.panels] == ["Ground-truth", "Bicubic", "EUSR", "4PP-EUSR"]
    assert [panel.picture is None for panel in strip.panels] == [False, False, False, True]
    for suffix in ("png", "svg"):
        plots.save(plots.crops([strip], "As Fig. 1"), pictures / f"fig1.{suffix}")
    drawn = files.read(pictures / "fig1.png").pixels.reshape(-1, 3).astype(int)
    assert ((drawn[:, 1] > 250) & (drawn[:, 0] < 5)).sum() > 1000  # the green result
    assert ((drawn[:, 0] > 250) & (drawn[:, 1:] < 60).all(1)).sum() > 50  # the red frame
    assert (pictures / "fig1.svg").read_text().count("not at hand") == 1


def test_a_picture_that_is_not_given_and_a_region_outside_are_explained(pictures, monkeypatch):
    with pytest.raises(DatasetError, match=r"Made/a is not in the given sets \(eusr\)"):
        figures.strips("fig1", find_datasets(pictures / "eusr", 4), [])
    table = pictures / "figures.csv"
    table.write_text(table.read_text().replace("10,20", "60,20"))
    with pytest.raises(ConfigError, match="extends beyond its picture of 100x80"):
        figures.strips("fig1", find_datasets(pictures / "Made", 4), [])


def test_the_plane_is_drawn_the_same_every_time(tmp_path, measured):
    points = paper.plane_points(paper.measured_rows(2, [measured]))
    assert points["paper"]["4PP-EUSR"] == (26.5707, 3.6976)
    assert points["ours"]["EUSR"] == (27.5, 6.2)
    for name in ("a.svg", "b.svg"):
        plots.save(plots.plane(points, "BSD100", "x4; Y"), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "EUSR (ours)" in (tmp_path / "a.svg").read_text()
    with pytest.raises(ConfigError, match="one of png, svg, pdf"):
        plots.save(plots.plane(points, "BSD100", ""), tmp_path / "a.gif")


def test_without_matplotlib_the_pip_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BackendError, match=r"pip install 'fourpass\[plots\]'"):
        plots.plane({"paper": {}}, "BSD100", "")


def test_packaged_weights_take_the_papers_names():
    assert {"Bicubic", "EUSR"} <= {method.label for method in packaged_methods("table2")}
    for method in packaged_methods("table3"):
        assert method.label in ("x4", "x2-x2", "x8-downscale")


def rows_of(tmp_path, name, *rows):
    (tmp_path / name).write_text(HEADER + "".join(rows))
    return tmp_path / name


def test_rows_of_other_runs_are_no_part_of_tables_3_to_5(tmp_path):
    file = rows_of(tmp_path, "mine.csv", ROW.format("with all losses", 10))
    assert set(paper.measured_rows(4, [file])) == {("BSD100", "with all losses")}
    assert len(paper.measured_rows(4)) == 15
    assert len(paper.measured_rows(2, [rows_of(tmp_path, "two.csv", ROW.format("EUSR", 1))])) == 36


@pytest.mark.parametrize(
    ("number", "rows", "message"),
    [
        (3, [ROW.format("x4", 1), ROW.format("x2-x2", 1).replace(",abc,", ",abd,")], "different weights .abc; abd"),
        (4, [ROW.format("without l_r", 1), ROW.format("without l_g", 2)], "different steps .1; 2"),
        (5, [ROW.format("alpha_r=0.3", 1), ROW.format("alpha_r=0.03", 1).replace("x4; Y", "x4; RGB")], "protocols"),
    ],
)
def test_rows_that_cannot_be_compared_are_named(tmp_path, number, rows, message):
    with pytest.raises(DatasetError, match=message):
        paper.check_alike(number, paper.measured_rows(number, [rows_of(tmp_path, "t.csv", *rows)]))


@pytest.mark.parametrize("number", [3, 4, 5])
def test_committed_rows_can_be_compared(number):
    paper.check_alike(number, paper.measured_rows(number))


def test_a_row_of_another_kind_stands_below_its_method(tmp_path):
    file = rows_of(tmp_path, "t.csv", ROW.format("CX (equal aids)", 3), ROW.format("CX", 3))
    table = paper.performance_table(2, paper.measured_rows(2, [file]))
    names = [row[1] for row in table.rows if row[0] == "BSD100"]
    assert names[names.index("CX") + 1] == "CX (equal aids)"
    assert names[names.index("4PP-EUSR") + 1] == "4PP-EUSR (shipped)"
    assert len(names) == len(set(names)) == 11 + 3  # these two, and the ground truth


def test_rounded_y_is_shown_in_the_same_column_and_named_below(tmp_path):
    text = HEADER.replace("psnr_y_db", "psnr_y8_db").replace("ssim_y", "ssim_y8")
    (tmp_path / "t.csv").write_text(text + ROW.format("CX", 3).replace("x4; Y", "x4; rounded Y"))
    table = paper.performance_table(2, paper.measured_rows(2, [tmp_path / "t.csv"]))
    row = next(row for row in table.rows if row[:2] == ["BSD100", "CX"])
    assert dict(zip(table.columns, row, strict=True))["PSNR, ours"] == "27.5000"
    assert any(note.startswith("Protocol of CX: x4; rounded Y") for note in table.notes)


def test_what_flatters_niqe_is_disclosed_where_it_stands():
    notes = paper.performance_table(2, paper.measured_rows(2)).notes
    assert any(note.startswith("4PP-EUSR (shipped): trained with grain, and with the statistics") for note in notes)
    (shipped,) = (method for method in packaged_methods("table2") if method.source == "fourpass")
    assert "statistics that NIQE is computed from" in shipped.note
