"""Where the training crop lies in a slice: at its centre, or, with jitter, anywhere near it, anew in each epoch.

A network that only ever sees the centre knows nothing of what is around: on whole images it takes a vessel for a heart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mlseg.data.augment import SampleKey, draw_bits, to_uniform
from mlseg.data.framing import crop_offsets

# Tells these draws from those of the augmentation, which follow from the same key.
_STREAM = (1,)


class Windows:
    """The crop of each slice within a frame that is centred on the slice and large enough for all its places.

    A window leaves the image nowhere that the centred crop does not, so along an axis that is not larger than the crop
    it stays.

    Args:
        crop: (h,w) in pixels.
        jitter: largest distance from the centred crop along each axis, in pixels; 0 always takes that one.
        shapes: (h,w) of each slice.
    """

    def __init__(self, crop: tuple[int, int], jitter: int, shapes: Sequence[tuple[int, int]]) -> None:
        self.crop, self.jitter = crop, jitter
        self.frame = (crop[0] + 2 * jitter, crop[1] + 2 * jitter)
        distinct = {shape: self._find_range(shape) for shape in set(shapes)}
        self._ranges = np.array([distinct[shape] for shape in shapes]).reshape(-1, 2, 2)

    def _find_range(self, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """For each axis the first and the last place of the window, in pixels of the frame."""
        (source, destination), (taken, placed) = crop_offsets(shape, self.crop), crop_offsets(shape, self.frame)
        ranges = []
        for axis, size in enumerate(self.crop):
            # In pixels of the image; a crop that is larger than the image begins before it.
            centre = source[axis].start - destination[axis].start
            last = max(shape[axis] - size, centre)
            low, high = max(centre - self.jitter, min(0, centre)), min(centre + self.jitter, last)
            origin = taken[axis].start - placed[axis].start
            ranges.append((low - origin, high - origin))
        return ranges

    def draw(self, keys: Sequence[SampleKey]) -> np.ndarray:
        """The upper left corner of each sample's window, in pixels of the frame.

        Shape:
            (n,2), int64
        """
        uniform = to_uniform(draw_bits(keys, 2, stream=_STREAM))
        low, high = self._ranges[[key.sample for key in keys]].transpose(2, 0, 1)
        return low + np.floor(uniform * (high - low + 1)).astype(np.int64)

    def cut(self, image: Tensor, target: Tensor, keys: Sequence[SampleKey]) -> tuple[Tensor, Tensor]:
        """The window of each sample.

        Shape:
            image (n,C,*frame), target (n,*frame) -> (n,C,*crop), (n,*crop)
        """
        if not self.jitter:
            return image, target
        height, width = self.crop
        corners = self.draw(keys).tolist()
        images = [one[:, y : y + height, x : x + width] for one, (y, x) in zip(image, corners, strict=True)]
        targets = [one[y : y + height, x : x + width] for one, (y, x) in zip(target, corners, strict=True)]
        return torch.stack(images), torch.stack(targets)
