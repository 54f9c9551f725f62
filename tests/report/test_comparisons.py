"""Sign flips against brute force and scipy, Holm by hand, effect sizes by formula."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from mlseg.report.comparisons import (
    Comparison,
    adjust_family,
    adjust_holm,
    compare_paired,
    compute_d_z,
    compute_rank_biserial,
)
from mlseg.report.statistics import compute_interval

NAN = float("nan")


def brute_force(d: np.ndarray) -> float:
    sums = [
        abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in itertools.product((1, -1), repeat=len(d))
    ]
    return float(np.mean([total >= abs(d.sum()) - 1e-12 for total in sums]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [6, 9, 12])
def test_the_exact_p_is_that_of_all_flips(n, seed):
    d = np.random.default_rng(seed).normal(0.02, 0.03, n)
    d[0] = 0.0  # no difference at all for one subject
    found = compare_paired(d)
    assert found.test == "exact"
    assert found.p == pytest.approx(brute_force(d), abs=1e-15)


def test_the_exact_p_is_that_of_scipy():
    d = np.random.default_rng(5).normal(0.01, 0.03, 13)
    expected = scipy.stats.permutation_test(
        (d,), lambda x: x.mean(), permutation_type="samples", alternative="two-sided", n_resamples=np.inf
    )
    assert compare_paired(d).p == pytest.approx(expected.pvalue, rel=1e-9)


def test_ties_by_arithmetic_count_as_ties():
    # 0.1 + 0.2 is not 0.3 in binary: all sums of +-1 steps of 0.1 are compared with one another.
    d = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, -0.1])
    assert compare_paired(d).p == pytest.approx(brute_force(np.round(d * 10)), abs=1e-15)


def test_from_twenty_subjects_on_flips_are_drawn():
    d = np.random.default_rng(3).normal(0.01, 0.03, 22)
    found = compare_paired(d)
    assert found.test == "Monte Carlo"
    assert found == compare_paired(d)
    # The t test is close to it for normal differences.
    assert found.p == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, abs=0.02)
    assert compare_paired(d[:19]).test == "exact"


def test_a_drawn_p_is_never_zero():
    assert compare_paired(np.full(25, 0.1) + np.arange(25) * 1e-3, draws=999).p == pytest.approx(1 / 1000)


def test_below_six_subjects_there_is_no_test():
    found = compare_paired([0.1, 0.2, 0.3, 0.4, 0.5])
    assert found.test == "none"
    assert math.isnan(found.p)
    assert found.interval == compute_interval([0.1, 0.2, 0.3, 0.4, 0.5])
    assert compare_paired([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).p == 2 / 2**6
    assert compare_paired([]).n == 0


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04; a later one is never below an earlier one.
    assert adjust_holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert adjust_holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert adjust_holm([]) == []


def test_holm_leaves_out_what_was_not_tested():
    adjusted = adjust_holm([0.01, NAN, 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)


def test_a_family_tells_apart_after_the_correction_only():
    weak = compare_paired([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert weak.p < 0.05
    assert adjust_family([weak])[0].tells_apart
    assert not any(found.tells_apart for found in adjust_family([weak, weak]))
    assert not weak.tells_apart


def test_effect_sizes_by_formula():
    d = np.array([0.3, -0.1, 0.2, 0.2, 0.0])
    assert compute_d_z(d) == pytest.approx(0.12 / np.std(d, ddof=1))
    # Ranks of .1 .2 .2 .3 are 1 2.5 2.5 4: (9 - 1) / 10.
    assert compute_rank_biserial(d) == pytest.approx(0.8)
    assert compute_rank_biserial(-d) == pytest.approx(-0.8)
    assert math.isnan(compute_d_z(np.array([0.1, 0.1])))
    assert math.isnan(compute_rank_biserial(np.zeros(3)))


def test_rank_biserial_follows_from_the_statistic_of_wilcoxon():
    d = np.random.default_rng(2).normal(0.02, 0.03, 15)
    smaller = scipy.stats.wilcoxon(d).statistic
    total = 15 * 16 / 2
    assert abs(compute_rank_biserial(d)) == pytest.approx(1 - 2 * smaller / total)


def test_first_minus_second():
    found = compare_paired(np.array([0.1, 0.2, 0.3]))
    assert isinstance(found, Comparison)
    assert found.difference == pytest.approx(0.2)
    assert found.interval.low < 0.2 < found.interval.high
