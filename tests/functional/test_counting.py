from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import mlseg.functional.counting as counting
from mlseg.checks import DataError
from mlseg.functional.bins import SCALE, BinCounts, compute_cece, compute_ece
from mlseg.functional.calibration import count_bins, measure_calibration

PROBS = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.5, 0.1], [0.1, 0.3, 0.8]], dtype=torch.float64)
TARGET = torch.tensor([0, 2, 2])
NAMES = ("counts", "hits", "sums", "total")


def draw_case(seed: int, *shape: int, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(classes, *shape, generator=generator)
    return logits, torch.randint(0, classes, shape, generator=generator)


def equal_counts(first: BinCounts, second: BinCounts) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in NAMES)


def measure(probs: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[float, float]:
    found = measure_calibration(probs, target, {"region": mask}).regions["region"]
    return found.nll, found.brier


def test_proper_scores_by_hand() -> None:
    nll, brier = measure(PROBS, TARGET)
    assert nll == pytest.approx(-(math.log(0.7) + math.log(0.3) + math.log(0.8)) / 3, rel=1e-14)
    squares = (0.09 + 0.04 + 0.01) + (0.04 + 0.25 + 0.49) + (0.01 + 0.01 + 0.04)
    assert brier == pytest.approx(squares / 3, rel=1e-14)


def test_a_mask_counts_its_voxels_only() -> None:
    nll, brier = measure(PROBS, TARGET, torch.tensor([True, False, True]))
    assert nll == pytest.approx(-(math.log(0.7) + math.log(0.8)) / 2)
    assert brier == pytest.approx((0.14 + 0.06) / 2)
    assert all(math.isnan(value) for value in measure(PROBS, TARGET, torch.zeros(3, dtype=torch.bool)))


def test_a_probability_of_zero_costs_the_floor() -> None:
    probs = torch.tensor([[0.0], [1.0]])
    assert measure(probs, torch.tensor([0])) == (pytest.approx(-math.log(torch.finfo(torch.float32).tiny)), 2)
    assert measure(probs, torch.tensor([1])) == (0, 0)


def test_small_probabilities_are_not_floored() -> None:
    probs = torch.tensor([[1e-30], [1.0]])
    assert measure(probs, torch.tensor([0]))[0] == pytest.approx(30 * math.log(10), rel=1e-6)


def test_sums_are_float64() -> None:
    count = 1_000_000
    probs = torch.tensor([[0.1], [0.9]]).expand(2, count)
    nll, _ = measure(probs, torch.zeros(count, dtype=torch.int64))
    assert nll == pytest.approx(-math.log(probs[0, 0].item()), rel=1e-12)


def test_overlapping_regions_are_what_each_is_alone() -> None:
    logits, target = draw_case(1, 6, 11, 13)
    probs = logits.softmax(0)
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(2))
    regions = {"image": None, "foreground": target > 0, "some": noise < 0.3, "most": noise < 0.8, "none": noise > 2}
    together = measure_calibration(probs, target, regions).regions
    assert list(together) == list(regions)
    for name, mask in regions.items():
        chosen = torch.ones_like(target, dtype=torch.bool) if mask is None else mask
        alone = measure_calibration(probs[:, chosen], target[chosen], {"x": None}).regions["x"]
        assert equal_counts(together[name].counts, alone.counts)
        assert (together[name].nll, together[name].brier) == pytest.approx((alone.nll, alone.brier), nan_ok=True)
        assert together[name].counts.voxels == int(chosen.sum())


def test_logits_are_their_softmax() -> None:
    logits, target = draw_case(3, 5, 7, 9)
    first = measure_calibration(logits, target, {"image": None}, from_logits=True)
    second = measure_calibration(logits.softmax(0), target, {"image": None})
    assert equal_counts(first.regions["image"].counts, second.regions["image"].counts)
    assert torch.equal(first.label, logits.argmax(0))


@pytest.mark.parametrize("edges", ["exact", "paper"])
def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch, edges: str) -> None:
    monkeypatch.setattr(counting, "PACKED_VOXELS", 100)
    monkeypatch.setattr(counting, "CHUNK_CPU", 40)
    logits, target = draw_case(4, 9, 10, 11)
    probs = logits.softmax(0)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 4):
            torch.set_num_threads(count)
            found.append(measure_calibration(probs, target, {"fg": target > 0}, edges=edges))
    finally:
        torch.set_num_threads(threads)
    first, second = (one.regions["fg"] for one in found)
    assert equal_counts(first.counts, second.counts)
    assert (first.nll, first.brier) == (second.nll, second.brier)
    assert torch.equal(found[0].label, found[1].label)


def test_several_tables_in_one_block_as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = draw_case(5, 9, 10, 11)
    expected = measure_calibration(logits.softmax(0), target, {"image": None, "fg": target > 0})
    monkeypatch.setattr(counting, "PACKED_VOXELS", 64)
    monkeypatch.setattr(counting, "CHUNK_CPU", 10_000)
    # One block for all, which has a table for each 64 voxels.
    whole = slice(0, target.numel())
    monkeypatch.setattr(counting, "_map", lambda function, blocks, threads: iter([function(whole)]))
    found = measure_calibration(logits.softmax(0), target, {"image": None, "fg": target > 0})
    for name in ("image", "fg"):
        assert equal_counts(found.regions[name].counts, expected.regions[name].counts)


