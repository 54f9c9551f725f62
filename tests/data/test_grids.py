"""A grid in any of its 48 axis orders is found again, and another grid is not."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.data.grids import ALL_STEPS, Steps, find_ras_steps, find_steps, measure_distance_mm
from mlseg.data.nifti import to_stored

SHAPE = (2, 3, 4)
TURN = np.deg2rad(20)
OBLIQUE = np.array(
    [
        [-1.5 * np.cos(TURN), 1.5 * np.sin(TURN), 0, 7],
        [-1.5 * np.sin(TURN), -1.5 * np.cos(TURN), 0, -3],
        [0, 0, 8, 2],
        [0, 0, 0, 1],
    ]
)


def locate(affine: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    """World mm of an array index (k,j,i)."""
    return (affine @ (*index[::-1], 1))[:3]


@pytest.mark.parametrize("steps", ALL_STEPS, ids=str)
def test_every_voxel_keeps_its_place_in_the_world(steps: Steps) -> None:
    array = np.arange(24).reshape(SHAPE)
    moved, affine = steps.apply(array), steps.move_affine(OBLIQUE, SHAPE)
    for value in range(24):
        old, new = np.argwhere(array == value)[0], np.argwhere(moved == value)[0]
        np.testing.assert_allclose(locate(affine, tuple(new)), locate(OBLIQUE, tuple(old)), atol=1e-9)
    assert find_steps(OBLIQUE, SHAPE, to_affine=affine, to_shape=moved.shape) == steps
    np.testing.assert_array_equal(steps.invert().apply(moved), array)


def test_leading_axes_stay() -> None:
    array = np.arange(48).reshape(2, *SHAPE)
    steps = Steps((2, 0, 1), (True, False, True))
    np.testing.assert_array_equal(steps.apply(array)[1], steps.apply(array[1]))


def test_steps_to_ras_are_those_of_the_nifti_reader() -> None:
    array = np.arange(24).reshape(SHAPE)
    steps = find_ras_steps(OBLIQUE)
    np.testing.assert_array_equal(to_stored(steps.apply(array), OBLIQUE, "RAS"), array.transpose(2, 1, 0))
    assert (np.diag(steps.move_affine(OBLIQUE, SHAPE))[:3] > 0).all()


def test_another_grid_is_not_found() -> None:
    shifted, coarse = OBLIQUE.copy(), OBLIQUE.copy()
    shifted[0, 3] += 0.2
    coarse[:3, 0] *= 1.2
    for affine in (shifted, coarse):
        assert find_steps(affine, SHAPE, to_affine=OBLIQUE, to_shape=SHAPE) is None
    assert find_steps(OBLIQUE, (2, 3, 5), to_affine=OBLIQUE, to_shape=SHAPE) is None
    shifted[0, 3] -= 0.15
    assert find_steps(shifted, SHAPE, to_affine=OBLIQUE, to_shape=SHAPE) == Steps()


def test_distance_is_that_of_the_farthest_corner() -> None:
    stretched = np.diag([1.0, 1.0, 2.0, 1.0])
    assert measure_distance_mm(stretched, np.eye(4), (11, 3, 3)) == pytest.approx(10)
