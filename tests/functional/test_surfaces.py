from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlseg.checks import DataError
from mlseg.functional.surfaces import (
    SurfaceDistances,
    compute_assd,
    compute_hd,
    compute_hd95,
    compute_nsd,
    compute_surface_distances,
    find_bounding_box,
    find_surface,
)

SPACING = (10.0, 1.5, 1.25)


def draw_masks(seed: int, shape: tuple[int, ...] = (4, 9, 8)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random(shape) < 0.3, random.random(shape) < 0.6


def measure_by_hand(source: np.ndarray, goal: np.ndarray, spacing: tuple[float, ...]) -> list[float]:
    """All pairs of surface voxels, a surface voxel being one with a face neighbour outside the mask or the image."""

    def list_surface(mask: np.ndarray) -> np.ndarray:
        found = []
        for voxel in np.argwhere(mask):
            neighbours = [voxel + step * axis for axis in np.eye(mask.ndim, dtype=int) for step in (-1, 1)]
            inside = [(n >= 0).all() and (n < mask.shape).all() and mask[tuple(n)] for n in neighbours]
            if not all(inside):
                found.append(voxel)
        return np.array(found) * spacing

    gaps = list_surface(source)[:, None] - list_surface(goal)[None]
    return sorted(np.sqrt((gaps**2).sum(-1)).min(1))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_distances_are_those_of_all_pairs(seed: int) -> None:
    prediction, target = draw_masks(seed)
    distances = compute_surface_distances(prediction, target, SPACING)
    assert sorted(distances.from_prediction) == pytest.approx(measure_by_hand(prediction, target, SPACING), abs=1e-12)
    assert sorted(distances.from_target) == pytest.approx(measure_by_hand(target, prediction, SPACING), abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_swapping_the_masks_changes_no_score(seed: int) -> None:
    prediction, target = draw_masks(seed)
    there = compute_surface_distances(prediction, target, SPACING)
    back = compute_surface_distances(target, prediction, SPACING)
    for compute in (compute_hd, compute_hd95, compute_assd, lambda d: compute_nsd(d, 2.0)):
        assert compute(there) == pytest.approx(compute(back), rel=1e-12)
    assert compute_hd95(there, pooled=True) == pytest.approx(compute_hd95(back, pooled=True), rel=1e-12)


def test_cropping_changes_nothing() -> None:
    prediction, target = draw_masks(0)
    wide = [np.pad(mask, 5) for mask in (prediction, target)]
    near, far = compute_surface_distances(prediction, target, SPACING), compute_surface_distances(*wide, SPACING)
    assert np.array_equal(near.from_prediction, far.from_prediction)
    assert np.array_equal(near.from_target, far.from_target)


def test_spacing_is_per_axis() -> None:
    for axis in range(3):
        masks = np.zeros((2, 3, 3, 3), dtype=bool)
        masks[0, 0, 0, 0] = True
        masks[1][tuple(np.eye(3, dtype=int)[axis] * 2)] = True
        distances = compute_surface_distances(masks[0], masks[1], SPACING)
        assert distances.from_prediction.tolist() == distances.from_target.tolist() == [2 * SPACING[axis]]


def test_identical_masks_are_at_distance_zero() -> None:
    mask = draw_masks(1)[1]
    distances = compute_surface_distances(mask, mask, SPACING)
    assert compute_hd(distances) == compute_hd95(distances) == compute_assd(distances) == 0
    assert compute_nsd(distances, 0.0) == 1


def test_the_image_edge_is_surface() -> None:
    assert find_surface(np.ones((5, 5, 5), dtype=bool)).sum() == 5**3 - 3**3
    assert find_surface(np.ones((1, 4, 4), dtype=bool)).all()


def test_corners_alone_do_not_open_a_surface() -> None:
    mask = np.ones((5, 5), dtype=bool)
    mask[0, 0] = False
    assert not find_surface(mask)[1, 1]


def test_bounding_box() -> None:
    mask = np.zeros((4, 6, 5), dtype=bool)
    mask[1, 2, 4] = mask[2, 4, 1] = True
    assert find_bounding_box(mask) == (slice(1, 3), slice(2, 5), slice(1, 5))


def test_scores_by_hand() -> None:
    distances = SurfaceDistances(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.0, 10.0]))
    assert compute_hd(distances) == 10
    assert compute_hd95(distances) == pytest.approx(9.5)
    assert compute_hd95(distances, pooled=True) == pytest.approx(4 + 0.7 * 6)
    assert compute_assd(distances) == pytest.approx(20 / 7)
    assert compute_nsd(distances, 2.0) == pytest.approx(4 / 7)
    assert compute_nsd(distances, 0.0) == pytest.approx(2 / 7)


def test_the_larger_direction_counts() -> None:
    few = np.array([9.0])
    many = np.zeros(1000)
    for distances in (SurfaceDistances(few, many), SurfaceDistances(many, few)):
        assert compute_hd(distances) == compute_hd95(distances) == 9
        assert compute_hd95(distances, pooled=True) == 0


def test_a_distance_of_exactly_the_tolerance_counts_although_spacing_was_stored_in_float32() -> None:
    masks = np.zeros((2, 1, 1, 9), dtype=bool)
    masks[0, ..., 0] = masks[1, ..., 5] = True
    distances = compute_surface_distances(masks[0], masks[1], (1.0, 1.0, float(np.float32(0.4))))
    assert compute_hd(distances) > 2.0
    assert compute_nsd(distances, 2.0) == 1
    assert compute_nsd(distances, 1.999) == 0


@pytest.mark.parametrize("empty", ["prediction", "target", "both"])
def test_an_empty_mask_has_no_distance(empty: str) -> None:
    prediction, target = draw_masks(2)
    if empty != "target":
        prediction = np.zeros_like(prediction)
    if empty != "prediction":
        target = np.zeros_like(target)
    distances = compute_surface_distances(prediction, target, SPACING)
    assert distances.voxels == 0
    scores = [compute_hd(distances), compute_hd95(distances), compute_assd(distances), compute_nsd(distances, 2.0)]
    assert all(math.isnan(value) for value in [*scores, compute_hd95(distances, pooled=True)])


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, math.nan, 1.0)])
def test_wrong_spacing_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="spacing_mm must be 3 positive"):
        compute_surface_distances(*draw_masks(3), spacing)


def test_masks_of_other_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="one shape"):
        compute_surface_distances(np.ones((2, 2), bool), np.ones((2, 3), bool), (1.0, 1.0))
