"""Exact distances from points of a grid to the nearest of other points, by whichever of three ways is cheapest."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

# Nanoseconds on one core at 2.6 GHz, medians over real and made-up shapes. They decide which way is taken, never what
# it finds.
_GRID_NS = 300_000.0  # to lay out a grid for the column search, and
_SWEEP_NS = 1.0  # per voxel of it
_COLUMNS_NS = 200.0  # per point that is found by trying columns
_TRY_NS = 1.0  # per column tried for a point, but of these many at least
_FIRST_COLUMNS = 40
_TREE_NS = 100.0  # per goal point in a KD-tree
_QUERY_NS = 1000.0  # per point looked up in it, and
_FAR_QUERY_NS = 15.0  # per far point, times the root of the number of goal points: so many may be the nearest
_TRANSFORM_NS = 55.0  # per voxel of a distance transform
# A distance transform takes 14 bytes a voxel, 3.8 GB at most. What the other ways take grows with the points instead.
_TRANSFORM_VOXELS = 2**28

# The column search looks this far: in voxels, of the geometric mean size where the sizes differ.
_REACH = 16
# So many steps or more to the nearest goal voxel of a column.
_FAR = 254
# Points handled at once, so that they stay in a core's cache.
_POINTS = 2**14


def find_nearest_distances(
    points: np.ndarray, goal: np.ndarray, spacing_mm: np.ndarray, workers: int = 1
) -> np.ndarray:
    """Distance from each point to the nearest goal point; which way is taken changes the time, not the values.

    1. `search_columns` for the points near the goal's box, if sweeping their grid costs less than looking them up;
       it finds what lies within about 16 voxels, and gives up early on points that few columns have helped.
    2. `query_tree` for the points left over,
    3. or `transform_distances`, if so many are left over that the whole box costs less, as with noise in a volume.

    Args:
        points: whole numbers, indices of voxels.
        goal: likewise, at least one.
        spacing_mm: float64, positive.
        workers: threads of the KD-tree's queries.

    Shape:
        `points` (axes,n), `goal` (axes,m), `spacing_mm` (axes,).

    Returns:
        (n,) float64.

    Example:
        >>> find_nearest_distances(np.array([[0], [0]]), np.array([[0, 2], [3, 0]]), np.array([2.0, 1.0]))
        array([3.])
    """
    count, goals = points.shape[1], goal.shape[1]
    distances = np.full(count, np.inf)
    if not count:
        return distances
    margin = _reach(spacing_mm)[1]
    low, high = goal.min(1) - margin, goal.max(1) + margin
    near = np.flatnonzero(((points >= low[:, None]) & (points <= high[:, None])).all(0))
    if near.size:
        some = points[:, near] if near.size < count else points
        grid = math.prod(_lay_grid(some, goal, spacing_mm)[1].tolist())
        by_tree = _TREE_NS * goals + _QUERY_NS * near.size
        if _GRID_NS + _SWEEP_NS * grid + _COLUMNS_NS * near.size < by_tree:
            distances[near] = search_columns(some, goal, spacing_mm)
    left = np.flatnonzero(np.isinf(distances))
    if left.size:
        rest = points[:, left] if left.size < count else points
        box = math.prod(_measure_extent(rest, goal).tolist())
        by_tree = _TREE_NS * goals + _FAR_QUERY_NS * math.sqrt(goals) * left.size / workers
        if box <= _TRANSFORM_VOXELS and _TRANSFORM_NS * box < by_tree:
            distances[left] = transform_distances(rest, goal, spacing_mm)
        else:
            distances[left] = query_tree(rest, goal, spacing_mm, workers=workers)
    return distances


def search_columns(points: np.ndarray, goal: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The distances of `find_nearest_distances` where they are short; inf for points that are not worth the search.

    One sweep along the axis of the smallest spacing says for each voxel how many steps the nearest goal voxel of its
    column is away: one byte a voxel. The columns around a point are then tried in the order of their distance, until
    none of the rest can be nearer than the best found.
    """
    axis = int(np.argmin(spacing_mm))
    order = [axis, *(other for other in range(len(spacing_mm)) if other != axis)]
    points, goal, spacing = points[order], goal[order], spacing_mm[order]
    reach, margin = _reach(spacing)
    low, size = _lay_grid(points, goal, spacing)
    steps = _sweep(goal - low[:, None], size)
    strides = np.array(steps.strides)
    around, shifts = np.zeros(1), np.zeros(1, dtype=np.int64)
    for stride, step, most in zip(strides[1:], spacing[1:], margin[1:], strict=True):
        side = np.arange(-most, most + 1)
        around = np.add.outer(around, (side * step) ** 2).ravel()
        shifts = np.add.outer(shifts, side * stride).ravel()
    # Not quite all of the reach: rounding may have left out a column that lies just there.
    limit = reach**2 * (1 - 1e-9)
    nearest_first = np.argsort(around, kind="stable")[: np.count_nonzero(around <= limit)]
    # The lowest shift, and with it all others, is made 0 or more.
    places, shifts = strides @ (points - low[:, None]) + shifts.min(), shifts - shifts.min()
    columns = shifts[nearest_first], np.append(around[nearest_first], limit)
    squares = [
        _try_columns(steps.ravel(), places[start : start + _POINTS], *columns, step=float(spacing[0]))
        for start in range(0, len(places), _POINTS)
    ]
    return np.sqrt(np.concatenate(squares))


