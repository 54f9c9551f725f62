"""Merging the histograms of a run over its cases."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.functional.bins import compute_cece, compute_class_ece, compute_ece
from mlseg.functional.bins_file import BinsKey, write_bins
from mlseg.report.bins_file import count_cases, list_bin_labels, pool_bins, read_run_bins, score_pooled


def test_pooled_counts_weigh_voxels_alike(make_counts, tmp_path):
    bins = {
        # One voxel off by 0.9, ten voxels off by 0.1: pooled (0.9 + 10 * 0.1) / 11, not (0.9 + 0.1) / 2.
        ("default", "image", "all", "a"): make_counts([0.9], [0]),
        ("default", "image", "all", "b"): make_counts([0.5] * 10, [1] * 6 + [0] * 4),
        ("default", "boundary", "all", "a"): make_counts([], []),
        ("paper", "image", "all", "a"): make_counts([0.7], [1]),
    }
    write_bins(tmp_path / "bins.npz", bins)
    read = read_run_bins(tmp_path)
    pooled = pool_bins(read, evaluation="default")
    assert list(pooled) == ["image", "boundary"]
    assert compute_ece(pooled["image"]) == pytest.approx((0.9 + 10 * 0.1) / 11, abs=1e-6)
    assert count_cases(read, evaluation="default") == {"image": 2, "boundary": 0}
    assert pool_bins(read, evaluation="paper")["image"].voxels == 1


def test_a_run_without_histograms_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"bins\.npz"):
        read_run_bins(tmp_path)


def test_merged_labels_are_kept_apart_and_in_their_order(make_case):
    whole, core = make_case(1, classes=2), make_case(2, classes=2)
    bins = {
        BinsKey("merged", "image", "TC", "a"): core,
        BinsKey("merged", "image", "WT", "a"): whole,
        BinsKey("default", "image", "all", "a"): make_case(3),
    }
    assert list_bin_labels(bins, evaluation="merged", order=["WT", "TC", "ET"]) == ["WT", "TC"]
    assert pool_bins(bins, evaluation="merged") == {}
    scores = score_pooled(bins, evaluation="merged", order=["WT", "TC"])
    assert [(s.label, s.ece, s.cece) for s in scores] == [
        (label, compute_ece(counts), compute_class_ece(counts, 1)) for label, counts in (("WT", whole), ("TC", core))
    ]


def test_the_pooled_cece_is_over_all_classes_and_empty_regions_have_none(make_case):
    counts = make_case(4)
    bins = {
        BinsKey("default", "image", "all", "a"): counts,
        BinsKey("default", "roi", "all", "a"): make_case(4, n=0),
    }
    (score,) = score_pooled(bins, evaluation="default", count=20)
    assert (score.region, score.label, score.n_cases, score.n_voxels) == ("image", "all", 1, 400)
    assert score.cece == compute_cece(counts, 20)
