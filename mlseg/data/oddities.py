"""What is allowed in a data set but seldom meant: constant images, cases without foreground, classes nobody has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlseg.types import CaseSet, PreparedCase

_SHOWN = 3


def find_oddities(training: CaseSet, labels: Sequence[str], *, judged: Sequence[CaseSet] = ()) -> list[str]:
    """One line for each thing that is odd, with the first cases that have it; no image is read.

    Args:
        training: the cases that are trained on.
        labels: class names, background first.
        judged: the other cases of the run, for validation and test.

    Returns:
        At most one line on constant images, one on cases without foreground and one on classes that no training case
        holds.
    """
    constant: list[str] = []
    empty: list[str] = []
    seen: set[int] = set()
    for place, cases in enumerate((training, *judged)):
        for case in cases:
            classes = _list_classes(case)
            if len(case.blank_slices) == len(case.image):
                constant.append(case.case_id)
            if not classes:
                empty.append(case.case_id)
            if place == 0:
                seen |= classes
    total = len(training) + sum(map(len, judged))
    absent = [label for index, label in enumerate(labels) if index > 0 and index not in seen]
    lines = []
    if constant:
        lines.append(
            f"data: the image is constant in {_count(constant, total)}. Check these files, or leave their subjects out."
        )
    if empty:
        lines.append(
            f"data: the reference holds nothing but background in {_count(empty, total)}. Their Dice is undefined; "
            "check that this is meant."
        )
    if absent:
        which = f"class {absent[0]} is" if len(absent) == 1 else f"classes {', '.join(absent)} are"
        lines.append(
            f"data: {which} in none of the {len(training)} training cases, so the network cannot learn it. "
            "Check data.source.labels and the split."
        )
    return lines


def _list_classes(case: PreparedCase) -> set[int]:
    """The foreground classes of a case on the working grid; each has landmarks."""
    found = case.target[case.target > 0] if case.landmarks is None else case.landmarks[:, 0]
    return {int(index) for index in np.unique(found)}


def _count(cases: Sequence[str], total: int) -> str:
    """How many, and the first of them.

    Example:
        >>> _count(["a", "b", "c", "d"], 9)
        '4 of 9 cases (a, b, c, ...)'
    """
    more = ", ..." if len(cases) > _SHOWN else ""
    return f"{len(cases)} of {total} cases ({', '.join(cases[:_SHOWN])}{more})"
