"""Reading a scan without a reference, checked and turned as the scans that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlseg.checks import DataError
from mlseg.data.grids import Steps, measure_distance_mm
from mlseg.data.nifti import Volume, orientation_steps, read_channels
from mlseg.data.reading import GRID_TOLERANCE_MM
from mlseg.types import Case, CaseFiles


def read_scan(files: CaseFiles, *, channels: Sequence[str]) -> Case:
    """Read the images of a case in the axes of its files; the target is zero everywhere.

    Checked: one file per channel, or one that holds them all; the files lie on one grid; intensities are finite.

    Args:
        files: where the case lies.
        channels: channel names, in the order of the files.

    Raises:
        DataError: one line per problem, each naming the file.
    """
    if len(files.images) not in (1, len(channels)):
        raise DataError(
            f"{files.images[0] if files.images else files.case_id}: must have {_count(len(channels), 'channel')} "
            f"({', '.join(channels)}), got {_count(len(files.images), 'file')}. "
            "Give one file per channel, in this order."
        )
    volumes: dict[Path, Volume] = {}
    problems: list[str] = []
    for path in files.images:
        try:
            volumes[path] = read_channels(path)
        except DataError as error:
            problems.append(str(error))
    first = volumes.get(files.images[0])
    for path, volume in volumes.items():
        problems += _find_problems(path, volume, channels if len(files.images) == 1 else channels[:1])
        if first is not None:
            problems += _find_grid_problems(path, volume, first, files.images[0])
    if problems or first is None:
        raise DataError("\n".join(problems))
    return Case(
        case_id=files.case_id,
        subject_id=files.subject_id,
        image=np.concatenate([volumes[path].array for path in files.images], dtype=np.float32),
        target=np.zeros(first.array.shape[-3:], dtype=np.uint8),
        spacing_mm=first.spacing_mm,
        affine=first.affine,
        group=files.group,
        frame=files.frame,
    )


def turn_case(case: Case, orientation: str) -> tuple[Case, Steps]:
    """A case in the axes of its file brought to axis codes, and the steps that led there.

    Args:
        orientation: e.g. "LPS", or "native" for the axes of the file.
    """
    steps = Steps(*orientation_steps(case.affine, orientation))
    d, h, w = (case.spacing_mm[2 - axis] for axis in reversed(steps.axes))
    turned = replace(
        case,
        # In one order in memory, whatever the steps: sums then round alike, so the same voxels give the same numbers.
        image=np.ascontiguousarray(steps.apply(case.image)),
        target=np.ascontiguousarray(steps.apply(case.target)),
        spacing_mm=(d, h, w),
    )
    return turned, steps


def _find_problems(path: Path, volume: Volume, channels: Sequence[str]) -> list[str]:
    count = len(volume.array)
    if count != len(channels):
        what = (
            "three axes" if len(channels) == 1 else f"{len(channels)} channels ({', '.join(channels)}) as fourth axis"
        )
        remedy = "Give one 3-D file per time point." if len(channels) == 1 else "Give them, or one file per channel."
        return [f"{path}: must have {what}, got {_count(count, 'volume')}. {remedy}"]
    if volume.array.dtype.kind in "bui":
        return []
    with np.errstate(over="ignore"):
        bad = volume.array.size - int(np.isfinite(volume.array.astype(np.float32, copy=False)).sum())
    if bad:
        return [f"{path}: intensities must be finite, got NaN or infinity in {bad} voxels. Export the image again."]
    return []


def _find_grid_problems(path: Path, volume: Volume, first: Volume, owner: Path) -> list[str]:
    shape, wanted = volume.array.shape[-3:], first.array.shape[-3:]
    if shape != wanted:
        return [f"{path}: must have the shape of {owner}, {wanted} (d,h,w), got {shape}. Export both on one grid."]
    apart = measure_distance_mm(volume.affine, first.affine, shape)
    if apart > GRID_TOLERANCE_MM:
        return [
            f"{path}: must lie where {owner} lies, within {GRID_TOLERANCE_MM:g} mm, got {apart:.3g} mm between "
            "corners. Export both on one grid."
        ]
    return []


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
