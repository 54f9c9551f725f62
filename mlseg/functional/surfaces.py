"""Distances between the surfaces of two masks in millimetres (or voxels), from surface voxels only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from mlseg.checks import DataError
from mlseg.functional.nearest import find_nearest_distances

# Spacings are stored in float32, so a distance of exactly the tolerance may come out a millionth larger.
SLACK = 1 + 1e-6
# So many surface voxels take a gigabyte or two for each pair of masks that is measured at once.
CROWD = 2**24


@dataclass(frozen=True)
class SurfaceDistances:
    """Directed distances of every surface voxel; both are empty where either mask is.

    Args:
        from_prediction: (n,) float64, from each surface voxel of the prediction to the nearest one of the reference.
        from_target: (m,) float64, the other way.
    """

    from_prediction: np.ndarray
    from_target: np.ndarray

    @property
    def voxels(self) -> int:
        """Surface voxels of both masks."""
        return self.from_prediction.size + self.from_target.size


def compute_surface_distances(
    prediction_mask: np.ndarray, target_mask: np.ndarray, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Distances between the surface voxels (centre to centre) of two masks.

    The surface is the mask minus its 6-neighbour erosion; outside the image counts as background, so a mask that
    touches the image border has surface there. Surface voxels count alike, whatever area they stand for.

    Args:
        prediction_mask: boolean.
        target_mask: boolean.
        spacing_mm: voxel size along each axis; ones give distances in voxels.

    Shape:
        both masks (D,H,W) (or any other number of axes).

    Raises:
        DataError: if the shapes differ or the spacing is not one positive number per axis.

    Example:
        >>> a, b = np.zeros((1, 1, 5), bool), np.zeros((1, 1, 5), bool)
        >>> a[..., 0], b[..., 3] = True, True
        >>> compute_surface_distances(a, b, (10.0, 1.5, 1.5)).from_target
        array([4.5])
    """
    masks = [np.asarray(mask, dtype=bool).view(np.uint8) for mask in (prediction_mask, target_mask)]
    return compute_label_distances(*masks, labels=[1], spacing_mm=spacing_mm)[0]


def compute_label_distances(
    prediction: np.ndarray, target: np.ndarray, *, labels: Sequence[int], spacing_mm: Sequence[float]
) -> list[SurfaceDistances]:
    """`compute_surface_distances` of several labels of two label maps, whose surfaces are found in one pass.

    The distances use as many threads as torch does; their values don't depend on it.

    Args:
        prediction: whole numbers, 0 for background; uint8 is the fastest.
        target: likewise.
        labels: the values to compare, each above 0.
        spacing_mm: voxel size along each axis; ones give distances in voxels.

    Shape:
        both maps (D,H,W) (or any other number of axes).

    Returns:
        one entry for each of `labels`.

    Raises:
        DataError: if the shapes differ or the spacing is not one positive number per axis.

    Example:
        >>> a, b = np.array([[1, 0, 0, 2]]), np.array([[0, 1, 2, 2]])
        >>> first, second = compute_label_distances(a, b, labels=[1, 2], spacing_mm=(1, 1))
        >>> first.from_prediction, second.from_prediction
        (array([1.]), array([0.]))
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if prediction.shape != target.shape:
        raise DataError(
            f"Surface distance: the masks must have one shape, got {prediction.shape} and {target.shape}. "
            "Bring both to the same grid."
        )
    if spacing.shape != (target.ndim,) or not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise DataError(
            f"Surface distance: spacing_mm must be {target.ndim} positive numbers, got {tuple(spacing_mm)}. "
            "Give the voxel size along each axis."
        )
    box = find_bounding_box(prediction | target)
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        ours, theirs = pool.map(_keep_surfaces, (prediction[box], target[box]))
    ways = [(source, goal, label) for label in labels for source, goal in ((ours, theirs), (theirs, ours))]
    measure = partial(_measure, spacing=spacing, workers=max(1, threads // max(1, len(ways))))
    # Noise all over a huge volume is measured one way after the other, to need no more memory than it must.
    crowded = ours.places.size + theirs.places.size > CROWD
    with ThreadPoolExecutor(1 if crowded else threads) as pool:
        found = list(pool.map(measure, *zip(*ways, strict=True)))
    return [SurfaceDistances(*found[index : index + 2]) for index in range(0, len(found), 2)]


def find_bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds all True (or nonzero) voxels of a mask; an empty one if there are none.

    Example:
        >>> find_bounding_box(np.array([[False, False], [False, True]]))
        (slice(1, 2, None), slice(1, 2, None))
    """
    box: list[slice] = []
    for axis in range(mask.ndim):
        # Each axis is looked at within what the axes before it have left.
        rest = mask[tuple(box)]
        places = np.flatnonzero(rest.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0))
    return tuple(box)


