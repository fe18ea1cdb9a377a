"""Statistics against scipy, enumeration and numbers worked by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from fourpass.errors import ConfigError
from fourpass.evaluation.statistics import bradley_terry, holm, paired_bootstrap, wilcoxon


@pytest.mark.parametrize("count", [1, 5, 14, 30, 50])
def test_wilcoxon_is_exact_like_scipy(count):
    values = np.random.default_rng(count).normal(0.3, 1, count)
    assert wilcoxon(values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue, rel=1e-12)


def test_wilcoxon_above_fifty_is_scipys_normal_approximation():
    values = np.random.default_rng(1).normal(0.1, 1, 100).round(1)  # rounding makes ties and zeros
    assert (values == 0).any()
    expected = stats.wilcoxon(values, method="asymptotic", correction=False, zero_method="wilcox").pvalue
    assert wilcoxon(values) == pytest.approx(expected, rel=1e-12)


def test_wilcoxon_with_ties_equals_enumeration_of_all_signs():
    values = np.array([1.0, -1.0, 2.0, 2.0, -3.0, 4.0, 4.0, 4.0, 0.0])
    nonzero = values[values != 0]
    ranks = stats.rankdata(np.abs(nonzero))
    observed = ranks[nonzero > 0].sum()
    sums = [np.dot(ranks, signs) for signs in itertools.product([0, 1], repeat=len(ranks))]
    tail = min(np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed))
    assert wilcoxon(values) == pytest.approx(min(1, 2 * tail))


def test_wilcoxon_worked_by_hand():
    assert wilcoxon(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx(2 / 32)  # all five signs alike
    assert wilcoxon(np.zeros(7)) == 1.0
    assert 0 < wilcoxon(np.ones(100_000)) < 1e-300
    with pytest.raises(ConfigError, match="finite"):
        wilcoxon(np.array([1.0, np.nan]))


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(3).gamma(3, 2, (2, 40))
    singles, pairs = paired_bootstrap(values, resamples=20_000)
    for got, sample in [*zip(singles, values, strict=True), (pairs[0, 1], values[0] - values[1])]:
        expected = stats.bootstrap(
            (sample,), np.mean, method="percentile", n_resamples=20_000, random_state=np.random.default_rng(9)
        ).confidence_interval
        width = expected.high - expected.low
        assert got.mean == pytest.approx(sample.mean())
        assert got.low == pytest.approx(expected.low, abs=0.03 * width)
        assert got.high == pytest.approx(expected.high, abs=0.03 * width)


def test_bootstrap_is_paired():
    pictures = np.random.default_rng(4).normal(30, 5, 50)
    singles, pairs = paired_bootstrap(np.stack([pictures + 0.2, pictures]))
    assert singles[0].high - singles[0].low > 1
    assert pairs[0, 1].low == pytest.approx(0.2)
    assert pairs[0, 1].high == pytest.approx(0.2)


def test_bootstrap_of_one_picture_and_of_nothing():
    singles, pairs = paired_bootstrap(np.array([[3.0]]))
    assert (singles[0].low, singles[0].mean, singles[0].high) == (3.0, 3.0, 3.0)
    assert pairs == {}
    with pytest.raises(ConfigError, match="finite"):
        paired_bootstrap(np.array([[1.0, np.inf]]))


def test_holm_worked_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_bradley_terry_of_two_is_their_ratio():
    strengths = bradley_terry(np.array([[0.0, 30.0], [10.0, 0.0]]))
    assert strengths[0] / strengths[1] == pytest.approx(3)
    assert strengths.prod() == pytest.approx(1)


def test_bradley_terry_recovers_strengths_that_made_the_counts():
    true = np.array([4.0, 2.0, 1.0, 0.5])
    wins = 1000 * true[:, None] / (true[:, None] + true[None])
    assert bradley_terry(wins) == pytest.approx(true / np.prod(true) ** 0.25, rel=1e-9)


def test_bradley_terry_satisfies_its_likelihood_equations():
    """At the maximum, each item's expected wins equal its wins (Hunter 2004, equation 3)."""
    wins = np.array([[0, 3, 5], [2, 0, 4], [1, 2, 0]], float)
    s = bradley_terry(wins)
    games = wins + wins.T
    assert (games * s[:, None] / (s[:, None] + s)).sum(1) == pytest.approx(wins.sum(1), rel=1e-9)


def test_bradley_terry_without_defeats_needs_a_prior():
    wins = np.array([[0.0, 4.0], [0.0, 0.0]])
    with pytest.raises(ConfigError, match="prior"):
        bradley_terry(wins)
    strengths = bradley_terry(wins, prior=0.5)
    assert strengths[0] / strengths[1] == pytest.approx(4.5 / 0.5)
    with pytest.raises(ConfigError, match="square"):
        bradley_terry(np.ones((2, 3)))
