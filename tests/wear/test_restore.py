"""The table from estimates to restore, and how it is fitted."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fourpass.errors import ConfigError
from fourpass.wear.estimate import Estimate
from fourpass.wear.fit import WearSample, fit, loss
from fourpass.wear.restore import KINDS, packaged, read_table, restore_for, write_table

CLEAN = Estimate(quality=100.0, evidence="none", blocks=0.0, noise=0.0, blur=0.5)
RESTORES = (0.0, 0.25, 0.5, 0.75, 1.0)


def test_linear_between_knots_and_the_most_of_all_kinds() -> None:
    table = {
        "quality": ((50.0, 1.0), (90.0, 0.2), (100.0, 0.0)),
        "noise": ((2.0, 0.0), (6.0, 0.8)),
        "blur": ((1.0, 0.0), (2.0, 0.5)),
    }
    assert restore_for(CLEAN, table).value == 0
    assert restore_for(replace(CLEAN, quality=70.0, evidence="blocks"), table).value == pytest.approx(0.6)
    assert restore_for(replace(CLEAN, quality=10.0, evidence="blocks"), table).value == 1
    both = restore_for(replace(CLEAN, quality=90.0, noise=4.0), table)
    assert (both.value, both.reason) == (pytest.approx(0.4), "noise of 4.0 grey levels")
    soft = restore_for(replace(CLEAN, blur=3.0), table)
    assert (soft.value, soft.reason) == (0.5, "edges blurred by 3.0 pixels")


def test_the_packaged_table_leaves_clean_pictures_alone() -> None:
    assert restore_for(CLEAN, packaged()).value == 0
    assert restore_for(replace(CLEAN, noise=0.8, blur=0.9)).value == 0
    assert restore_for(replace(CLEAN, quality=30.0)).value == 1


def test_a_table_is_written_as_it_is_read(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", packaged())
    assert read_table(tmp_path / "t.csv") == packaged()
    with pytest.raises(ConfigError, match="is a folder, where a file is to be written"):
        write_table(tmp_path, packaged())
    assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("quality,50,1\nnoise,1,0\n", "blur has no knots"),
        ("quality,50,1\nnoise,1,0\nblur,1,0\nhue,1,0\n", "not lines of kind, at, restore"),
        ("quality,50,1\nnoise,1\nblur,1,0\n", "not lines of kind, at, restore"),
        ("quality,50,x\nnoise,1,0\nblur,1,0\n", "not lines of kind, at, restore"),
        ("quality,50,nan\nnoise,1,0\nblur,1,0\n", "quality has no knots, or some that are not numbers"),
        ("quality,50,0\nquality,90,1\nnoise,1,0\nblur,1,0\n", "quality must have increasing numbers"),
        ("quality,50,1\nnoise,2,0\nnoise,1,1\nblur,1,0\n", "noise must have increasing numbers"),
        ("quality,50,1.2\nnoise,1,0\nblur,1,0\n", "restore values within 0..1"),
    ],
)
def test_a_mistake_in_a_table_is_named(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "t.csv").write_text("kind,at,restore\n" + lines)
    with pytest.raises(ConfigError, match=message):
        read_table(tmp_path / "t.csv")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_table(tmp_path / "none.csv")


def peaked(number: float, best: float, height: float = 28.0) -> WearSample:
    """PSNR that falls off at both sides of its best restore."""
    return WearSample(number, tuple(height - 4 * (restore - best) ** 2 for restore in RESTORES))


def test_loss_by_hand() -> None:
    sample = WearSample(3.0, (20.0, 22.0, 24.0, 23.0, 21.0))
    assert loss(sample, RESTORES, 0.5) == 0
    assert loss(sample, RESTORES, 0.625) == pytest.approx(0.5)
    assert loss(sample, RESTORES, 1.0) == 3


@pytest.mark.parametrize("direction", [1, -1])
def test_the_fit_finds_the_curve_that_made_the_samples(direction: int) -> None:
    places, wanted = (0.0, 2.0, 6.0, 10.0), (0.0, 0.25, 0.5, 1.0)[::direction]
    numbers = (0.0, 2.0, 2.0, 6.0, 10.0, 14.0)
    samples = [peaked(number, float(np.interp(number, places, wanted))) for number in numbers]
    assert fit(samples, RESTORES, places, direction) == tuple(zip(places, wanted, strict=True))


def test_the_fit_is_the_best_of_all_monotone_curves() -> None:
    rng = np.random.default_rng(3)
    samples = [replace(peaked(rng.uniform(0, 9), rng.random()), weight=rng.uniform(0.2, 3)) for _ in range(12)]
    places = (1.0, 4.0, 8.0)

    def cost(shares: tuple[float, ...]) -> float:
        return sum(one.weight * loss(one, RESTORES, np.interp(one.number, places, shares)) for one in samples)

    found = tuple(share for _, share in fit(samples, RESTORES, places, 1))
    steps = np.arange(0, 1.001, 0.05)
    best = min(cost(shares) for shares in itertools.product(steps, repeat=3) if list(shares) == sorted(shares))
    assert cost(found) == pytest.approx(best)
    assert list(found) == sorted(found)


def test_weights_let_clean_pictures_keep_what_they_have() -> None:
    worn, clean = peaked(3.0, 0.5), replace(peaked(3.0, 0.0), weight=50.0)
    assert dict(fit([worn, clean], RESTORES, (1.0, 3.0, 5.0), 1))[3.0] <= 0.05


def test_mistakes_in_a_fit_are_named() -> None:
    with pytest.raises(ConfigError, match="no samples to fit"):
        fit([], RESTORES, (0.0, 1.0), 1)
    with pytest.raises(ConfigError, match=r"places \[1.0, 0.0\] are not"):
        fit([peaked(0.0, 0.0)], RESTORES, (1.0, 0.0), 1)
    assert set(KINDS.values()) == {1, -1}
