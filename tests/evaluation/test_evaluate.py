"""Evaluation of small made-up sets, and the paper's bicubic rows on the real ones."""

import csv
import json
import resource
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from fourpass import weights
from fourpass.cli.app import app
from fourpass.data.layouts import find_datasets
from fourpass.engine.graphs import onnx_model
from fourpass.errors import ConfigError, DatasetError, FourpassError, ImageError, MetricError, WeightsError
from fourpass.evaluation.evaluate import evaluate
from fourpass.evaluation.images import load_pair, load_picture, save_picture
from fourpass.evaluation.measures import METRICS, MeasuringProtocol, choose
from fourpass.evaluation.methods import Method, parse_methods
from fourpass.evaluation.paper import paper_rows
from fourpass.evaluation.summary import summarise, summary_table
from fourpass.imaging import files
from fourpass.imaging.color import luma
from fourpass.imaging.resize import imresize

BICUBIC = Method("Bicubic", "bicubic")


def photo(seed, height=222, width=213):
    """A picture with structure at several sizes, so that every metric is defined."""
    rng = np.random.default_rng(seed)
    layers = [imresize(rng.uniform(0, 255, (n, n, 3)), size=(height, width)) for n in (4, 16, 64)]
    return np.clip(sum(layers) / 3 + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets") / "Made"
    for index in range(3):
        save_picture(root / f"p{index}.png", photo(index))
    return root


def measure(folder, *methods, metrics=("psnr",), scale=4, **options):
    rows = evaluate(find_datasets(folder, scale), methods, metrics, MeasuringProtocol(scale), **options)
    return {(row.method, row.image): row.values for row in rows}


def test_bicubic_psnr_by_hand(folder):
    truth = photo(0)[:220, :212]
    result = imresize(imresize(truth, 0.25), 4)
    error = (luma(truth) - luma(result))[4:-4, 4:-4]
    expected = 10 * np.log10(255**2 / np.mean(error**2))
    assert measure(folder, BICUBIC)["Bicubic", "p0"]["psnr"] == pytest.approx(expected, rel=1e-12)


def test_results_on_disk_score_as_their_method(folder, tmp_path):
    measured = measure(folder, BICUBIC, metrics=("psnr", "ssim", "niqe", "lr_psnr"), save_images=tmp_path)
    on_disk = parse_methods([str(tmp_path / "Bicubic")])
    again = measure(folder, *on_disk, metrics=("psnr", "ssim", "niqe", "lr_psnr"))
    assert again == measured


def test_processes_measure_what_one_does(folder):
    ground_truth = Method("Ground truth", "ground-truth")
    one = measure(folder, BICUBIC, ground_truth, metrics=("psnr", "niqe", "ma"))
    two = measure(folder, BICUBIC, ground_truth, metrics=("psnr", "niqe", "ma"), workers=2)
    assert list(two) == list(one)
    assert two["Ground truth", "p1"] == {
        "psnr": None,
        "niqe": pytest.approx(one["Ground truth", "p1"]["niqe"]),
        "ma": None,
    }
    for key, values in one.items():
        assert two[key]["niqe"] == pytest.approx(values["niqe"], rel=1e-9)


def test_an_error_in_a_process_names_the_picture(folder):
    with pytest.raises(DatasetError, match=r"Made/p0, Made: the result is identical to"):
        measure(folder, *parse_methods([str(folder)]), workers=2)


def test_given_inputs_are_taken_and_ground_truth_is_cropped_to_them(tmp_path):
    low = photo(5, 50, 60)
    save_picture(tmp_path / "HR/a.png", photo(6, 203, 241))
    save_picture(tmp_path / "LR_bicubic/X4/ax4.png", low)
    (dataset,) = find_datasets(tmp_path, 4)
    truth, read = load_pair(dataset.pairs[0], 4)
    assert truth.shape == (200, 240, 3)
    assert np.array_equal(read, low)
    save_picture(tmp_path / "HR/a.png", photo(6, 206, 241))
    with pytest.raises(
        DatasetError, match=r"ax4.png is 60x50 and its ground truth is 241x206; the scale between them is not 4"
    ):
        load_pair(dataset.pairs[0], 4)


def test_results_of_another_size_are_refused(folder, tmp_path):
    save_picture(tmp_path / "p0.png", photo(0, 110, 106))
    (dataset,) = find_datasets(folder, 4)
    alone = type(dataset)(dataset.name, dataset.layout, dataset.pairs[:1])
    with pytest.raises(DatasetError, match=r"is 106x110, but its ground truth is 212x220; is it"):
        evaluate([alone], parse_methods([str(tmp_path)]), ["psnr"], MeasuringProtocol(4))


def test_pictures_are_brought_to_8_bit_rgb(tmp_path):
    gray = photo(1)[..., 0]
    files.write(tmp_path / "gray.png", gray)
    assert np.array_equal(load_picture(tmp_path / "gray.png"), np.repeat(gray[..., None], 3, 2))
    files.write(tmp_path / "deep.png", photo(1).astype(np.uint16) * 257)
    assert np.array_equal(load_picture(tmp_path / "deep.png"), photo(1))
    opaque = np.full(gray.shape, 255, np.uint8)
    files.write(tmp_path / "opaque.png", files.Picture.of(photo(1), opaque))
    assert np.array_equal(load_picture(tmp_path / "opaque.png"), photo(1))
    files.write(tmp_path / "clear.png", files.Picture.of(photo(1), opaque // 2))
    with pytest.raises(ImageError, match="has transparent pixels"):
        load_picture(tmp_path / "clear.png")


def test_a_picture_too_small_for_a_metric_is_named(tmp_path):
    save_picture(tmp_path / "tiny.png", photo(0, 60, 60))
    with pytest.raises(MetricError, match=r"tiny, Bicubic: 52x52 pixels hold 0 blocks"):
        measure(tmp_path, BICUBIC, metrics=("niqe",))


def test_methods_are_read():
    eusr, twice, blend, bicubic = parse_methods(["eusr,eusr@x2-x2", "M=eusr@strength:0.3,bicubic"])
    assert (eusr.label, eusr.kind, eusr.path) == ("EUSR", "model", "direct")
    assert len(eusr.sha256) == 12
    assert (twice.label, twice.path) == ("EUSR (x2-x2)", "x2-x2")
    assert (blend.label, blend.strength) == ("M", 0.3)
    assert bicubic.label == "Bicubic"
    assert [m.label for m in parse_methods(['"without l_as,l_ar=bicubic"', "alpha_r=0.3=bicubic"])] == [
        "without l_as,l_ar",
        "alpha_r=0.3",
    ]
    assert parse_methods(["eusr"], self_ensemble=True)[0].label == "EUSR (self-ensemble)"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ConfigError, "no method is named; for example: bicubic,eusr"),
        ("bicubic,bicubic", ConfigError, "two methods are called 'Bicubic'"),
        ("eusr@x3", ConfigError, "'x3' is not one of"),
        ("eusr@strength:high", ConfigError, "does not give a strength"),
        ("nobody", WeightsError, "nobody: no such weights file.*nor is it bicubic"),
        ("nothing.onnx", WeightsError, "nothing.onnx: no such file"),
    ],
)
def test_methods_that_are_none_are_explained(text, error, message):
    with pytest.raises(error, match=message):
        parse_methods([text])


