"""One grid in several axis orders: which permutation and flips bring an array from one file's axes to another's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlseg.data.nifti import orientation_steps
from mlseg.data.reading import GRID_TOLERANCE_MM


@dataclass(frozen=True)
class Steps:
    """A permutation of the stored axes (i,j,k), then flips.

    Args:
        axes: which old axis becomes the first, second and third new one.
        flips: whether a new axis runs backwards.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """A view of an array in the new axes; the last three axes are (k,j,i), others stay.

        Example:
            >>> Steps((1, 0, 2), (False, True, False)).apply(np.array([[[0, 1, 2], [3, 4, 5]]])).tolist()
            [[[2, 5], [1, 4], [0, 3]]]
        """
        ndim = array.ndim
        array = array.transpose(*range(ndim - 3), *(ndim - 1 - axis for axis in reversed(self.axes)))
        return np.flip(array, tuple(ndim - 1 - place for place, flip in enumerate(self.flips) if flip))

    def invert(self) -> Steps:
        """The steps that lead back."""
        places = [self.axes.index(axis) for axis in range(3)]
        return Steps((places[0], places[1], places[2]), tuple(self.flips[p] for p in places))  # type: ignore[arg-type]

    def move_affine(self, affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The affine of an array after the steps.

        Args:
            affine: (4,4) voxel (i,j,k) to world mm before them.
            shape: (D,H,W) before them.
        """
        back = np.zeros((4, 4))
        back[3, 3] = 1
        for place, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            back[axis, place] = -1 if flip else 1
            back[axis, 3] = shape[2 - axis] - 1 if flip else 0
        return np.asarray(affine @ back)


ALL_STEPS = tuple(
    Steps(axes, flips)  # type: ignore[arg-type]
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
)


def find_steps(
    affine: np.ndarray, shape: Sequence[int], *, to_affine: np.ndarray, to_shape: Sequence[int]
) -> Steps | None:
    """The steps that bring a grid onto another one, or None if it is another grid.

    Args:
        affine, to_affine: (4,4) voxel (i,j,k) to world mm.
        shape, to_shape: (D,H,W).

    Example:
        >>> flipped = np.array([[-2.0, 0, 0, 6], [0, 2, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1]])
        >>> find_steps(flipped, (1, 2, 4), to_affine=np.diag([2.0, 2, 5, 1]), to_shape=(1, 2, 4))
        Steps(axes=(0, 1, 2), flips=(True, False, False))
    """
    for steps in ALL_STEPS:
        moved = tuple(shape[2 - axis] for axis in reversed(steps.axes))
        if moved == tuple(to_shape):
            apart = measure_distance_mm(steps.move_affine(affine, shape), to_affine, to_shape)
            if apart <= GRID_TOLERANCE_MM:
                return steps
    return None


def find_ras_steps(affine: np.ndarray) -> Steps:
    """The steps that bring a stored grid to the axis codes RAS."""
    return Steps(*orientation_steps(affine, "RAS"))


def measure_distance_mm(affine: np.ndarray, other: np.ndarray, shape: Sequence[int]) -> float:
    """How far apart two affines put a corner of a volume of shape (D,H,W), at most."""
    d, h, w = shape
    corners = np.array([(i, j, k, 1) for i in (0, w - 1) for j in (0, h - 1) for k in (0, d - 1)], dtype=np.float64)
    return float(np.linalg.norm((corners @ (np.asarray(affine) - other).T)[:, :3], axis=1).max())