def query_tree(points: np.ndarray, goal: np.ndarray, spacing_mm: np.ndarray, *, workers: int = 1) -> np.ndarray:
    """The distances of `find_nearest_distances` by a KD-tree of the goal."""
    from scipy.spatial import cKDTree

    # Large leaves and plain splits are the fastest here, to build and to search.
    tree = cKDTree(goal.T * spacing_mm, leafsize=64, balanced_tree=False, compact_nodes=False)
    nearest = tree.query(points.T * spacing_mm, workers=workers)[1]
    # From whole numbers of voxels, so that where the image's corner lies has no part in the rounding.
    return np.sqrt((((points - goal[:, nearest]) * spacing_mm[:, None]) ** 2).sum(0))


def transform_distances(points: np.ndarray, goal: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The distances of `find_nearest_distances` by an exact Euclidean distance transform of the box around both."""
    from scipy.ndimage import distance_transform_edt

    low = np.minimum(points.min(1), goal.min(1))[:, None]
    background = np.ones(_measure_extent(points, goal), dtype=np.int8)
    background[tuple(goal - low)] = 0
    # Only where the nearest voxel is: its distance is needed at the points alone.
    nearest = distance_transform_edt(background, spacing_mm, return_distances=False, return_indices=True)
    points = points - low
    places = np.ravel_multi_index(tuple(points), background.shape)
    squares = np.zeros(len(places))
    for here, there, step in zip(points, nearest, spacing_mm, strict=True):
        squares += ((there.ravel()[places] - here) * step) ** 2
    return np.sqrt(squares)


def _measure_extent(*sets: np.ndarray) -> np.ndarray:
    """Voxels along each axis of the box around all points."""
    return np.max([each.max(1) for each in sets], 0) - np.min([each.min(1) for each in sets], 0) + 1


def _reach(spacing_mm: np.ndarray) -> tuple[float, np.ndarray]:
    """How far the column search looks, in mm and in voxels along each axis."""
    smallest, *others = sorted(spacing_mm.tolist())
    reach = (_FAR - 1) * smallest
    if others:
        reach = min(reach, _REACH * math.prod(others) ** (1 / len(others)))
    return reach, (reach / spacing_mm).astype(np.int64)


def _lay_grid(points: np.ndarray, goal: np.ndarray, spacing_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest voxel and size of the grid of the column search: the points' box with a margin to all sides."""
    margin, axis = _reach(spacing_mm)[1], np.argmin(spacing_mm)
    low, high = points.min(1), points.max(1)
    # Columns need not go on where there is no goal.
    before = max(min(margin[axis], low[axis] - goal[axis].min()), 0)
    after = max(min(margin[axis], goal[axis].max() - high[axis]), 0)
    low, high = low - margin, high + margin
    low[axis] += margin[axis] - before
    high[axis] -= margin[axis] - after
    return low, high - low + 1


def _sweep(goal: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Steps along the first axis to the nearest goal voxel of the column, at most `_FAR`: (*size) uint8."""
    steps = np.full(size, _FAR, dtype=np.uint8)
    inside = ((goal >= 0) & (goal < size[:, None])).all(0)
    steps[tuple(goal[:, inside])] = 0
    planes = list(steps.reshape(len(steps), -1))
    longer = np.empty_like(planes[0])
    for way in (planes, planes[::-1]):
        for before, here in pairwise(way):
            np.add(before, 1, out=longer)
            np.minimum(here, longer, out=here)
    return steps


def _try_columns(
    steps: np.ndarray, places: np.ndarray, shifts: np.ndarray, around: np.ndarray, *, step: float
) -> np.ndarray:
    """Squared distance from each place, or inf; `around` holds the columns' squared distances, and last the limit."""
    best = np.full(len(places), np.inf)
    found, left = best.copy(), np.arange(len(places))
    first, halt = 0, 1
    for last in (np.flatnonzero(np.diff(around)) + 1).tolist():
        # Of columns equally far away only the fewest steps count: bytes, so that the look-up is most of the work.
        fewest = steps[shifts[first] :].take(places)
        for shift in shifts[first + 1 : last]:
            np.minimum(fewest, steps[shift:].take(places), out=fewest)
        squares = fewest * step
        squares *= squares
        squares += around[first]
        np.minimum(found, squares, out=found)
        first = last
        if last < halt:
            continue
        done = found <= around[last]
        best[left[done]] = found[done]
        halt = min(3 * last + 1, len(shifts))
        # The next columns, being farther out, find about twice the share of these. What isn't worth it goes elsewhere.
        worth_it = last < _FIRST_COLUMNS or 2 * _QUERY_NS * done.mean() >= _TRY_NS * (halt - last)
        if done.all() or not worth_it:
            break
        more = ~done
        places, found, left = places[more], found[more], left[more]
    return best