def test_a_full_cell_does_not_overflow() -> None:
    count = counting.PACKED_VOXELS + 5
    probs = torch.tensor([[1.0], [0.0]]).expand(2, count)
    counts = count_bins(probs, torch.zeros(count, dtype=torch.int64))
    assert counts.counts[0, 300] == counts.hits[0, 300] == counts.counts[2, 0] == count
    assert counts.sums[0, 300] == count * SCALE


@pytest.mark.parametrize("wrong", [0.5, 3.0])
def test_what_does_not_sum_to_one_is_refused(wrong: float) -> None:
    probs = draw_case(6, 50)[0].softmax(0)
    probs[:, 17] *= wrong if wrong < 1 else 1
    probs[0, 18] += 0.01 if wrong > 1 else 0
    with pytest.raises(DataError, match="sum to 1"):
        measure_calibration(probs, torch.zeros(50, dtype=torch.int64), {"image": None})


def test_nine_masks_are_too_many() -> None:
    probs, target = draw_case(7, 5)[0].softmax(0), torch.zeros(5, dtype=torch.int64)
    masks = {str(index): target == 0 for index in range(8)}
    assert measure_calibration(probs, target, {**masks, "image": None}).regions["7"].counts.voxels == 5
    with pytest.raises(DataError, match="8 masks"):
        measure_calibration(probs, target, {**masks, "8": target == 0})


cases = given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 5),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
)


@settings(max_examples=25, deadline=None)
@cases
def test_permuting_the_classes_permutes_the_rows(seed: int, classes: int, shape: tuple[int, ...]) -> None:
    logits, target = draw_case(seed, *shape, classes=classes)
    probs, order = logits.double().softmax(0), torch.randperm(classes, generator=torch.Generator().manual_seed(seed))
    before = count_bins(probs, target)
    after = count_bins(probs[order], order.argsort()[target])
    rows = np.concatenate([[0], 1 + order.numpy()])
    assert all(np.array_equal(getattr(after, name), getattr(before, name)[rows]) for name in NAMES)
    assert compute_ece(after) == compute_ece(before)
    assert compute_cece(after) == pytest.approx(compute_cece(before), rel=1e-12)


@settings(max_examples=25, deadline=None)
@cases
def test_flips_and_transposes_change_nothing(seed: int, classes: int, shape: tuple[int, ...]) -> None:
    logits, target = draw_case(seed, *shape, classes=classes)
    probs, mask = logits.softmax(0), target > 0
    regions = {"image": None, "foreground": mask}
    turned = {"image": None, "foreground": mask.flip(0).transpose(1, 2)}
    before = measure_calibration(probs, target, regions)
    after = measure_calibration(probs.flip(1).transpose(2, 3), target.flip(0).transpose(1, 2), turned)
    for name in regions:
        assert equal_counts(before.regions[name].counts, after.regions[name].counts)
        scores = [(found.regions[name].nll, found.regions[name].brier) for found in (before, after)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-12, nan_ok=True)


@settings(max_examples=25, deadline=None)
@cases
def test_more_background_touches_the_image_and_not_the_foreground(
    seed: int, classes: int, shape: tuple[int, ...]
) -> None:
    logits, target = draw_case(seed, *shape, classes=classes)
    probs = logits.softmax(0)
    certain = torch.zeros(classes, 3, *shape[1:])
    certain[0] = 1
    more, labels = torch.cat([probs, certain], 1), torch.cat([target, torch.zeros(3, *shape[1:], dtype=torch.int64)])
    assert equal_counts(count_bins(more, labels, mask=labels > 0), count_bins(probs, target, mask=target > 0))
    added = 3 * shape[1] * shape[2]
    before, after = count_bins(probs, target), count_bins(more, labels)
    # The new voxels are right with certainty: the errors stay, and more voxels share them.
    assert after.voxels == before.voxels + added
    assert compute_ece(after) * after.voxels <= compute_ece(before) * before.voxels + 1e-6


@pytest.mark.parametrize("classes", [2, 4])
def test_perfect_calibration_tends_to_zero(classes: int) -> None:
    found = []
    for size in (2_000, 200_000):
        generator = torch.Generator().manual_seed(classes)
        probs = (2 * torch.randn(classes, size, generator=generator)).softmax(0)
        target = torch.multinomial(probs.T, 1, generator=generator).squeeze(1)
        counts = count_bins(probs, target)
        found.append((compute_ece(counts), compute_cece(counts)))
    assert max(found[1]) < 0.005
    assert all(large < small / 3 for small, large in zip(*found, strict=True))


def test_reference_voxels_are_counted_in_no_bin_too() -> None:
    # A probability of exactly 0 falls in none of the authors' bins, but its voxel is there.
    probs = torch.tensor([[1.0, 1.0, 0.4], [0.0, 0.0, 0.6]])
    for edges in ("exact", "paper"):
        counts = count_bins(probs, torch.tensor([0, 1, 1]), edges=edges)
        assert counts.reference_voxels.tolist() == [3, 1, 2]
        assert (counts + counts).reference_voxels.tolist() == [6, 2, 4]
        assert BinCounts.from_arrays(counts.to_arrays()).reference_voxels.tolist() == [3, 1, 2]
    assert count_bins(probs, torch.tensor([0, 1, 1]), edges="paper").hits[2].sum() == 1


def test_more_classes_than_a_label_can_hold() -> None:
    with pytest.raises(DataError, match="256 classes"):
        count_bins(torch.full((257, 2), 1 / 257), torch.tensor([0, 0]))
