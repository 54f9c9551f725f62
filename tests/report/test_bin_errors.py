"""Errors of many cases at once equal those of one at a time, and subjects weigh the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlseg.functional.bins import compute_cece, compute_class_ece, compute_ece
from mlseg.report.bin_errors import (
    average_subjects,
    compute_case_errors,
    compute_gaps,
    compute_subject_accuracy,
    merge_subjects,
)


@pytest.mark.parametrize("bins", [10, 15, 300])
def test_gaps_are_those_of_the_scores(make_case, bins):
    parts = [make_case(seed, n=100 * (seed + 1)) for seed in range(5)]
    gaps = compute_gaps(parts, bins)
    assert gaps.shape == (5, 5)
    for row, part in zip(gaps, parts, strict=True):
        assert row[0] == pytest.approx(compute_ece(part, bins), abs=1e-12)
        assert row[1:] == pytest.approx([compute_class_ece(part, k, bins) for k in range(4)], abs=1e-12)
    ece, cece = compute_case_errors(parts, bins, evaluation="default")
    np.testing.assert_allclose(ece, gaps[:, 0])
    np.testing.assert_allclose(cece, [compute_cece(part, bins) for part in parts], atol=1e-12)


def test_a_case_without_voxels_has_no_error(make_case):
    ece, cece = compute_case_errors([make_case(n=0), make_case()], 15, evaluation="default")
    assert np.isnan(ece).tolist() == np.isnan(cece).tolist() == [True, False]


def test_the_paper_stops_at_the_largest_class_of_the_reference(make_class_counts):
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(4), 200).T
    few, all_of_them = np.arange(200) % 2 + 1, np.arange(200) % 4
    parts = [make_class_counts(probs, few), make_class_counts(probs, all_of_them)]
    _, cece = compute_case_errors(parts, 15, evaluation="paper")
    expected = [compute_cece(parts[0], num_classes=3), compute_cece(parts[1], num_classes=4)]
    np.testing.assert_allclose(cece, expected, atol=1e-12)


def test_a_merged_label_has_its_own_class_wise_error(make_case):
    # Of two classes both errors are the same up to bin edges; a third one tells the rows apart.
    part = make_case(3, classes=3)
    ece, cece = compute_case_errors([part], 15, evaluation="merged", label="WT")
    assert ece[0] == pytest.approx(compute_ece(part))
    assert cece[0] == pytest.approx(compute_class_ece(part, 1))


def test_subjects_are_the_means_of_their_cases():
    found = average_subjects([0.1, math.nan, 0.4, 0.2], ["p2", "p1", "p1", "p2"])
    assert found == {"p2": pytest.approx(0.15), "p1": 0.4}
    assert math.isnan(average_subjects([math.nan], ["p1"])["p1"])


def test_the_histograms_of_a_subject_are_those_of_its_cases(make_case):
    cases = {name: make_case(seed) for seed, name in enumerate(("a", "b", "c"))}
    merged = merge_subjects(cases, {"a": "p1", "c": "p1"})
    assert list(merged) == ["p1", "b"]
    np.testing.assert_array_equal(merged["p1"].counts, cases["a"].counts + cases["c"].counts)
    np.testing.assert_array_equal(merged["b"].counts, cases["b"].counts)


def test_accuracy_needs_enough_voxels_in_the_bin(make_counts):
    part = make_counts([0.75] * 4 + [0.95] * 2, [1, 1, 1, 0, 1, 0])
    accuracy = compute_subject_accuracy([part, make_counts([0.001], [1])], 10, min_voxels=3)
    assert accuracy.shape == (2, 10)
    assert accuracy[0, 7] == 0.75
    assert np.isnan(np.delete(accuracy[0], 7)).all()
    assert np.isnan(accuracy[1]).all()
    # The first of the stored columns belongs to the first bin.
    assert compute_subject_accuracy([make_counts([0.0005], [1])], 10, min_voxels=1)[0, 0] == 1.0
