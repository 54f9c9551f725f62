"""Names of the classes of saved predictions: as given, from a dataset.json, or numbered from what the files hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlseg.checks import DataError
from mlseg.data.dataset_json import FILE, MAX_CLASSES, describe_dataset
from mlseg.data.nifti import read_volume
from mlseg.data.predictions import read_probs
from mlseg.data.saved_files import SavedFiles


@dataclass(frozen=True, kw_only=True)
class LabelNames:
    """What the values of a label map mean.

    Args:
        labels: class names, background first.
        label_map: stored value -> class name; None if each stored value is its class.
        source: where the names are from, for the reader.
    """

    labels: tuple[str, ...]
    label_map: Mapping[int, str] | None = None
    source: str


def name_labels(
    labels: Sequence[str] | Path | None, *, near: Iterable[str | None], cases: Sequence[SavedFiles]
) -> LabelNames:
    """Choose the class names.

    Args:
        labels: the names, background first; or a dataset.json, or a folder that holds one; or None.
        near: the places of predictions and references: where `labels` is None, the first dataset.json in one of these
            folders, or up to two above it, is taken. nnU-Net leaves one beside its predictions.
        cases: where there is none, as many classes are numbered as the probabilities have channels, or else up to the
            largest value in a label map.

    Raises:
        DataError: a dataset.json that can't be used, or files that can't be read.
    """
    if labels is not None and not isinstance(labels, Path):
        return LabelNames(labels=tuple(labels), source="as given")
    if isinstance(labels, Path):
        return _read_names(labels.parent if labels.name == FILE else labels)
    for place in near:
        path = Path(place or "").expanduser()
        folder = path if path.is_dir() else path.parent
        for candidate in (folder, *folder.absolute().parents[:2]) if place else ():
            if (candidate / FILE).is_file():
                return _read_names(_shorten(candidate))
    count = max(2, _count_classes(cases))
    if count > MAX_CLASSES:
        raise DataError(
            f"labels: must be up to {MAX_CLASSES} classes, got values up to {count - 1}. Correct the files."
        )
    return LabelNames(labels=("background", *(f"class_{k}" for k in range(1, count))), source="numbered")


def _read_names(folder: Path) -> LabelNames:
    try:
        found = describe_dataset(folder)
    except DataError as error:
        what = str(error).removeprefix(f"{folder / FILE}: ").rpartition(". ")[0]
        raise DataError(
            f"{folder / FILE}: names no classes that can be taken from there ({what}). "
            "Write the names yourself, e.g. 'labels=[background,LV]'."
        ) from error
    return LabelNames(labels=found.labels, label_map=found.label_map, source=str(folder / FILE))


def _shorten(folder: Path) -> Path:
    """The folder from here, if it lies below."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _count_classes(cases: Sequence[SavedFiles]) -> int:
    """Channels of the first case's probabilities, or else the largest value in any label map, and one."""
    first = cases[0].probs if cases else None
    if first is not None:
        return len(read_probs(first, with_grid=False).array)
    largest, problems = 0, []
    for path in (path for case in cases for path in (case.reference, case.prediction) if path is not None):
        try:
            array = read_volume(path).array
        except DataError as error:
            problems.append(str(error))
            continue
        if array.dtype.kind == "f" and not bool((np.isfinite(array) & (array == array.round())).all()):
            problems.append(f"{path}: a label map must hold whole numbers, got others. Give the label map.")
        else:
            largest = max(largest, int(array.max()))
    if problems:
        raise DataError("\n".join(problems))
    return largest + 1
