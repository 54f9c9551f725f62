from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mlseg.checks import ConfigError, DataError
from mlseg.functional.bins import (
    MAX_VOXELS,
    SCALE,
    BinCounts,
    compute_ace,
    compute_cece,
    compute_ece,
    compute_edges,
    compute_mce,
    reliability_curve,
)
from mlseg.functional.calibration import count_bins


def build_counts(parts: list[tuple[float, int, int]], *, edges: str = "exact") -> BinCounts:
    """Two-class counts whose every row holds (confidence, voxels, hits) for each part."""
    counts, hits, sums = (np.zeros((3, 301), dtype=np.int64) for _ in range(3))
    for confidence, voxels, right in parts:
        column = int(np.searchsorted(compute_edges(edges), confidence)) - 1
        counts[:, column] += voxels
        hits[:, column] += right
        sums[:, column] += round(confidence * SCALE) * voxels
    return BinCounts(counts=counts, hits=hits, sums=sums, total=counts.sum(1), edges=edges)


def test_scores_by_hand() -> None:
    counts = build_counts([(0.65, 600, 300), (0.95, 400, 400)])
    assert compute_ece(counts) == pytest.approx(0.6 * 0.15 + 0.4 * 0.05, abs=2e-9)
    assert compute_cece(counts) == pytest.approx(0.6 * 0.15 + 0.4 * 0.05, abs=2e-9)
    assert compute_ace(counts) == pytest.approx((0.15 + 0.05) / 2, abs=2e-9)
    assert compute_mce(counts) == pytest.approx(0.15, abs=2e-9)


def test_near_empty_bins_do_not_decide_ace_and_mce() -> None:
    counts = build_counts([(0.95, 9991, 9991), (0.55, 9, 0)])
    assert compute_mce(counts) == pytest.approx(0.05, abs=2e-9)
    assert compute_ace(counts) == pytest.approx(0.05, abs=2e-9)
    heavier = build_counts([(0.95, 9990, 9990), (0.55, 10, 0)])
    assert compute_mce(heavier) == pytest.approx(0.55, abs=2e-9)


def test_errors_within_a_bin_cancel_and_with_more_bins_do_not() -> None:
    counts = build_counts([(0.605, 100, 50), (0.655, 100, 76)])
    assert compute_ece(counts, bins=15) == pytest.approx(0.0, abs=2e-9)
    assert compute_ece(counts, bins=100) == pytest.approx(0.105, abs=2e-9)


def test_class_wise_error_is_the_mean_over_classes() -> None:
    counts = build_counts([(0.5, 100, 50)])
    counts.hits[2] = 0
    assert compute_cece(counts) == pytest.approx((0.0 + 0.5) / 2)
    assert compute_cece(counts, num_classes=1) == pytest.approx(0.0)


def test_threshold_leaves_out_tiny_probabilities_and_absent_classes() -> None:
    counts = build_counts([(0.0005, 900, 0), (0.002, 50, 50), (0.5, 50, 50)])
    expected = (50 * 0.998 + 50 * 0.5) / 100
    assert compute_cece(counts, threshold=True) == pytest.approx(expected, abs=2e-9)
    rare = build_counts([(0.0005, 1000, 0)])
    rare.counts[1], rare.hits[1], rare.sums[1] = counts.counts[1], counts.hits[1], counts.sums[1]
    assert compute_cece(rare, threshold=True) == pytest.approx(expected, abs=2e-9)
    assert np.isnan(compute_cece(build_counts([(0.0005, 1000, 0)]), threshold=True))


def test_curve_gives_mass_confidence_and_accuracy() -> None:
    counts = build_counts([(0.65, 600, 300), (0.95, 400, 400)])
    curve = reliability_curve(counts, bins=10, row=1)
    assert curve.mass.tolist() == [0, 0, 0, 0, 0, 0, 0.6, 0, 0, 0.4]
    assert curve.accuracy[[6, 9]].tolist() == [0.5, 1.0]
    assert curve.confidence[[6, 9]] == pytest.approx([0.65, 0.95], abs=2e-9)
    assert np.isnan(curve.accuracy[0])
    assert np.isnan(curve.confidence[0])


