"""Correlation coefficients against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fourpass.errors import ConfigError
from fourpass.metrics.correlation import kendall, pearson, ranks, spearman


@pytest.mark.parametrize("ties", [False, True])
def test_equals_scipy(ties: bool) -> None:
    random = np.random.default_rng(3)
    a = random.normal(size=600)
    b = a + random.normal(size=600)
    if ties:
        a, b = np.round(a), np.round(b)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)


def test_ranks_by_hand() -> None:
    assert ranks(np.array([10, 30, 10, 20])).tolist() == [1.5, 4, 1.5, 3]


@pytest.mark.parametrize(
    ("a", "b", "complaint"),
    [
        ([1, 2], [1, 2, 3], "the same length"),
        ([1], [1], "at least 2"),
        ([1, 1], [1, 2], "all 2 values"),
        ([1, np.nan], [1, 2], "finite"),
    ],
)
def test_refuses_what_has_no_correlation(a: list[float], b: list[float], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        spearman(np.array(a), np.array(b))
