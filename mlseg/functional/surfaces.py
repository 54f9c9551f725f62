"""Distances between the surfaces of two masks in millimetres (or voxels), from surface voxels only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlseg.checks import DataError

# Spacings are stored in float32, so a distance of exactly the tolerance may come out a millionth larger.
SLACK = 1 + 1e-6


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
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if prediction_mask.shape != target_mask.shape:
        raise DataError(
            f"Surface distance: the masks must have one shape, got {prediction_mask.shape} and {target_mask.shape}. "
            "Bring both to the same grid."
        )
    if spacing.shape != (target_mask.ndim,) or not np.isfinite(spacing).all() or (spacing <= 0).any():
        raise DataError(
            f"Surface distance: spacing_mm must be {target_mask.ndim} positive numbers, got {tuple(spacing_mm)}. "
            "Give the voxel size along each axis."
        )
    if not (prediction_mask.any() and target_mask.any()):
        return SurfaceDistances(np.empty(0), np.empty(0))
    box = find_bounding_box(prediction_mask | target_mask)
    prediction, target = find_surface(prediction_mask[box]), find_surface(target_mask[box])
    return SurfaceDistances(_measure(prediction, target, spacing), _measure(target, prediction, spacing))


def find_bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds all True voxels of a mask with at least one.

    Example:
        >>> find_bounding_box(np.array([[False, False], [False, True]]))
        (slice(1, 2, None), slice(1, 2, None))
    """
    box = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(box)


def find_surface(mask: np.ndarray) -> np.ndarray:
    """The mask minus its erosion by face neighbours, outside counting as background.

    Example:
        >>> find_surface(np.ones((3, 3), bool)).astype(int).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    padded = np.pad(mask, 1)
    interior = mask.copy()
    for axis in range(mask.ndim):
        for start in (0, 2):
            shifted = tuple(
                slice(start, start + size) if other == axis else slice(1, -1) for other, size in enumerate(mask.shape)
            )
            interior &= padded[shifted]
    return mask & ~interior


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


def _measure(source: np.ndarray, goal: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    points = np.argwhere(source)
    distances = np.zeros(len(points))
    # Where the surfaces coincide the distance is 0; only the rest is searched.
    apart = ~goal[source]
    if apart.any():
        tree = cKDTree(np.argwhere(goal) * spacing, balanced_tree=False, compact_nodes=False)
        distances[apart] = tree.query(points[apart] * spacing)[0]
    return distances
