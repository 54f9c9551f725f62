from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlseg.checks import DataError
from mlseg.functional.surfaces import (
    SurfaceDistances,
    compute_assd,
    compute_hd,
    compute_hd95,
    compute_label_distances,
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


@st.composite
def label_maps(draw: st.DrawFn) -> np.ndarray:
    """Prediction and reference (2,D,H,W) with labels 0..2: noise, boxes up to the edge, full, empty, one voxel."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(random.integers(1, 9, 3))
    maps = np.zeros((2, *shape), dtype=np.uint8)
    for labelled in maps:
        match draw(st.sampled_from(["noise", "boxes", "full", "empty", "voxel"])):
            case "noise":
                labelled[:] = random.integers(0, 3, shape) * (random.random(shape) < draw(st.sampled_from([0.1, 0.9])))
            case "boxes":
                for label in (1, 2):
                    ends = np.sort(random.integers(0, np.array(shape) + 1, (2, 3)), axis=0)
                    labelled[tuple(slice(*pair) for pair in ends.T)] = label
            case "full":
                labelled[:] = 1
            case "voxel":
                labelled[tuple(random.integers(0, shape))] = 1
    return maps


def list_scores(distances: SurfaceDistances) -> list[float]:
    return [
        compute_hd(distances),
        compute_hd95(distances),
        compute_hd95(distances, pooled=True),
        compute_assd(distances),
        compute_nsd(distances, 2.0),
    ]


@settings(max_examples=40, deadline=None)
@given(maps=label_maps(), spacing=st.sampled_from([(1.0, 1.0, 1.0), SPACING, (0.5, 3.0, 0.7)]))
def test_every_label_has_the_distances_of_all_pairs(maps: np.ndarray, spacing: tuple[float, ...]) -> None:
    for label, found in zip((1, 2), compute_label_distances(*maps, labels=(1, 2), spacing_mm=spacing), strict=True):
        masks = maps == label
        if not masks.any((1, 2, 3)).all():
            assert found.voxels == 0
            continue
        assert sorted(found.from_prediction) == pytest.approx(measure_by_hand(*masks, spacing), abs=1e-12)
        assert sorted(found.from_target) == pytest.approx(measure_by_hand(*masks[::-1], spacing), abs=1e-12)
        alone = compute_surface_distances(*masks, spacing)
        assert np.array_equal(alone.from_prediction, found.from_prediction)
        assert np.array_equal(alone.from_target, found.from_target)


@settings(max_examples=20, deadline=None)
@given(maps=label_maps(), axis=st.integers(0, 2))
def test_how_the_image_lies_changes_no_score(maps: np.ndarray, axis: int) -> None:
    masks = maps == 1
    expected = pytest.approx(list_scores(compute_surface_distances(*masks, SPACING)), rel=1e-12, nan_ok=True)
    assert list_scores(compute_surface_distances(*np.flip(masks, axis + 1), SPACING)) == expected
    spacing = list(SPACING[1:])
    spacing.insert(axis, SPACING[0])
    assert list_scores(compute_surface_distances(*np.moveaxis(masks, 1, axis + 1), spacing)) == expected
    as_nifti = [np.asfortranarray(mask) for mask in masks]
    assert list_scores(compute_surface_distances(*as_nifti, SPACING)) == expected


@settings(max_examples=10, deadline=None)
@given(maps=label_maps(), factor=st.sampled_from([0.25, 3.0, 1000.0]))
def test_distances_grow_with_the_spacing(maps: np.ndarray, factor: float) -> None:
    near = compute_surface_distances(*(maps == 1), SPACING)
    far = compute_surface_distances(*(maps == 1), [factor * step for step in SPACING])
    np.testing.assert_allclose(far.from_prediction, factor * near.from_prediction, rtol=1e-12)
    np.testing.assert_allclose(far.from_target, factor * near.from_target, rtol=1e-12)


def test_threads_and_integer_types_change_no_distance() -> None:
    random = np.random.default_rng(5)
    maps = random.integers(0, 4, (2, 20, 30, 30)) * (random.random((2, 20, 30, 30)) < 0.2)
    labels, threads = [3, 1, 2, 7], torch.get_num_threads()
    one, three = [], []
    try:
        for count, found in ((1, one), (3, three)):
            torch.set_num_threads(count)
            found.extend(compute_label_distances(*maps, labels=labels, spacing_mm=SPACING))
    finally:
        torch.set_num_threads(threads)
    small = compute_label_distances(
        maps[0].astype(np.uint8), maps[1].astype(np.int16), labels=labels, spacing_mm=SPACING
    )
    for here, there, other in zip(one, three, small, strict=True):
        assert np.array_equal(here.from_prediction, there.from_prediction)
        assert np.array_equal(here.from_target, other.from_target)
    assert [found.voxels > 0 for found in one] == [True, True, True, False]
    assert compute_label_distances(*maps, labels=[], spacing_mm=SPACING) == []


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
    assert find_surface(np.ones((6, 7), dtype=bool)[:, None]).all()  # numpy gives a new axis no stride


def test_faces_open_a_surface_and_corners_alone_do_not() -> None:
    mask = np.ones((5, 5, 5), dtype=bool)
    mask[2, 2, 2] = False
    around = np.argwhere(find_surface(mask)[1:-1, 1:-1, 1:-1]) - 1
    assert len(around) == 6
    assert (np.abs(around).sum(1) == 1).all()


@settings(max_examples=20, deadline=None)
@given(maps=label_maps())
def test_the_surface_of_a_label_map_is_that_of_its_labels(maps: np.ndarray) -> None:
    for labelled in maps:
        assert np.array_equal(find_surface(labelled), find_surface(labelled == 1) | find_surface(labelled == 2))
        assert not find_surface(labelled)[labelled == 0].any()


def test_bounding_box() -> None:
    mask = np.zeros((4, 6, 5), dtype=bool)
    mask[1, 2, 4] = mask[2, 4, 1] = True
    assert find_bounding_box(mask) == (slice(1, 3), slice(2, 5), slice(1, 5))
    assert find_bounding_box(mask[:1]) == (slice(0, 0),) * 3


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
