"""Reading one labelled case and checking it: the rules that every data set has to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlseg.checks import DataError
from mlseg.data.label_map import count_values, describe_label_map, map_labels
from mlseg.data.nifti import NATIVE, Volume, orientation_steps, read_channels, read_volume
from mlseg.types import Case, CaseFiles

# Two grids are the same if no corner of the volume is further apart than this; headers carry rounding errors only.
GRID_TOLERANCE_MM = 0.1


def read_labelled_case(
    files: CaseFiles,
    *,
    labels: Sequence[str],
    channels: Sequence[str],
    orientation: str = NATIVE,
    label_map: Mapping[int, str] | None = None,
    label_remedy: str = "Correct the file or data.source.labels.",
) -> Case:
    """Read the images and the target of a case and check them against each other.

    Checked: one file per channel, or one that holds them all; shapes and affines agree; intensities are finite; target
    values are whole numbers within `labels` or, where there is one, `label_map`.

    Args:
        files: where the case lies.
        labels: class names, background first; without a `label_map` their places are the stored values.
        channels: channel names, in the order of the files.
        orientation: axis codes that the case is brought to, or "native".
        label_map: stored value -> class name, where the data set does not store class indices.
        label_remedy: what to do about a stored value that has no class.

    Raises:
        DataError: one line per problem, each beginning with the path of the offending file.
    """
    problems = _file_problems(files, channels)
    volumes: dict[Path, Volume] = {}
    for path in (*files.images, files.target):
        try:
            if path is not None and path == files.target:
                volumes[path] = read_volume(path, orientation=orientation)
            elif path is not None:
                count = len(channels) if len(files.images) == 1 else 1
                volumes[path] = _read_image(path, channels=count, orientation=orientation)
        except DataError as error:
            problems.append(str(error))
    reference = volumes.get(files.images[0]) if files.images else None
    for path, volume in volumes.items():
        if reference is not None:
            problems += _grid_problems(path, volume, reference)
        problems += (
            _target_problems(path, volume.array, labels, label_map, label_remedy)
            if path == files.target
            else _image_problems(path, volume.array)
        )
    if problems or files.target is None or reference is None:
        raise DataError("\n".join(problems))
    stored = volumes[files.target].array
    target = stored.astype(np.uint8) if label_map is None else map_labels(stored, label_map, labels)
    return Case(
        case_id=files.case_id,
        subject_id=files.subject_id,
        image=np.concatenate([volumes[path].array for path in files.images], dtype=np.float32),
        target=np.ascontiguousarray(target),
        spacing_mm=reference.spacing_mm,
        affine=reference.affine,
        group=files.group,
        frame=files.frame,
    )


def _read_image(path: Path, *, channels: int, orientation: str) -> Volume:
    """A file with this many channels as (C,D,H,W)."""
    if channels == 1:
        volume = read_volume(path, orientation=orientation)
        return replace(volume, array=volume.array[np.newaxis])
    volume = read_channels(path, orientation=orientation)
    if len(volume.array) != channels:
        raise DataError(
            f"{path}: must hold {channels} channels behind one another, got {len(volume.array)}. "
            "Correct the file or data.source.channels."
        )
    return volume


def _file_problems(files: CaseFiles, channels: Sequence[str]) -> list[str]:
    """Is there a file for every channel, and a reference?"""
    problems = []
    if len(files.images) not in (1, len(channels)):
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
    d, h, w = shape = volume.array.shape[-3:]
    if shape != reference.array.shape[-3:]:
        return [
            f"{path}: shape must be that of the image, {reference.array.shape[-3:]} (d,h,w), got {shape}. "
            "Export both on one grid."
        ]
    # The affines are those of the stored grid, whose axes may have been put in another order.
    axes, _ = orientation_steps(volume.affine, volume.orientation)
    stored = [0, 0, 0]
    for axis, size in zip(axes, (w, h, d), strict=True):
        stored[axis] = size
    ends = [(0, size - 1) for size in stored]
    corners = np.array([(i, j, k, 1) for i in ends[0] for j in ends[1] for k in ends[2]], dtype=np.float64)
    apart = float(np.linalg.norm((corners @ (volume.affine - reference.affine).T)[:, :3], axis=1).max())
    if apart > GRID_TOLERANCE_MM:
        return [
            f"{path}: affine must be that of the image within {GRID_TOLERANCE_MM:g} mm, got {apart:.3g} mm between "
            "corners of the volume. Export both on one grid."
        ]
    return []


def _image_problems(path: Path, array: np.ndarray) -> list[str]:
    """Are all intensities numbers that float32 can hold?"""
    if array.dtype.kind in "bui":
        return []
    with np.errstate(over="ignore"):
        bad = array.size - int(np.isfinite(array.astype(np.float32, copy=False)).sum())
    if bad:
        return [f"{path}: intensities must be finite, got NaN or infinity in {bad} voxels. Export the image again."]
    return []


def _target_problems(
    path: Path, array: np.ndarray, labels: Sequence[str], label_map: Mapping[int, str] | None, remedy: str
) -> list[str]:
    """Do all target values stand for a class?"""
    values, counts = count_values(array)
    bad = ~np.isin(values, np.arange(len(labels)) if label_map is None else list(label_map))
    wrong = [f"{value:g} in {count} voxels" for value, count in zip(values[bad][:5], counts[bad][:5], strict=True)]
    if not wrong:
        return []
    rule = f"from 0 to {len(labels) - 1} ({', '.join(labels)})"
    if label_map is not None:
        rule = f"among {describe_label_map(label_map)}"
    more = f" and {bad.sum() - 5} values more" if bad.sum() > 5 else ""
    return [f"{path}: labels must be whole numbers {rule}, got {', '.join(wrong)}{more}. {remedy}"]
