"""What stands out, and what does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from mlseg.data.inspection import CaseFacts
from mlseg.data.inspection_outliers import find_outliers


@dataclass
class Source:
    name: str = "mine"
    labels: tuple[str, ...] = ("background", "organ")
    channels: tuple[str, ...] = ("MR",)
    orientation: str = "native"


def make_facts(index: int, **changes: Any) -> CaseFacts:
    usual: dict[str, Any] = {
        "shape": (10, 100, 80),
        "spacing_mm": (5.0, 1.0, 1.2),
        "affine_spacing_mm": (1.0, 1.2, 5.0),
        "orientation": "LPS",
        "ranges": ((0.0, 100.0 + index),),
        "constant": (False,),
    }
    return CaseFacts(case_id=f"case{index}", subject_id=f"case{index}", **{**usual, **changes})


def find(odd: dict[str, Any], **source: Any) -> list[tuple[str, tuple[str, ...], str]]:
    read = [make_facts(index) for index in range(4)] + [make_facts(4, **odd)]
    return [(found.kind, found.cases, found.text) for found in find_outliers(read, Source(**source))]  # type: ignore[arg-type]


def test_nothing_stands_out_among_equals() -> None:
    assert find({}) == []
    assert find_outliers([], Source()) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("odd", "kind", "words"),
    [
        ({"spacing_mm": (5.0, 3.1, 1.2), "affine_spacing_mm": (1.2, 3.1, 5.0)}, "spacing", "median, 5 x 1 x 1.2 mm"),
        ({"spacing_mm": (1.6, 1.0, 1.2), "affine_spacing_mm": (1.0, 1.2, 1.6)}, "spacing", "such as 1.6 x 1 x 1.2"),
        ({"shape": (2, 100, 80)}, "shape", "a factor of 4 of the median, 10 x 100 x 80 voxels"),
        ({"affine_spacing_mm": (1.0, 1.2, 5.3)}, "pixdim", "got another in 1 case (case4)"),
        ({"orientation": "RAS"}, "orientation", "got LPS in 4, RAS in 1 (case4). Give data.source.orientation=LPS"),
        ({"constant": (True,)}, "contrast", "got none in 1 case (case4)"),
        ({"ranges": ((0.0, 1.1e4),)}, "intensity", "100 times the median (102) in 1 case (case4), up to 1.1e+04"),
        ({"ranges": ((-2e4, 5.0),)}, "intensity", "up to 2e+04"),
    ],
)
def test_one_case_that_is_odd(odd: dict[str, Any], kind: str, words: str) -> None:
    ((found, cases, text),) = find(odd)
    assert (found, cases) == (kind, ("case4",))
    assert words in text


@pytest.mark.parametrize(
    "fine",
    [
        {"spacing_mm": (2.0, 1.0, 2.4), "affine_spacing_mm": (1.0, 2.0, 2.4)},
        {"shape": (30, 100, 21)},
        {"affine_spacing_mm": (1.0, 1.23, 5.1)},
        {"ranges": ((0.0, 9e3),)},
    ],
)
def test_what_real_scans_differ_by_is_taken(fine: dict[str, Any]) -> None:
    assert find(fine) == []


def test_axes_that_are_turned_anyway_may_differ() -> None:
    assert find({"orientation": "RAS"}, orientation="LPS") == []


def test_the_furthest_comes_first() -> None:
    read = [make_facts(n) for n in range(9)]
    read += [
        make_facts(n, spacing_mm=(s, 1.0, 1.2), affine_spacing_mm=(1.0, 1.2, s)) for n, s in ((9, 16.0), (10, 99.0))
    ]
    (found,) = find_outliers(read, Source())  # type: ignore[arg-type]
    assert found.cases == ("case10", "case9")


def test_each_channel_is_judged_by_itself() -> None:
    found = find({"ranges": ((0.0, 1.0),)})
    assert found == []
    read = [make_facts(n, ranges=((0.0, 1.0), (0.0, 5000.0)), constant=(False, n == 1)) for n in range(3)]
    (one,) = find_outliers(read, Source(channels=("T1", "CT")))  # type: ignore[arg-type]
    assert (one.text[:3], one.cases) == ("CT:", ("case1",))
