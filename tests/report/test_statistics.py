"""Intervals agree with scipy, keep their promises at the edges, and cover what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from mlseg.checks import RunError
from mlseg.report.statistics import compute_interval, draw_bootstrap_means

NAN = float("nan")


@pytest.mark.parametrize("n", [3, 6, 20, 29])
def test_few_values_have_the_t_interval_of_scipy(n):
    x = np.random.default_rng(n).normal(0.8, 0.1, n)
    interval = compute_interval(x)
    expected = scipy.stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (interval.kind, interval.n) == ("t", n)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_many_values_have_the_bca_interval_of_scipy(level):
    x = np.random.default_rng(1).lognormal(-3, 0.6, 40)
    interval = compute_interval(x, level=level, seed=3)
    expected = scipy.stats.bootstrap(
        (x,), np.mean, confidence_level=level, n_resamples=10_000, method="BCa", rng=np.random.default_rng(3)
    ).confidence_interval
    assert interval.kind == "bca"
    # Same draws, so what is left is arithmetic.
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    # Skewed to the right: the upper arm is the longer one, which a t interval does not have.
    assert interval.high - x.mean() > 1.1 * (x.mean() - interval.low)


def test_the_bootstrap_is_the_same_every_time_and_in_parts():
    x = np.random.default_rng(0).normal(size=500)
    assert compute_interval(x) == compute_interval(x)
    assert compute_interval(x) != compute_interval(x, seed=1)
    assert len(draw_bootstrap_means(x, seed=0, draws=9_001)) == 9_001


def test_below_three_there_is_no_interval():
    for values in ([], [0.5], [0.5, 0.6], [0.5, 0.6, NAN]):
        interval = compute_interval(values)
        assert interval.kind == "none"
        assert math.isnan(interval.low)
        assert interval.n == len(values) - sum(map(math.isnan, values))


@pytest.mark.parametrize("n", [3, 40])
def test_equal_values_have_no_width(n):
    interval = compute_interval([0.3] * n)
    assert (interval.low, interval.high) == pytest.approx((0.3, 0.3))


def test_nan_is_left_out_and_infinity_refused():
    assert compute_interval([0.1, NAN, 0.2, 0.4]) == compute_interval([0.1, 0.2, 0.4])
    with pytest.raises(RunError, match="finite"):
        compute_interval([0.1, math.inf, 0.2])


def simulate_coverage(draw, truth: float, *, runs: int, draws: int = 2_000) -> float:
    generator = np.random.default_rng(7)
    hits = 0
    for run in range(runs):
        interval = compute_interval(draw(generator), seed=run, draws=draws)
        hits += interval.low <= truth <= interval.high
    return hits / runs


DISTRIBUTIONS = {
    "normal": (lambda g, n: g.normal(0.85, 0.05, n), 0.85),
    "beta Dice": (lambda g, n: g.beta(17, 3, n), 0.85),
    "log-normal ECE": (lambda g, n: g.lognormal(math.log(0.05), 0.5, n), 0.05 * math.exp(0.125)),
}


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 50])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_intervals_cover_what_they_say(name, n):
    draw, truth = DISTRIBUTIONS[name]
    coverage = simulate_coverage(lambda generator: draw(generator, n), truth, runs=4_000)
    print(f"{name}, n = {n}: {coverage:.1%}")
    assert 0.90 <= coverage <= 0.97


def test_the_simulation_sees_an_interval_that_is_too_short():
    found = simulate_coverage(lambda generator: generator.normal(0, 1, 10), 0.0, runs=400)
    assert 0.92 <= found <= 0.98
    # As if the frames of ten subjects were subjects: each value twice.
    assert simulate_coverage(lambda g: np.repeat(g.normal(0, 1, 10), 2), 0.0, runs=400) < 0.9
