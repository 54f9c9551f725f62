"""Reading one labelled case and checking it: the rules that every data set has to keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlseg.checks import DataError
from mlseg.data.nifti import NATIVE, Volume, read_volume
from mlseg.types import Case, CaseFiles

# Two grids are the same if no corner of the volume is further apart than this; headers carry rounding errors only.
GRID_TOLERANCE_MM = 0.1


def read_labelled_case(
    files: CaseFiles, *, labels: Sequence[str], channels: Sequence[str], orientation: str = NATIVE
) -> Case:
    """Read the images and the target of a case and check them against each other.

    Checked: one file per channel, shapes and affines agree, intensities are finite, target values are whole numbers
    within `labels`.

    Raises:
        DataError: one line per problem, each beginning with the path of the offending file.
    """
    problems = _file_problems(files, channels)
    volumes: dict[Path, Volume] = {}
    for path in (*files.images, files.target):
        try:
            if path is not None:
                volumes[path] = read_volume(path, orientation=orientation)
        except DataError as error:
            problems.append(str(error))
    reference = volumes.get(files.images[0]) if files.images else None
    for path, volume in volumes.items():
        if reference is not None:
            problems += _grid_problems(path, volume, reference)
        problems += (
            _target_problems(path, volume.array, labels)
            if path == files.target
            else _image_problems(path, volume.array)
        )
    if problems or files.target is None or reference is None:
        raise DataError("\n".join(problems))
    return Case(
        case_id=files.case_id,
        subject_id=files.subject_id,
        image=np.stack([volumes[path].array.astype(np.float32) for path in files.images]),
        target=np.ascontiguousarray(volumes[files.target].array.astype(np.uint8)),
        spacing_mm=reference.spacing_mm,
        affine=reference.affine,
        group=files.group,
        frame=files.frame,
    )


def _file_problems(files: CaseFiles, channels: Sequence[str]) -> list[str]:
    """Is there a file for every channel, and a reference?"""
    problems = []
    if len(files.images) != len(channels):
        problems.append(
            f"{files.case_id}: must have {len(channels)} channels ({', '.join(channels)}), "
            f"got {len(files.images)} files. Download the missing ones."
        )
    if files.target is None:
        problems.append(
            f"{files.images[0] if files.images else files.case_id}: must have a reference segmentation, got none. "
            "Download it or remove the case."
        )
    return problems


def _grid_problems(path: Path, volume: Volume, reference: Volume) -> list[str]:
    """Does the volume lie on the grid of the first image?"""
    if volume.array.shape != reference.array.shape:
        return [
            f"{path}: shape must be that of the image, {reference.array.shape} (d,h,w), got {volume.array.shape}. "
            "Export both on one grid."
        ]
    d, h, w = volume.array.shape
    corners = np.array([(i, j, k, 1) for i in (0, w - 1) for j in (0, h - 1) for k in (0, d - 1)], dtype=np.float64)
    apart = float(np.linalg.norm((corners @ (volume.affine - reference.affine).T)[:, :3], axis=1).max())
    if apart > GRID_TOLERANCE_MM:
        return [
            f"{path}: affine must be that of the image within {GRID_TOLERANCE_MM:g} mm, got {apart:.3g} mm between "
            "corners of the volume. Export both on one grid."
        ]
    return []


def _image_problems(path: Path, array: np.ndarray) -> list[str]:
    """Are all intensities numbers that float32 can hold?"""
    with np.errstate(over="ignore"):
        bad = array.size - int(np.isfinite(array.astype(np.float32, copy=False)).sum())
    if bad:
        return [f"{path}: intensities must be finite, got NaN or infinity in {bad} voxels. Export the image again."]
    return []


def _target_problems(path: Path, array: np.ndarray, labels: Sequence[str]) -> list[str]:
    """Are all target values class indices?"""
    values, counts = np.unique(array, return_counts=True)
    legal = f"0 to {len(labels) - 1} ({', '.join(labels)})"
    bad = ~np.isin(values, np.arange(len(labels)))
    wrong = [f"{value:g} in {count} voxels" for value, count in zip(values[bad][:5], counts[bad][:5], strict=True)]
    if not wrong:
        return []
    more = f" and {bad.sum() - 5} values more" if bad.sum() > 5 else ""
    return [
        f"{path}: labels must be whole numbers from {legal}, got {', '.join(wrong)}{more}. "
        "Correct the file or data.source.labels."
    ]
