"""The slices of all cases as a page holds them: planes of bytes, packed case by case and written as base64.

They are no pictures: browsers that guard their users' privacy add noise to what a script reads back from one.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.views_file import VIEWS_NAME, CaseView, read_views
from mlseg.report.case_panels import find_window
from mlseg.report.html_groups import DataGroup
from mlseg.report.run_set import Run

_PREDICTION, _BOTH = 1, 2


@dataclass(frozen=True, kw_only=True)
class PackedCase:
    """One case of a group.

    Args:
        about: what the page's script must know to unpack and draw it; see page/planes.js.
        planes: base64 of a zlib stream; "" if no run has a slice of the case.
    """

    about: Mapping[str, Any]
    planes: str


def read_run_views(run: Run) -> dict[str, CaseView]:
    """case_id -> slice; {} for a run without views.npz. Raises RunError if it is damaged."""
    path = run.path / VIEWS_NAME
    return read_views(path) if path.is_file() else {}


def pack_cases(group: DataGroup) -> list[PackedCase]:
    """The slices of each case of a group, in the order of `group.cases`.

    Raises:
        RunError: a file of views is damaged, or two runs show another slice or reference of a case.
    """
    views = [read_run_views(run) for _, run in group.runs]
    return [_pack_case(group, case_id, [own.get(case_id) for own in views]) for case_id in group.cases]


def _pack_case(group: DataGroup, case_id: str, views: Sequence[CaseView | None]) -> PackedCase:
    """Image and reference once, then what each run has; `about` says which run has what."""
    known = {number: view for number, view in enumerate(views) if view is not None}
    if not known:
        return PackedCase(about={"id": case_id, "runs": {}}, planes="")
    first = next(iter(known))
    for number, view in known.items():
        _check_same(known[first], view, group.runs[first][1], group.runs[number][1])
    target = known[first].target
    image = next((view.image for view in known.values() if view.image is not None), None)
    planes = [] if image is None else [image]
    planes.append(target)
    runs = {}
    for number, view in known.items():
        planes += [view.prediction] if view.confidence is None else [view.prediction, view.confidence]
        runs[str(number)] = _PREDICTION if view.confidence is None else _BOTH
    about = {
        "id": case_id,
        "slice": known[first].slice_index,
        "size": list(target.shape),
        "step": list(known[first].spacing_mm),
        "window": [round(value, 3) for value in find_window(*known.values())],
        "image": image is not None,
        "runs": runs,
    }
    packed = zlib.compress(b"".join(plane.tobytes() for plane in planes))
    return PackedCase(about=about, planes=base64.b64encode(packed).decode("ascii"))


def _check_same(one: CaseView, other: CaseView, run: Run, other_run: Run) -> None:
    if (
        one.slice_index != other.slice_index
        or one.target.shape != other.target.shape
        or not np.array_equal(one.target, other.target)
    ):
        raise RunError(
            f"{VIEWS_NAME}: runs on the same data must show the same slice and reference of case {one.case_id}, got "
            f"others in {run.path} and {other_run.path}. Evaluate them alike."
        )
