"""The slices of all cases as a page holds them: planes of bytes, packed case by case and written as base64.

They are no pictures: browsers that guard their users' privacy add noise to what a script reads back from one.
"""

from __future__ import annotations

import base64
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlseg.functional.views_file import VIEWS_NAME, CaseView, read_views
from mlseg.report.case_panels import find_window
from mlseg.report.figure_style import format_count
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

    A run whose slice or reference of a case is not that of the first run that has the case is left out of it.

    Raises:
        RunError: a file of views is damaged.
    """
    views = [read_run_views(run) for _, run in group.runs]
    return [_pack_case(case_id, [own.get(case_id) for own in views]) for case_id in group.cases]


def describe_left_out(group: DataGroup, cases: Sequence[PackedCase]) -> str:
    """Which runs are left out of how many cases, because they show another slice or reference; "" for none."""
    counts = Counter(number for case in cases for number in case.about.get("differing", ()))
    if not counts:
        return ""
    named = ((*group.runs[number], counts[number]) for number in sorted(counts))
    texts = [f"{name}, seed {run.seed} ({format_count(count, 'case')})" for name, run, count in named]
    return (
        "Left out of the slices, because slice or reference differs from that of the first run that has the case: "
        f"{'; '.join(texts)}."
    )


def _pack_case(case_id: str, views: Sequence[CaseView | None]) -> PackedCase:
    """Image and reference once, then what each run has; `about` says which run has what, and which are left out."""
    found = {number: view for number, view in enumerate(views) if view is not None}
    if not found:
        return PackedCase(about={"id": case_id, "runs": {}}, planes="")
    first = next(iter(found))
    known = {number: view for number, view in found.items() if _is_same(found[first], view)}
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
    if len(known) < len(found):
        about["differing"] = [number for number in found if number not in known]
    packed = zlib.compress(b"".join(plane.tobytes() for plane in planes))
    return PackedCase(about=about, planes=base64.b64encode(packed).decode("ascii"))


def _is_same(one: CaseView, other: CaseView) -> bool:
    same = (one.slice_index, one.spacing_mm) == (other.slice_index, other.spacing_mm)
    return same and np.array_equal(one.target, other.target)
