"""Crops and pads: what a network sees of an image, in training and when it is judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlseg.checks import COUNT, ConfigError, check_range


def crop_offsets(shape: Sequence[int], size: Sequence[int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a centred crop or pad of the last two axes takes from, and where it puts it.

    Odd remainders leave the extra pixel at the end.

    Returns:
        (source, destination): slices (h,w) into an array of `shape` and into one of `size`.

    Example:
        >>> crop_offsets((5, 4), (3, 6))
        ((slice(1, 4, None), slice(0, 4, None)), (slice(0, 3, None), slice(1, 5, None)))
    """
    source, destination = [], []
    for old, new in zip(shape[-2:], size, strict=True):
        count = min(old, new)
        start, place = (old - count) // 2, (new - count) // 2
        source.append(slice(start, start + count))
        destination.append(slice(place, place + count))
    return (source[0], source[1]), (destination[0], destination[1])


def crop_or_pad(array: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Centred crop or pad of the last two axes to (h,w), as a new array.

    Images (floats) are padded with each plane's minimum, which is the dark outside of the body, so that a slice alone
    pads like its volume; target maps (integers) with 0, the background. The paper's authors crop only.
    """
    source, (rows, columns) = crop_offsets(array.shape, size)
    taken = array[(..., *source)]
    if taken.shape[-2:] == tuple(size):
        return np.array(taken)
    padded = np.zeros((*array.shape[:-2], *size), dtype=array.dtype)
    if array.dtype.kind == "f":
        padded[...] = array.min(axis=(-2, -1), keepdims=True)
    padded[..., rows, columns] = taken
    return padded


def pad_volume(image: np.ndarray, size: Sequence[int]) -> tuple[np.ndarray, tuple[slice, slice, slice]]:
    """A volume (D,C,h,w) in the middle of at least `size` (d,h,w), with each channel's minimum around it.

    Returns:
        The padded volume (the same array if nothing is missing), and where the volume lies in it.
    """
    shape = (len(image), *image.shape[-2:])
    starts = [max(0, new - old) // 2 for old, new in zip(shape, size, strict=True)]
    d, h, w = (slice(start, start + old) for start, old in zip(starts, shape, strict=True))
    padded_shape = [max(old, new) for old, new in zip(shape, size, strict=True)]
    if tuple(padded_shape) == shape:
        return image, (d, h, w)
    padded = np.empty((padded_shape[0], image.shape[1], *padded_shape[1:]), dtype=image.dtype)
    padded[...] = image.min(axis=(0, 2, 3))[:, None, None]
    padded[d, :, h, w] = image
    return padded, (d, h, w)


def check_size(owner: str, argument: str, size: Sequence[int]) -> tuple[int, int]:
    """Two pixel counts (h,w) of at least 1. Raises ConfigError otherwise."""
    if len(size) != 2:
        raise ConfigError(f"{owner}: {argument} must be (h,w) in pixels, got {list(size)}. Write e.g. [192, 192].")
    for pixels in size:
        check_range(owner, argument, pixels, COUNT)
    return int(size[0]), int(size[1])
