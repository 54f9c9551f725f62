from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import mlseg.functional.counting as counting
from mlseg.checks import DataError
from mlseg.functional.bins import SCALE, BinCounts, compute_cece, compute_ece, reliability_curve
from mlseg.functional.calibration import count_bins
from mlseg.functional.counting import find_top_label


def draw_case(seed: int, *shape: int, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(classes, *shape, generator=generator)
    return logits.softmax(0), torch.randint(0, classes, shape, generator=generator)


def equal_counts(first: BinCounts, second: BinCounts) -> bool:
    names = ("counts", "hits", "sums", "total")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def fine_column(value: float) -> int:
    """The stored column by exact arithmetic: fine bin (lo, hi] of k/300, the first cut at 1e-3, 0 below the cut."""
    if value <= 1e-3:
        return 0
    return max(math.ceil(Fraction(value) * 300), 1)


def edge_values() -> np.ndarray:
    edges = (np.arange(301) / 300).astype(np.float32)
    near = [np.nextafter(edges, np.float32(side)) for side in (-1, 2)]
    tiny = np.array([0.0, 1e-45, 1e-38, 0.00099, 0.001, 0.0011], dtype=np.float32)
    return np.unique(np.clip(np.concatenate([edges, *near, tiny]), 0, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("family", range(3))
def test_every_edge_value_falls_into_the_right_bin(family: int, dtype: torch.dtype) -> None:
    # The float32 edges, their lower and their upper neighbours apart: about one value for each bin, so none can swap.
    values = edge_values()[family::3]
    probs = torch.from_numpy(np.stack([values, 1 - values])).to(dtype)
    counts = count_bins(probs, torch.ones(len(values), dtype=torch.int64)).counts[1]
    assert counts.tolist() == np.bincount([fine_column(float(value)) for value in values], minlength=301).tolist()


@pytest.mark.parametrize("bins", [10, 15, 20, 25, 50, 100, 300])
def test_merged_bins_are_the_bins(bins: int) -> None:
    values = edge_values()
    probs = torch.from_numpy(np.stack([values, 1 - values]))
    merged = reliability_curve(count_bins(probs, torch.zeros(len(values), dtype=torch.int64)), bins, row=1).mass
    place = torch.tensor([max(math.ceil(Fraction(float(value)) * bins) - 1, 0) for value in values])
    assert np.rint(merged * len(values)).tolist() == torch.bincount(place, minlength=bins).tolist()


def test_edges_in_double_precision() -> None:
    values = torch.arange(301, dtype=torch.float64) / 300
    counts = count_bins(torch.stack([values, 1 - values]), torch.zeros(301, dtype=torch.int64)).counts[1]
    assert counts.tolist() == [1, *[1] * 300]


def test_the_same_ece_as_a_plain_loop() -> None:
    probs, target = draw_case(0, 5, 30, 30)
    confidence, label = probs.double().max(0)
    expected = 0.0
    for index in range(15):
        inside = (confidence > index / 15) & (confidence <= (index + 1) / 15)
        if inside.any():
            gap = (label[inside] == target[inside]).double().mean() - confidence[inside].mean()
            expected += float(gap.abs()) * inside.sum().item() / target.numel()
    assert compute_ece(count_bins(probs, target)) == pytest.approx(expected, abs=2e-9)


def test_rows_are_top_label_and_classes() -> None:
    probs = torch.tensor([[0.7, 0.2, 0.4], [0.3, 0.8, 0.6]])
    counts = count_bins(probs, torch.tensor([0, 1, 0]))
    assert counts.hits.sum(1).tolist() == [2, 2, 1]
    assert (counts.sums.sum(1) / SCALE).tolist() == pytest.approx([2.1, 1.3, 1.7], abs=1e-7)
    assert counts.total.tolist() == [3, 3, 3]


def test_ties_go_to_the_lowest_class() -> None:
    confidence, label = find_top_label(torch.tensor([[0.25, 0.1], [0.25, 0.45], [0.5, 0.45]]))
    assert confidence.tolist() == pytest.approx([0.5, 0.45])
    assert label.tolist() == [2, 1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), chunk=st.integers(1, 70), order=st.permutations(range(4)))
def test_chunks_and_merges_in_any_order_give_the_same_integers(seed: int, chunk: int, order: list[int]) -> None:
    probs, target = draw_case(seed, 4, 4, 4)
    whole = count_bins(probs, target)
    before = counting.CHUNK_CPU
    counting.CHUNK_CPU = chunk
    try:
        chunked = count_bins(probs, target)
    finally:
        counting.CHUNK_CPU = before
    slices = [count_bins(probs[:, place], target[place]) for place in order]
    merged = (slices[0] + slices[1]) + (slices[2] + slices[3])
    assert equal_counts(whole, chunked)
    assert equal_counts(whole, merged)


def test_a_mask_counts_its_voxels_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "CHUNK_CPU", 50)
    probs, target = draw_case(1, 4, 6, 6)
    mask = target > 0
    assert equal_counts(count_bins(probs, target, mask=mask), count_bins(probs[:, mask], target[mask]))
    nothing = count_bins(probs, target, mask=torch.zeros_like(mask))
    assert nothing.voxels == 0
    assert nothing.counts.sum() == 0


def test_confidence_zero_and_one() -> None:
    probs = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    counts = count_bins(probs, torch.tensor([1, 0, 1]))
    assert counts.counts[1, [0, 300]].tolist() == [1, 2]
    assert compute_ece(counts) == pytest.approx(1 / 3)


def test_rounding_beyond_one_changes_nothing() -> None:
    # One tool takes 1.0000001 for a logit and applies a softmax again.
    target = torch.tensor([0, 0, 1])
    exact = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    rounded = torch.tensor([[1.0 + 2e-7, 1.0, -1e-7], [-1e-7, 0.0, 1.0 + 2e-7]])
    assert (rounded > 1).any()
    assert compute_ece(count_bins(rounded, target)) == compute_ece(count_bins(exact, target)) == 0.0
    assert equal_counts(count_bins(rounded, target), count_bins(exact, target))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1.5, -0.5])
