from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlseg.functional import nearest
from mlseg.functional.nearest import find_nearest_distances, query_tree, search_columns, transform_distances

WAYS = (find_nearest_distances, query_tree, transform_distances)


def measure_all_pairs(points: np.ndarray, goal: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    gaps = (points[:, :, None] - goal[:, None]) * spacing_mm[:, None, None]
    return np.sqrt((gaps**2).sum(0)).min(1)


@st.composite
def point_sets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, goal and spacing: 1 to 4 axes, near and far, overlapping or not, as long as 400 voxels."""
    axes = draw(st.integers(1, 4))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = random.integers(1, draw(st.sampled_from([4, 12, 400 if axes < 3 else 40])), axes, endpoint=True)
    spacing = random.choice([1.0, 0.3, 1.5, float(np.float32(0.8)), 10.0], axes)
    points = random.integers(0, size, (draw(st.integers(1, 200)), axes)).T
    goal = random.integers(0, size, (draw(st.integers(1, 200)), axes)).T
    apart = random.integers(-30, 30, axes) * draw(st.integers(0, 1))
    return points, goal + apart[:, None], spacing


@settings(max_examples=60, deadline=None)
@given(case=point_sets())
def test_every_way_measures_all_pairs(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    expected = measure_all_pairs(*case)
    for way in WAYS:
        np.testing.assert_allclose(way(*case), expected, rtol=1e-12, atol=1e-12, err_msg=way.__name__)


@settings(max_examples=60, deadline=None)
@given(case=point_sets())
def test_the_column_search_is_right_where_it_answers(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    found, expected = search_columns(*case), measure_all_pairs(*case)
    answered = np.isfinite(found)
    np.testing.assert_allclose(found[answered], expected[answered], rtol=1e-12, atol=1e-12)
    assert answered[expected == 0].all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (10.0, 1.5, 1.5), (0.5, 3.0, 5.0)])
def test_near_points_are_left_to_no_other_way(monkeypatch: pytest.MonkeyPatch, spacing: tuple[float, ...]) -> None:
    """Two sheets of 40 x 40 voxels, 3 apart, with holes."""
    random = np.random.default_rng(0)
    rows, columns = (each.ravel() for each in np.mgrid[:40, :40])
    points = np.stack([rows, np.full(rows.size, 3), columns])
    goal = np.stack([rows, np.full(rows.size, 6), columns])[:, random.random(rows.size) < 0.7]
    forbid(monkeypatch, "query_tree", "transform_distances")
    for way in ((points, goal), (goal, points)):
        found = find_nearest_distances(*way, np.array(spacing))
        np.testing.assert_allclose(found, measure_all_pairs(*way, np.array(spacing)), rtol=1e-12)


def test_few_points_in_a_large_grid_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, "search_columns", "transform_distances")
    points = np.array([[0, 500], [0, 500], [0, 500]])
    assert find_nearest_distances(points, points[:, ::-1] + np.array([[1], [0], [0]]), np.ones(3)).tolist() == [1, 1]


def test_far_points_are_not_searched_around(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, "search_columns", "transform_distances")
    points = np.random.default_rng(0).integers(0, 40, (3, 1500))
    shifted = points + np.array([[0], [0], [300]])
    found = find_nearest_distances(points, shifted, np.ones(3))
    np.testing.assert_allclose(found, measure_all_pairs(points, shifted, np.ones(3)), rtol=1e-12)


def test_points_everywhere_take_one_transform_unless_the_box_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.indices((30, 30, 60)).reshape(3, -1)
    goal = np.random.default_rng(0).integers(0, (30, 30, 2), (400, 3)).T
    with monkeypatch.context() as patch:
        forbid(patch, "query_tree")
        transformed = find_nearest_distances(points, goal, np.ones(3))
    monkeypatch.setattr(nearest, "_TRANSFORM_VOXELS", 1000)
    forbid(monkeypatch, "transform_distances")
    looked_up = find_nearest_distances(points, goal, np.ones(3))
    np.testing.assert_allclose(transformed, looked_up, rtol=1e-12)


def test_a_search_that_finds_little_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """All points are 11 away: within reach, but with nothing in the first columns to promise it."""
    points, goal = np.zeros((3, 500), dtype=int), np.array([[0], [11], [0]])
    assert np.isinf(search_columns(points, goal, np.ones(3))).all()
    monkeypatch.setattr(nearest, "_TRY_NS", 0.0)
    assert (search_columns(points, goal, np.ones(3)) == 11).all()


def test_the_reach_ends_where_a_farther_column_could_be_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The column search sees a goal voxel 17 away in the point's own column, but not one 16.5 away beside it."""
    monkeypatch.setattr(nearest, "_TRY_NS", 0.0)
    points = np.zeros((3, 1), dtype=int)
    both = np.array([[17, 4], [0, 16], [0, 0]])
    assert np.isinf(search_columns(points, both, np.ones(3))).all()
    assert find_nearest_distances(points, both, np.ones(3)) == pytest.approx(np.sqrt(272))


def test_a_count_of_steps_never_wraps_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of more than 255 voxels, with the goal at one end; 253 steps are the most that are counted."""
    monkeypatch.setattr(nearest, "_TRY_NS", 0.0)
    points, goal, spacing = np.arange(1000)[None], np.array([[0]]), np.array([0.1])
    found = search_columns(points, goal, spacing)
    np.testing.assert_allclose(found[:253], np.arange(253) * 0.1, rtol=1e-12)
    assert np.isinf(found[254:]).all()
    np.testing.assert_allclose(find_nearest_distances(points, goal, spacing), np.arange(1000) * 0.1, rtol=1e-12)
    # The smallest spacing has the columns: it alone limits how far a search over large voxels looks.
    beside = np.stack([np.arange(1000), np.zeros(1000, dtype=int)])
    found = search_columns(beside, np.array([[0], [1]]), np.array([0.1, 50.0]))
    assert np.isinf(found).all()


@pytest.mark.parametrize("way", [*WAYS, search_columns])
def test_where_the_grid_lies_changes_nothing(way: Callable[..., np.ndarray]) -> None:
    random = np.random.default_rng(3)
    points, goal = random.integers(0, 9, (3, 50)), random.integers(0, 9, (3, 40))
    spacing = np.array([2.0, 0.7, 0.7])
    for shift in ([[-5], [7], [0]], [[1000], [-1000], [3]]):
        np.testing.assert_array_equal(way(points + shift, goal + shift, spacing), way(points, goal, spacing))


def test_no_points_have_no_distances() -> None:
    assert find_nearest_distances(np.empty((3, 0), dtype=int), np.zeros((3, 1), dtype=int), np.ones(3)).shape == (0,)


def forbid(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def refuse(*args: object, **kwargs: object) -> np.ndarray:
        raise AssertionError("this way was not expected")

    for name in names:
        monkeypatch.setattr(nearest, name, refuse)