def find_surface(mask: np.ndarray) -> np.ndarray:
    """The mask minus its erosion by face neighbours, outside counting as background.

    Of a label map, the surfaces of all its labels: the nonzero voxels with a face neighbour of another label.

    Example:
        >>> find_surface(np.ones((3, 3), bool)).astype(int).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    mask = np.ascontiguousarray(mask)
    surface = np.zeros(mask.shape, dtype=bool)
    for axis in range(mask.ndim):
        ends = np.moveaxis(surface, axis, 0)
        ends[:1], ends[-1:] = True, True
    # Neighbours along an axis are a stride apart. The pairs that wrap around an end lie at the image's edge anyway.
    flat, found = mask.ravel(), surface.ravel()
    for axis, size in enumerate(mask.shape):
        if size == 1:
            continue
        stride = math.prod(mask.shape[axis + 1 :])
        differ = flat[stride:] != flat[:-stride]
        found[stride:] |= differ
        found[:-stride] |= differ
    return np.logical_and(surface, mask, out=surface)


def compute_hd(distances: SurfaceDistances) -> float:
    """Hausdorff distance: the larger of the two directed maxima; NaN if a mask is empty.

    Source: Huttenlocher et al., IEEE TPAMI 1993.
    """
    if not distances.voxels:
        return float("nan")
    return float(max(distances.from_prediction.max(), distances.from_target.max()))


def compute_hd95(distances: SurfaceDistances, pooled: bool = False) -> float:
    """95th percentile of the surface distances, with linear interpolation; NaN if a mask is empty.

    Args:
        distances: both directed sets.
        pooled: False takes the larger of the two directed percentiles; True the percentile of both sets pooled, which
            is what medpy computes and which a large surface can dominate.
    """
    if not distances.voxels:
        return float("nan")
    if pooled:
        return float(np.percentile(np.concatenate([distances.from_prediction, distances.from_target]), 95))
    return float(max(np.percentile(distances.from_prediction, 95), np.percentile(distances.from_target, 95)))


def compute_assd(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance: the mean over both surfaces' distances pooled; NaN if a mask is empty.

    Source: Heimann et al., IEEE TMI 2009.
    """
    if not distances.voxels:
        return float("nan")
    return float((distances.from_prediction.sum() + distances.from_target.sum()) / distances.voxels)


def compute_nsd(distances: SurfaceDistances, tolerance_mm: float) -> float:
    """Normalised surface Dice: share of the surface voxels of both within the tolerance; NaN if a mask is empty.

    Args:
        distances: both directed sets.
        tolerance_mm: a distance up to this one counts as agreement.

    Source: Nikolov et al., JMIR 2021, with surface voxels in place of surface elements.
    """
    if not distances.voxels:
        return float("nan")
    limit = tolerance_mm * SLACK
    close = np.count_nonzero(distances.from_prediction <= limit) + np.count_nonzero(distances.from_target <= limit)
    return close / distances.voxels


@dataclass(frozen=True)
class _Surfaces:
    """The surface voxels of all labels: which voxels of the map they are, and of which label."""

    labelled: np.ndarray  # 0 everywhere else
    places: np.ndarray
    owners: np.ndarray

    def list_places(self, label: int) -> np.ndarray:
        return self.places[self.owners == label]

    def list_points(self, places: np.ndarray) -> np.ndarray:
        """Indices (axes,n) of flat places."""
        return np.stack(np.unravel_index(places, self.labelled.shape), dtype=np.int32, casting="same_kind")


def _keep_surfaces(labelled: np.ndarray) -> _Surfaces:
    labelled = np.ascontiguousarray(labelled)
    surface = find_surface(labelled)
    places = np.flatnonzero(surface)
    labelled = labelled * surface
    return _Surfaces(labelled, places, labelled.ravel()[places])


def _measure(source: _Surfaces, goal: _Surfaces, label: int, *, spacing: np.ndarray, workers: int) -> np.ndarray:
    places, goal_places = source.list_places(label), goal.list_places(label)
    if not (places.size and goal_places.size):
        return np.empty(0)
    distances = np.zeros(places.size)
    # Where the surfaces coincide the distance is 0; only the rest is searched.
    apart = np.flatnonzero(goal.labelled.ravel()[places] != label)
    points, goal_points = source.list_points(places[apart]), goal.list_points(goal_places)
    distances[apart] = find_nearest_distances(points, goal_points, spacing, workers=workers)
    return distances