@pytest.mark.parametrize("place", [0, 5, 11])
def test_what_is_no_probability_is_refused(wrong: float, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "CHUNK_CPU", 4)
    probs, target = draw_case(2, 12)
    probs[1, place] = wrong
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        count_bins(probs, target)
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        count_bins(probs, target, edges="paper")


def test_a_million_equal_confidences() -> None:
    count = 1_000_000
    probs = torch.tensor([[0.1], [0.9]]).expand(2, count)
    counts = count_bins(probs, torch.ones(count, dtype=torch.int64))
    confidence = float(np.float32(0.9))
    assert compute_ece(counts) == pytest.approx(1 - confidence, abs=2e-9)
    naive = np.add.accumulate(np.full(count, 0.9, dtype=np.float32))[-1] / count
    assert abs(naive - confidence) > 1e-4


def test_sums_are_rounded_to_the_nearest_step() -> None:
    probs = torch.tensor([[0.1], [0.9]], dtype=torch.float64)
    assert count_bins(probs, torch.tensor([0])).sums.sum(1).tolist() == [
        round(0.9 * SCALE),
        round(0.1 * SCALE),
        round(0.9 * SCALE),
    ]
    assert round(0.1 * SCALE) != int(0.1 * SCALE)


def test_the_authors_bins_leave_zero_out() -> None:
    probs = torch.tensor([[0.0, 0.0, 0.2], [1.0, 1.0, 0.8]])
    target = torch.tensor([0, 1, 1])
    counts = count_bins(probs, target, edges="paper")
    assert counts.counts.sum(1).tolist() == [3, 1, 3]
    assert counts.hits.sum(1).tolist() == [2, 0, 2]
    assert counts.total.tolist() == [3, 3, 3]
    assert reliability_curve(counts, 15, row=1).mass.sum() == pytest.approx(1 / 3)
    # Class 0: its voxels with p = 0 are missing from the bins, not from the number of voxels.
    assert compute_cece(counts, num_classes=1) == pytest.approx(0.2 / 3, abs=1e-7)
    assert compute_cece(count_bins(probs, target), num_classes=1) == pytest.approx((1 + 0.2) / 3, abs=1e-7)


def test_the_bins_are_those_of_a_search_in_float64_edges() -> None:
    probs, target = draw_case(6, 20_000)
    edges = torch.linspace(0, 1, 301, dtype=torch.float64)
    place = (torch.bucketize(probs[0].double(), edges) - 1).clamp(0, 299)
    counts = count_bins(probs, target).counts[1]
    assert [counts[0] + counts[1], *counts[2:]] == torch.bincount(place, minlength=300).tolist()


def test_the_authors_edges_are_float32() -> None:
    # float32 knows no 0.2: their third edge is 0.20000001788, which lies above the next float32 below it, 0.2000000030.
    value = torch.tensor([0.2000000030])
    probs, target = torch.stack([value, 1 - value]), torch.zeros(1, dtype=torch.int64)
    assert reliability_curve(count_bins(probs, target, edges="paper"), 15, row=1).mass[2] == 1.0
    assert reliability_curve(count_bins(probs, target), 15, row=1).mass[3] == 1.0


def test_half_precision_is_read_as_float32() -> None:
    probs, target = draw_case(3, 20)
    half = probs.half()
    assert equal_counts(count_bins(half, target), count_bins(half.float(), target))


def test_layout_and_integer_types_do_not_matter() -> None:
    probs, target = draw_case(4, 3, 4, 5)
    turned = probs.movedim(0, -1).contiguous().movedim(-1, 0)
    assert equal_counts(count_bins(turned, target.to(torch.uint8)), count_bins(probs, target))


def test_a_target_without_a_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"0\.\.1, got values from -100 to 0"):
        count_bins(torch.tensor([[0.9, 0.1], [0.1, 0.9]]), torch.tensor([-100, 0]))


def test_shapes_that_do_not_fit_are_refused() -> None:
    probs, target = draw_case(5, 3, 4)
    with pytest.raises(DataError, match="shapes"):
        count_bins(probs, target.T)
    with pytest.raises(DataError, match="shapes"):
        count_bins(probs, target, mask=target.T > 0)
