"""Methods that were run with several seeds: their mean on each picture is what is tested."""

import numpy as np
import pytest

from fourpass.errors import ConfigError
from fourpass.evaluation.evaluate import Measurement
from fourpass.evaluation.measures import MeasuringProtocol, Sample, as_region, measure
from fourpass.evaluation.methods import Method
from fourpass.evaluation.summary import summarise, with_means_of_runs
from fourpass.metrics.ssim import ssim


def rows(label, *values, dataset="S"):
    return [Measurement(dataset, f"p{i}", label, {"psnr": value, "ma": None}) for i, value in enumerate(values)]


def test_runs_are_averaged_on_each_picture_before_they_are_tested():
    measured = rows("a#0", 1.0, 2.0, 3.0) + rows("a#1", 3.0, 2.0, 7.0) + rows("b", 0.0, 0.0, 0.0)
    methods = [Method(label, "model", label, sha256=label[-1], steps=5) for label in ("a#0", "a#1", "b")]
    found, named = with_means_of_runs(measured, methods)
    assert [(item.image, item.values["psnr"], item.values["ma"]) for item in found if item.method == "a"] == [
        ("p0", 2.0, None),
        ("p1", 2.0, None),
        ("p2", 5.0, None),
    ]
    mean = named[-1]
    assert (mean.label, mean.sha256, mean.steps, mean.note) == (
        "a",
        "0+1",
        5,
        "mean of 2 runs that differ in their seed",
    )
    _, comparisons = summarise(found)
    (pair,) = (one for one in comparisons if {one.first, one.second} == {"a", "b"})
    assert abs(pair.difference.mean) == pytest.approx(3.0)
    assert pair.p == pytest.approx(0.25)  # three pictures, all on one side: 2 / 2 ** 3


def test_methods_of_one_run_stay_as_they_are():
    measured, methods = rows("b", 1.0), [Method("b", "model")]
    assert with_means_of_runs(measured, methods) == (measured, methods)


@pytest.mark.parametrize("labels", [["a#0"], ["a#0", "a#1", "a"]])
def test_runs_that_have_no_mean_are_explained(labels):
    methods = [Method(label, "model") for label in labels]
    measured = [row for label in labels for row in rows(label, 1.0)]
    with pytest.raises(ConfigError, match=r"a#\.\.\.: give at least two runs"):
        with_means_of_runs(measured, methods)


def test_the_papers_protocol_takes_every_pixel_of_ssim_and_says_so():
    """Rounded Y and the region `same` are what the paper's bicubic rows are closest to; both change the numbers."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 256, (40, 44, 3)).astype(np.uint8)
    sample = Sample(truth, np.clip(truth.astype(int) + 9, 0, 255).astype(np.uint8), truth[::4, ::4])
    usual, papers = MeasuringProtocol(4), MeasuringProtocol(4, "y8", region="same")
    for metric in ("psnr", "ssim"):
        assert measure(metric, sample, usual) != measure(metric, sample, papers)
    expected = ssim(sample.reference, sample.image, channel="y8", border=4, region="same")
    assert measure("ssim", sample, papers) == expected
    assert "rounded, SSIM's region same" in papers.sentence()
    assert "SSIM's region valid" in usual.sentence()
    with pytest.raises(ConfigError, match="'all' is not one of valid, same"):
        as_region("all")
