"""views.npz: one slice of each case of a run, to look at beside its scores."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import DataError, RunError
from mlseg.records import replacing

VIEWS_NAME = "views.npz"
VIEWS_VERSION = 1
CONFIDENCE_STEPS = 255
ROLES = ("best", "median", "worst")
_PLANES = ("image", "target", "prediction", "confidence")
_OPTIONAL = ("image", "confidence")


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """One axial slice of one case: what was seen, what it was taken for, and how surely.

    Args:
        case_id: the case.
        slice_index: which slice of the case, from 0.
        image: (h,w) uint8 grey levels; None where the image is not known.
        target: (h,w) uint8 classes of the reference.
        prediction: (h,w) uint8 predicted classes.
        confidence: (h,w) uint8, the probability of the top label in steps of 1/255; None where only a label map is
            known.
        spacing_mm: pixel size (h,w).

    Raises:
        DataError: if the planes are not uint8 arrays of one shape.
    """

    case_id: str
    slice_index: int
    image: np.ndarray | None
    target: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray | None
    spacing_mm: tuple[float, float]

    def __post_init__(self) -> None:
        for name in _PLANES:
            plane = getattr(self, name)
            if plane is None and name in _OPTIONAL:
                continue
            if plane is None or plane.dtype != np.uint8 or plane.ndim != 2 or plane.shape != self.target.shape:
                found = "nothing" if plane is None else f"{plane.dtype} {plane.shape}"
                raise DataError(
                    f"CaseView: {name} of case {self.case_id} must be uint8 (h,w) like the target, got {found}. "
                    "Build the view with mlseg.metrics.view.build_view."
                )


def choose_cases(dice: Mapping[str, float]) -> dict[str, str]:
    """Role -> the case with the best, the median and the worst Dice; cases without one (NaN) are left out.

    With two cases there is no median, with one only the best. Of an even number the median is the lower of the two in
    the middle; ties go by case_id.

    Args:
        dice: case_id -> mean Dice over the foreground labels.

    Example:
        >>> choose_cases({"a": 0.9, "b": 0.5, "c": 0.7, "d": float("nan")})
        {'best': 'a', 'median': 'c', 'worst': 'b'}
    """
    ranked = sorted((case_id for case_id in dice if not math.isnan(dice[case_id])), key=lambda c: (-dice[c], c))
    if not ranked:
        return {}
    places = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
    taken: dict[str, str] = {}
    for role in ("best", "worst", "median"):
        if ranked[places[role]] not in taken.values():
            taken[role] = ranked[places[role]]
    return {role: taken[role] for role in ROLES if role in taken}


def write_views(path: Path, views: Iterable[CaseView]) -> None:
    """Write views.npz in one step, sorted by case: the same views always give the same bytes.

    Args:
        path: the file.
        views: in any order, of any sizes.
    """
    listed = sorted(views, key=lambda view: view.case_id)
    # The planes of all cases are strung together: many small entries would be slow to open.
    stored: dict[str, Any] = {
        "version": np.array(VIEWS_VERSION),
        "case_id": np.array([view.case_id for view in listed], dtype=np.str_),
        "slice_index": np.array([view.slice_index for view in listed], dtype=np.int64),
        "spacing_mm": np.array([view.spacing_mm for view in listed], dtype=np.float64).reshape(-1, 2),
        "shape": np.array([view.target.shape for view in listed], dtype=np.int64).reshape(-1, 2),
    }
    for name in _PLANES:
        planes = [getattr(view, name) for view in listed]
        known = [plane.ravel() for plane in planes if plane is not None]
        stored[name] = np.concatenate([np.zeros(0, np.uint8), *known])
        stored[f"has_{name}"] = np.array([plane is not None for plane in planes], dtype=bool)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **stored)


def read_views(path: Path) -> dict[str, CaseView]:
    """Read views.npz: case_id -> view, sorted by case.

    Raises:
        RunError: if the file is missing, damaged, or of another version.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            stored = dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # NumPy suggests to load it unsafely.
        reason = "no archive of plain arrays" if "pickle" in str(error) else error
        raise RunError(f"{path}: must be a file of views, got {reason}. Evaluate the run again.") from error
    version = stored.get("version")
    if version is None or int(version) != VIEWS_VERSION:
        raise RunError(f"{path}: version must be {VIEWS_VERSION}, got {version}. Evaluate the run again.")
    views = {}
    starts = dict.fromkeys(_PLANES, 0)
    for place, case_id in enumerate(stored["case_id"].tolist()):
        shape = tuple(stored["shape"][place].tolist())
        planes: dict[str, Any] = dict.fromkeys(_PLANES)
        for name in _PLANES:
            if stored[f"has_{name}"][place]:
                end = starts[name] + math.prod(shape)
                planes[name] = stored[name][starts[name] : end].reshape(shape)
                starts[name] = end
        height_mm, width_mm = stored["spacing_mm"][place].tolist()
        index = int(stored["slice_index"][place])
        views[case_id] = CaseView(case_id=case_id, slice_index=index, spacing_mm=(height_mm, width_mm), **planes)
    return views
