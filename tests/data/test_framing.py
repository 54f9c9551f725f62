"""Cropping and padding."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlseg.data.framing import crop_offsets, crop_or_pad, pad_volume


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_crop_is_centred_and_keeps_what_fits(shape: tuple[int, int], size: tuple[int, int]) -> None:
    array = np.arange(2 * shape[0] * shape[1], dtype=np.int64).reshape(2, *shape) + 1
    crop = crop_or_pad(array, size)
    assert crop.shape == (2, *size)
    (rows, columns), _ = crop_offsets(shape, size)
    for taken, length in ((rows, shape[0]), (columns, shape[1])):
        assert 0 <= length - taken.stop - taken.start <= 1
    # Cropping what was padded, or the other way round, gives the shared part back.
    back = crop_or_pad(crop, shape)
    np.testing.assert_array_equal(back[:, rows, columns], array[:, rows, columns])
    assert (back != 0).sum() == 2 * (rows.stop - rows.start) * (columns.stop - columns.start)


def test_crop_by_hand() -> None:
    array = np.arange(25).reshape(5, 5)
    np.testing.assert_array_equal(crop_or_pad(array, (3, 2)), array[1:4, 1:3])
    np.testing.assert_array_equal(crop_or_pad(np.array([[1, 2, 3]]), (2, 4)), [[1, 2, 3, 0], [0, 0, 0, 0]])


def test_images_are_padded_with_the_minimum_of_their_plane_and_targets_with_background() -> None:
    image = np.array([[[1.0, 2.0]], [[-3.0, 5.0]]])
    np.testing.assert_array_equal(crop_or_pad(image, (1, 4)), [[[1, 1, 2, 1]], [[-3, -3, 5, -3]]])
    np.testing.assert_array_equal(crop_or_pad(np.array([[[2, 3]]], dtype=np.uint8), (1, 4)), [[[0, 2, 3, 0]]])


def test_crop_is_a_copy_even_of_a_read_only_array() -> None:
    array = np.zeros((4, 4))
    array.flags.writeable = False
    crop = crop_or_pad(array, (4, 4))
    assert crop.flags.writeable
    assert not np.shares_memory(crop, array)


def test_a_volume_lies_in_the_middle_of_its_frame() -> None:
    volume = np.arange(2 * 2 * 3 * 3, dtype=np.float32).reshape(2, 2, 3, 3)
    padded, (d, h, w) = pad_volume(volume, (5, 3, 6))
    assert padded.shape == (5, 2, 3, 6)
    assert (d, h, w) == (slice(1, 3), slice(0, 3), slice(1, 4))
    np.testing.assert_array_equal(padded[d, :, h, w], volume)
    assert (padded[0, 0] == volume[:, 0].min()).all()
    assert (padded[0, 1] == volume[:, 1].min()).all()
    assert pad_volume(volume, (1, 3, 2))[0] is volume
