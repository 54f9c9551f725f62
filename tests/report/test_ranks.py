"""Ranks by hand, Friedman by scipy, stability that follows from who is tested."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from mlseg.checks import RunError
from mlseg.report.ranks import describe_friedman, rank_data, rank_means, sum_ranks


def test_ties_share_the_best_rank_and_directions_differ():
    means = np.array([0.5, 0.9, 0.9, 0.7])
    assert rank_means(means, higher=True).tolist() == [4, 1, 1, 3]
    assert rank_means(means, higher=False).tolist() == [1, 3, 3, 2]
    assert rank_means(np.array([np.nan, 0.1]), higher=True).tolist() == [2, 1]


def test_friedman_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=(8, 4))
    assert rank_data(values, higher=True).friedman_p == pytest.approx(
        scipy.stats.friedmanchisquare(*values.T).pvalue, rel=1e-12
    )


@pytest.mark.parametrize("shape", [(5, 4), (8, 2)])
def test_too_few_blocks_or_methods_have_no_test(shape):
    found = rank_data(np.random.default_rng(0).normal(size=shape), higher=True)
    assert math.isnan(found.friedman_p)
    assert "no test" in describe_friedman(found)


def test_equal_methods_have_no_test_and_tie():
    found = rank_data(np.tile(np.arange(7.0)[:, None] / 7, (1, 3)), higher=True)
    assert math.isnan(found.friedman_p)
    assert found.ranks == (1, 1, 1)
    assert found.shares[:, 0].tolist() == [1.0, 1.0, 1.0]


def test_a_clear_order_is_stable_and_a_tie_is_not():
    people = np.random.default_rng(1).normal(0, 0.1, (12, 1))
    noise = np.random.default_rng(2).normal(0, 0.01, (12, 3))
    clear = rank_data(people + np.array([0.3, 0.2, 0.1]), higher=True)
    assert clear.ranks == (1, 2, 3)
    assert np.allclose(clear.shares, np.eye(3))
    unclear = rank_data(people + noise, higher=True)
    assert 0.05 < unclear.shares.max() < 1
    # Without ties each draw gives each method one rank.
    assert unclear.shares.sum(axis=1) == pytest.approx([1, 1, 1])


def test_a_subject_without_a_value_is_left_out():
    values = np.array([[0.1, 0.2], [0.3, np.nan], [0.1, 0.4]])
    assert rank_data(values, higher=True).n == 2
    with pytest.raises(RunError, match="at least one subject"):
        rank_data(values[1:2], higher=True)


def test_sums_count_data_sets_alike_and_weights_count_subjects():
    # A is better on the small data set, B on the one with nine times as many subjects.
    small = np.tile([0.9, 0.8], (2, 1)) + np.linspace(0, 0.01, 2)[:, None]
    large = np.tile([0.8, 0.9], (18, 1)) + np.linspace(0, 0.01, 18)[:, None]
    found = sum_ranks({"small": small, "large": large}, higher=True)
    assert found.sums == (3, 3)
    assert found.means == (1.5, 1.5)
    assert found.weighted == pytest.approx((0.1 * 1 + 0.9 * 2, 0.1 * 2 + 0.9 * 1))
    assert found.first_share == (1.0, 1.0)
    assert found.first_share_weighted == (0.0, 1.0)
    assert sum_ranks({}, higher=True) is None
