"""From classes back to the values that a data set stores in its label maps, and how large each class is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mlseg.checks import DataError
from mlseg.data.brats import AUTO, BraTSSource, detect_year, year_label_map
from mlseg.data.label_map import count_values, describe_label_map, map_labels
from mlseg.data.nifti import read_volume
from mlseg.types import CaseFiles, CaseSource


def find_label_map(source: CaseSource | None, labels: Sequence[str], files: CaseFiles) -> dict[int, str]:
    """Stored value -> class name of a data set; the class indices where it stores these, or is not known.

    Args:
        source: the data set, or None.
        labels: class names, background first.
        files: a case, whose name tells the year of a BraTS release that is not given.
    """
    if isinstance(source, BraTSSource):
        year = detect_year(files.images[0].name) if source.year == AUTO else int(source.year)
        return year_label_map(year, tuple(labels))
    own: Mapping[int, str] | None = getattr(source, "label_map", None)
    return dict(own) if own else dict(enumerate(labels))


def invert_label_map(label_map: Mapping[int, str], labels: Sequence[str]) -> tuple[int, ...]:
    """The stored value of each class; of several that became one class, the smallest.

    Example:
        >>> invert_label_map({0: "background", 1: "GM", 2: "GM", 4: "WM"}, ["background", "GM", "WM"])
        (0, 1, 4)
    """
    return tuple(min(value for value, name in label_map.items() if name == label) for label in labels)


def to_values(classes: np.ndarray, values: Sequence[int]) -> np.ndarray:
    """Stored values (uint8, or uint16 if one of them needs it) of class indices."""
    table = np.array(values, dtype=np.uint8 if max(values) < 2**8 else np.uint16)
    return np.asarray(table[classes])


def measure_volumes(path: Path, label_map: Mapping[int, str], labels: Sequence[str]) -> tuple[dict[str, int], float]:
    """Voxels of each class but the background in a label map, and the volume of one voxel in ml.

    Raises:
        DataError: the file cannot be read, or holds a value that stands for no class.
    """
    volume = read_volume(path)
    values, counts = count_values(volume.array)
    bad = ~np.isin(values, list(label_map))
    if bad.any():
        shown = ", ".join(
            f"{value:g} in {count} voxels" for value, count in zip(values[bad][:3], counts[bad][:3], strict=True)
        )
        raise DataError(
            f"{path}: labels must be whole numbers among {describe_label_map(label_map)}, got {shown}. "
            "Correct the file."
        )
    return count_classes(map_labels(volume.array, label_map, labels), labels), voxel_ml(volume.affine)


def count_classes(classes: np.ndarray, labels: Sequence[str]) -> dict[str, int]:
    """Voxels of each class but the background.

    Example:
        >>> count_classes(np.array([0, 2, 2]), ["background", "RV", "LV"])
        {'RV': 0, 'LV': 2}
    """
    counts = np.bincount(classes.ravel(), minlength=len(labels))
    return {label: int(count) for label, count in list(zip(labels, counts, strict=True))[1:]}


def voxel_ml(affine: np.ndarray) -> float:
    """The volume of a voxel in ml, by the affine (4,4) in mm, sheared or not.

    Example:
        >>> voxel_ml(np.diag([2.0, -2.0, 5.0, 1.0]))
        0.02
    """
    i, j, k = affine[:3, :3].T
    return float(abs(np.dot(i, np.cross(j, k)))) / 1000
