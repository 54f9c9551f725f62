"""Made-up label maps and logits of the size of real cases."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SPACING_MM = {"brats": (1.0, 1.0, 1.0), "acdc": (10.0, 1.5, 1.5)}


def draw_labels(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Three nested structures with wavy surfaces, (D,H,W) uint8: seeds give other waves, not other places."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in shape), indexing="ij", sparse=True)
    labelled = np.zeros(shape, dtype=np.uint8)
    for label, share in ((1, 0.24), (2, 0.16), (3, 0.1)):
        squares = sum(((axis - size / 2) / (size * share)) ** 2 for axis, size in zip(axes, shape, strict=True))
        waves = np.prod(
            np.broadcast_arrays(
                *(
                    np.sin(axis * (60 / size) + random.uniform(0, 2 * np.pi))
                    for axis, size in zip(axes, shape, strict=True)
                )
            ),
            axis=0,
        )
        labelled[squares + 0.2 * waves < 1] = label
    return labelled


def add_noise(labelled: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Give that share of all voxels a label at random."""
    random = np.random.default_rng(seed)
    hit = random.random(labelled.shape, dtype=np.float32) < share
    found = labelled.copy()
    found[hit] = random.integers(0, 4, np.count_nonzero(hit))
    return found


def draw_logits(labelled: np.ndarray, seed: int) -> np.ndarray:
    """Logits (4,D,H,W) float32 of a network that is unsure at borders, noisy, and somewhat overconfident."""
    random = np.random.default_rng(seed)
    logits = np.empty((4, *labelled.shape), dtype=np.float32)
    for label, channel in enumerate(logits):
        blurred = ndimage.uniform_filter((labelled == label).astype(np.float32), 5, output=channel)
        np.log(np.maximum(blurred, 0, out=channel) + 3e-3, out=channel)
        channel += random.standard_normal(labelled.shape, dtype=np.float32) * 0.7
    logits *= 1.3
    return logits
