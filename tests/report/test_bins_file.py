"""Merging the histograms of a run over its cases."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.functional.bins import compute_ece
from mlseg.functional.bins_file import write_bins
from mlseg.report.bins_file import count_cases, pool_bins, read_run_bins


def test_pooled_counts_weigh_voxels_alike(make_counts, tmp_path):
    bins = {
        # One voxel off by 0.9, ten voxels off by 0.1: pooled (0.9 + 10 * 0.1) / 11, not (0.9 + 0.1) / 2.
        ("default", "image", "a"): make_counts([0.9], [0]),
        ("default", "image", "b"): make_counts([0.5] * 10, [1] * 6 + [0] * 4),
        ("default", "boundary", "a"): make_counts([], []),
        ("paper", "image", "a"): make_counts([0.7], [1]),
    }
    write_bins(tmp_path / "bins.npz", bins)
    read = read_run_bins(tmp_path)
    pooled = pool_bins(read, evaluation="default")
    assert list(pooled) == ["boundary", "image"]
    assert compute_ece(pooled["image"]) == pytest.approx((0.9 + 10 * 0.1) / 11, abs=1e-6)
    assert count_cases(read, evaluation="default") == {"image": 2, "boundary": 0}
    assert pool_bins(read, evaluation="paper")["image"].voxels == 1


def test_a_run_without_histograms_is_an_error(tmp_path):
    with pytest.raises(RunError, match=r"bins\.npz"):
        read_run_bins(tmp_path)
