"""The generator of phantoms: bumpy bodies of tissue painted over each other, and what a scanner makes of them.

A phantom has a known anatomy (which voxel is which tissue), labels (what its reference stores for a tissue) and a
contrast per channel (how bright a tissue is there). Everything is drawn from the generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OUTSIDE = 0


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """A kind of voxel.

    Args:
        label: the value that the reference stores for it.
        contrast: mean intensity in each channel, 0 to 4095.
    """

    label: int
    contrast: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Body:
    """A bumpy ellipsoid of one tissue; lengths are shares of the volume's extent along (d,h,w).

    Args:
        tissue: its number.
        centre, radii: of the typical subject.
        inside: the tissues that it may take the place of; () takes any.
        drift: largest shift of the centre from subject to subject.
        spread: largest relative change of each radius.
        bumps: height of the bumps on its surface, relative to the radii.
        waves: half-waves of bumps across a radius.
        chance: probability that a subject has it.
    """

    tissue: int
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    inside: tuple[int, ...] = ()
    drift: float = 0.02
    spread: float = 0.08
    bumps: float = 0.1
    waves: float = 3.0
    chance: float = 1.0


def draw_tissues(rng: np.random.Generator, bodies: Sequence[Body], shape: tuple[int, int, int]) -> np.ndarray:
    """Tissue numbers (D,H,W) uint8: the bodies in their order over the OUTSIDE."""
    tissues = np.full(shape, OUTSIDE, dtype=np.uint8)
    for body in bodies:
        _paint(rng, tissues, body)
    return tissues


def _paint(rng: np.random.Generator, tissues: np.ndarray, body: Body) -> None:
    """A voxel belongs to the body where the sum of one term per axis is below 1, so that full size takes no time."""
    shift, factor = rng.uniform(-1, 1, size=3) * body.drift, 1 + rng.uniform(-1, 1, size=3) * body.spread
    phases, absent = rng.uniform(0, 2 * np.pi, size=3), rng.uniform() >= body.chance
    terms = []
    for axis, size in enumerate(tissues.shape):
        place = (np.arange(size) + 0.5) / size - body.centre[axis] - shift[axis]
        place /= body.radii[axis] * factor[axis]
        terms.append(place**2 + body.bumps * np.sin(body.waves * np.pi * place + phases[axis]))
    lowest = sum(term.min() for term in terms)
    places = [np.flatnonzero(term + lowest - term.min() < 1) for term in terms]
    if absent or not all(len(place) for place in places):
        return
    box = tuple(slice(place[0], place[-1] + 1) for place in places)
    depth, rows, columns = (term[part] for term, part in zip(terms, box, strict=True))
    mask = depth[:, None, None] + rows[:, None] + columns < 1
    part = tissues[box]
    if body.inside:
        mask &= np.isin(part, body.inside)
    part[mask] = body.tissue


def label_tissues(tissues: np.ndarray, kinds: Sequence[Tissue]) -> np.ndarray:
    """The reference (D,H,W) uint8 of tissue numbers."""
    return np.array([kind.label for kind in kinds], dtype=np.uint8)[tissues]


def render_channel(
    rng: np.random.Generator, tissues: np.ndarray, kinds: Sequence[Tissue], channel: int, *, stripped: bool = False
) -> np.ndarray:
    """The image (D,H,W) int16 of one channel.

    Args:
        stripped: True stores exactly 0 outside the anatomy, as after skull stripping, and draws nothing there.
    """
    contrast = np.array([kind.contrast[channel] for kind in kinds])
    if not stripped:
        return render_scene(rng, contrast[tissues])
    image = np.zeros(tissues.shape, dtype=np.int16)
    box = find_box(tissues != OUTSIDE)
    part = tissues[box]
    # A voxel of the anatomy is never 0: readers take 0 for the outside.
    image[box] = np.where(part == OUTSIDE, 0, np.maximum(render_scene(rng, contrast[part]), 1))
    return image


def find_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box of a volume that holds all of a mask, which must not be empty."""
    others = [tuple(other for other in range(mask.ndim) if other != axis) for axis in range(mask.ndim)]
    places = [np.flatnonzero(mask.any(axis=other)) for other in others]
    return tuple(slice(place[0], place[-1] + 1) for place in places)


def render_scene(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """Intensities (D,H,W) int16 of mean intensities: soft borders, times a bias field and texture, plus noise."""
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(scene, sigma=(0, 0.7, 0.7))
    texture = gaussian_filter(rng.standard_normal(scene.shape), sigma=(0, 2.0, 2.0)) * 7
    y, x = np.mgrid[-1 : 1 : scene.shape[1] * 1j, -1 : 1 : scene.shape[2] * 1j]
    slope_y, slope_x, bow = rng.uniform(-0.2, 0.2, size=3)
    bias = 1 + slope_y * y + slope_x * x + bow * x * y
    image = image * bias * (1 + 0.12 * texture) + rng.normal(0, 35, size=scene.shape)
    return np.clip(np.rint(image), 0, 4095).astype(np.int16)


def oblique_affine(
    rng: np.random.Generator, spacing_mm: Sequence[float], *, tilt: float = 0.6, reach_mm: float = 120.0
) -> np.ndarray:
    """An (i,j,k) to world matrix, turned by up to `tilt` radians about each axis and moved by up to `reach_mm`."""
    a, b, c = rng.uniform(-tilt, tilt, size=3)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turn_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn_z @ turn_y @ turn_x @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(tuple(spacing_mm)[::-1])
    affine[:3, 3] = rng.uniform(-reach_mm, reach_mm, size=3)
    return affine