def test_metrics_are_chosen_by_name():
    assert list(choose(["ssim", "psnr"])) == ["ssim", "psnr"]
    for wrong in (["lpips"], [], ["psnr", "psnr"]):
        with pytest.raises(ConfigError):
            choose(wrong)


def test_a_scale_that_a_network_lacks_is_named(folder):
    with pytest.raises(ConfigError, match="supports the scales 2, 4, 8, but x3 is needed"):
        measure(folder, *parse_methods(["eusr"]), scale=3)
    with pytest.raises(ConfigError, match="path x2-x2 upscales by 4, not by 2"):
        measure(folder, *parse_methods(["eusr@x2-x2"]), scale=2)


def test_an_onnx_file_and_its_weights_score_alike(tmp_path):
    """But for the colours, which the engine keeps for weights of ours and not for a file that it knows nothing of."""
    save_picture(tmp_path / "set/a.png", photo(2, 64, 72))
    model = onnx_model(weights.load("eusr"), 2).SerializeToString()
    (tmp_path / "two.onnx").write_bytes(model)
    methods = parse_methods([f"{tmp_path / 'two.onnx'},eusr,bicubic"])
    assert [method.label for method in methods] == ["two", "EUSR", "Bicubic"]
    values = [value["psnr"] for value in measure(tmp_path / "set", *methods, scale=2).values()]
    assert values[0] == pytest.approx(values[1], abs=0.01)
    assert abs(values[0] - values[2]) > 0.03


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_command_writes_tables_and_numbers(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/fourpass", "evaluate", "--data", "a b"])
    out = tmp_path / "out"
    result = run("--data", folder, "--methods", "bicubic,ground-truth", "-o", out, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "needs model.mat" in result.output
    assert "PSNR and SSIM on Y of BT.601" in result.output
    with (out / "per_image.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["image"] for row in rows] == ["p0", "p1", "p2"] * 2
    mean = np.mean([float(row["psnr_y_db"]) for row in rows[:3]])
    with (out / "summary.csv").open() as handle:
        bicubic, truth = csv.DictReader(handle)
    assert float(bicubic["psnr_y_db"]) == pytest.approx(mean, abs=6e-5)
    assert float(bicubic["psnr_y_db_low"]) <= mean <= float(bicubic["psnr_y_db_high"])
    assert (truth["psnr_y_db"], truth["sr_score"], bicubic["sr_score"]) == ("", "", "")
    assert bicubic["command"] == "fourpass evaluate --data 'a b'"
    comparisons = json.loads((out / "comparisons.json").read_text())["rows"]
    assert [(row["first"], row["second"], row["metric"]) for row in comparisons] == [
        ("Bicubic", "Ground truth", "niqe")
    ]
    assert comparisons[0]["p"] == 0.25  # three differences of one sign: two of the eight patterns
    for name in ("summary.md", "summary.tex", "summary.json", "comparisons.md", "per_image.json"):
        assert "cropped from each border" in (out / name).read_text()


def test_more_folders_follow_data_and_equal_names_are_refused(folder, tmp_path):
    result = run("--data", folder, folder, "-o", tmp_path)
    assert isinstance(result.exception, ConfigError)
    assert "two sets are called Made" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", 5], "--scale 5 is not one of"),
        (["--channel", "hue"], "channel 'hue'"),
        (["--metrics", "psnr,vmaf"], "metric 'vmaf'"),
        (["--methods", "nobody"], "nobody: no such weights file"),
        (["--ma-model", "nowhere.mat"], "nowhere.mat: no such file"),
    ],
)
def test_wrong_options_are_explained_before_any_work(folder, tmp_path, arguments, message):
    result = run("--data", folder, "-o", tmp_path / "out", *arguments)
    assert isinstance(result.exception, FourpassError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_scores_that_need_the_model_say_so(folder):
    rows = evaluate(find_datasets(folder, 4), [BICUBIC], list(METRICS), MeasuringProtocol(4))
    summaries, _ = summarise(rows)
    table = summary_table(summaries, [BICUBIC], MeasuringProtocol(4))
    shown = dict(zip(table.columns, table.rows[0], strict=True))
    assert shown["SR score ↑"] == shown["PI ↓"] == "needs model.mat"
    assert all(np.isfinite(float(cell.split()[0])) for name, cell in shown.items() if cell[:1].isdigit())


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["Set5", pytest.param("Set14", marks=pytest.mark.slow), pytest.param("BSD100", marks=pytest.mark.slow)]
)
def test_bicubic_is_the_papers_row(shared, name):
    rows = evaluate(
        find_datasets(shared / "data/eval" / name, 4), [BICUBIC], ["psnr", "ssim", "niqe"], MeasuringProtocol(4)
    )
    (summary,), _ = summarise(rows)
    (paper,) = [row for row in paper_rows(2) if (row["dataset"], row["method"]) == (name, "Bicubic")]
    assert summary.means["psnr"].mean == pytest.approx(float(paper["psnr_y_db"]), abs=0.02)
    assert summary.means["ssim"].mean == pytest.approx(float(paper["ssim_y"]), abs=0.002)
    assert summary.means["niqe"].mean == pytest.approx(float(paper["niqe"]), rel=0.02)


@pytest.mark.shared
@pytest.mark.slow
def test_a_hundred_pictures_take_under_20_seconds_on_two_cores(shared, tmp_path):
    """In processor time, which a busy machine lengthens less than the time on the clock."""
    arguments = ["--data", str(shared / "data/eval/BSD100"), "--methods", "bicubic", "--metrics", "psnr,ssim,niqe"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "fourpass.cli.app", "evaluate", *arguments, "-o", str(tmp_path), "--workers", "2"]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent / 2 < 20, spent


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(("scale", "expected"), [(2, 37.47), (4, 31.78), (8, 26.47)])
def test_the_packaged_network_scores_as_when_it_was_trained(shared, scale, expected):
    (eusr,) = parse_methods(["eusr"])
    if eusr.sha256 != "4bc678e16271":
        pytest.skip("other weights than those of docs/results are packaged")
    rows = evaluate(find_datasets(shared / "data/eval/Set5", scale), [eusr], ["psnr"], MeasuringProtocol(scale))
    assert np.mean([row.values["psnr"] for row in rows]) == pytest.approx(expected, abs=0.02)