def test_an_empty_region_has_no_score() -> None:
    empty = build_counts([])
    for compute in (compute_ece, compute_cece, compute_ace, compute_mce):
        assert np.isnan(compute(empty))
    assert empty.voxels == 0
    assert empty.num_classes == 2


@pytest.mark.parametrize("bins", [0, -15, 7, 16, 301])
def test_bins_that_do_not_divide_300_are_refused(bins: int) -> None:
    with pytest.raises(ConfigError, match="must divide 300"):
        compute_ece(build_counts([(0.5, 1, 1)]), bins)


def test_counts_are_exact_far_beyond_float32() -> None:
    # A float32 counter stops at 2^24 = 16.8 million voxels.
    whole = single = build_counts([(0.7, 1, 1)])
    for _ in range(31):
        whole = whole + whole
    whole = whole + single
    assert whole.voxels == 2**31 + 1
    assert compute_ece(whole) == pytest.approx(0.3, abs=2e-9)


def test_overflow_is_refused_not_wrapped() -> None:
    full = build_counts([(1.0, MAX_VOXELS, MAX_VOXELS)])
    assert int(full.sums.max()) == 2**62
    with pytest.raises(DataError, match="at most"):
        full + full
    with pytest.raises(DataError, match="at most"):
        build_counts([(1.0, MAX_VOXELS, 0), (0.5, 1, 0)])


def test_unlike_counts_do_not_add() -> None:
    with pytest.raises(DataError, match="edges"):
        build_counts([(0.5, 1, 1)]) + build_counts([(0.5, 1, 1)], edges="paper")
    three = count_bins(torch.full((3, 4), 1 / 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(DataError, match="one shape"):
        build_counts([(0.5, 1, 1)]) + three


@pytest.mark.parametrize("edges", ["exact", "paper"])
def test_counts_survive_a_file(edges: str, tmp_path: Path) -> None:
    counts = build_counts([(0.65, 600, 300), (0.0005, 400, 4)], edges=edges)
    np.savez(tmp_path / "bins.npz", **counts.to_arrays())
    with np.load(tmp_path / "bins.npz", allow_pickle=False) as file:
        again = BinCounts.from_arrays(file)
    for name in ("counts", "hits", "sums", "total"):
        assert getattr(again, name).dtype == np.int64
        assert np.array_equal(getattr(again, name), getattr(counts, name))
    assert again.edges == edges


def test_another_scale_is_refused() -> None:
    arrays = build_counts([(0.5, 1, 1)]).to_arrays() | {"scale": np.array(2**20)}
    with pytest.raises(DataError, match="scale"):
        BinCounts.from_arrays(arrays)


def test_edges_of_the_authors() -> None:
    fine = np.delete(compute_edges("paper"), 1)
    assert np.array_equal(fine, fine.astype(np.float32))
    assert (np.diff(compute_edges("paper")) > 0).all()
    # Without fused multiply-add torch rounds the product, which moves an edge by one unit in the last place.
    assert fine[::20] == pytest.approx(torch.linspace(0, 1, 16).double().numpy(), rel=0, abs=6e-8)
    assert fine[3 * 20] == 0.20000001788139343
    assert fine[9 * 20] == 0.5999999642372131
    with pytest.raises(ConfigError, match="edges"):
        compute_edges("float")


def test_exact_edges() -> None:
    edges = compute_edges()
    assert len(edges) == 302
    assert edges[0] == 0
    assert edges[1] == 1e-3
    assert edges[-1] == 1
    assert edges[21] == 20 / 300


def test_reading_counts_needs_no_torch() -> None:
    code = "import sys, mlseg.functional.bins; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
