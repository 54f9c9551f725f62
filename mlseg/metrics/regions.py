"""Where calibration is measured: the image, the reference's foreground, its borders, and the box around it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

REGIONS = ("image", "foreground", "boundary", "roi")
# Spacings are stored in float32: a millionth more keeps a distance of exactly the limit inside.
SLACK = 1 + 1e-6


def build_regions(
    target: Tensor, spacing_mm: Sequence[float], *, boundary_mm: float, roi_margin_mm: float
) -> dict[str, Tensor | None]:
    """One boolean mask per name in REGIONS; None stands for every voxel. Without foreground all but "image" are empty.

    Args:
        target: integer classes 0..255, 0 is background.
        spacing_mm: voxel size (d,h,w).
        boundary_mm, roi_margin_mm: see `find_boundary` and `find_roi`.

    Shape:
        `target` (D,H,W), masks likewise, on the same device.
    """
    return {
        "image": None,
        "foreground": target > 0,
        "boundary": find_boundary(target, spacing_mm, boundary_mm=boundary_mm),
        "roi": find_roi(target, spacing_mm, margin_mm=roi_margin_mm),
    }


def find_boundary(target: Tensor, spacing_mm: Sequence[float], *, boundary_mm: float) -> Tensor:
    """Voxels with a voxel of another class within `boundary_mm`, centre to centre; the image's own edge is no border.

    A slice that lies farther away than `boundary_mm` has no say, so thick slices add nothing through the plane.

    Example:
        >>> find_boundary(torch.tensor([[[0, 0, 0, 1, 1, 1]]]), (10.0, 1.0, 1.0), boundary_mm=2.0).int().tolist()
        [[[0, 1, 1, 1, 1, 0]]]
    """
    near = torch.zeros(target.shape, dtype=torch.bool, device=target.device)
    reach = [int(boundary_mm * SLACK / step) for step in spacing_mm]
    box = _find_box(target, reach)
    if box is None:
        return near
    # Every border has foreground on one side, so nothing is missed outside the box.
    # The bits in which two classes differ, in bytes: several times faster than comparing to booleans.
    classes = target[box].to(torch.uint8)
    differs = torch.zeros_like(classes)
    # Farther than the box is wide no two of its voxels lie apart.
    reach = [min(steps, size - 1) for steps, size in zip(reach, classes.shape, strict=True)]
    for offset in itertools.product(*(range(-steps, steps + 1) for steps in reach)):
        length = math.hypot(*(step * width for step, width in zip(offset, spacing_mm, strict=True)))
        # Of the offsets v and -v one is enough: a difference marks both of its voxels.
        if offset <= (0, 0, 0) or length > boundary_mm * SLACK:
            continue
        ahead = tuple(
            slice(max(step, 0), size + min(step, 0)) for step, size in zip(offset, classes.shape, strict=True)
        )
        behind = tuple(
            slice(max(-step, 0), size + min(-step, 0)) for step, size in zip(offset, classes.shape, strict=True)
        )
        bits = classes[ahead] ^ classes[behind]
        differs[ahead] |= bits
        differs[behind] |= bits
    near[box] = differs != 0
    return near


def find_roi(target: Tensor, spacing_mm: Sequence[float], *, margin_mm: float) -> Tensor:
    """The bounding box of the foreground, widened by every voxel whose centre lies within `margin_mm` of it.

    Example:
        >>> find_roi(torch.tensor([[[0, 0, 0, 1, 0, 0]]]), (10.0, 1.0, 1.5), margin_mm=2.0).int().tolist()
        [[[0, 0, 1, 1, 1, 0]]]
    """
    inside = torch.zeros(target.shape, dtype=torch.bool, device=target.device)
    box = _find_box(target, [int(margin_mm * SLACK / step) for step in spacing_mm])
    if box is not None:
        inside[box] = True
    return inside


def _find_box(target: Tensor, margin: Sequence[int]) -> tuple[slice, ...] | None:
    """The bounding box of the foreground plus `margin` voxels on each side, within the image; None if there is none."""
    foreground = target > 0
    box = []
    for axis, size in enumerate(margin):
        others = tuple(other for other in range(target.ndim) if other != axis)
        places = foreground.any(dim=others).nonzero().flatten().tolist()
        if not places:
            return None
        box.append(slice(max(places[0] - size, 0), places[-1] + size + 1))
    return tuple(box)
