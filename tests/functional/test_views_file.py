"""views.npz: what goes in comes out, in the same bytes; and which cases are shown."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import DataError, RunError
from mlseg.functional.views_file import CaseView, choose_cases, read_views, write_views


def make_views() -> list[CaseView]:
    generator = np.random.default_rng(0)

    def draw(shape: tuple[int, int]) -> np.ndarray:
        return generator.integers(0, 256, shape, dtype=np.uint8)

    views = []
    for case_id, shape in (("b", (5, 4)), ("a", (3, 7)), ("c", (2, 2))):
        planes = {name: draw(shape) for name in ("image", "target", "prediction", "confidence")}
        views.append(CaseView(case_id=case_id, slice_index=len(views), spacing_mm=(1.25, 0.7), **planes))
    return [replace(views[0], image=None), replace(views[1], confidence=None), views[2]]


def test_views_come_back_as_they_were(tmp_path):
    views = make_views()
    write_views(tmp_path / "views.npz", views)
    read = read_views(tmp_path / "views.npz")
    assert list(read) == ["a", "b", "c"]
    for view in views:
        one = read[view.case_id]
        assert (one.slice_index, one.spacing_mm) == (view.slice_index, view.spacing_mm)
        for name in ("image", "target", "prediction", "confidence"):
            expected = getattr(view, name)
            if expected is None:
                assert getattr(one, name) is None
            else:
                np.testing.assert_array_equal(getattr(one, name), expected)


def test_same_views_give_same_bytes_in_any_order(tmp_path):
    write_views(tmp_path / "one.npz", make_views())
    write_views(tmp_path / "two.npz", reversed(make_views()))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.npz", "two.npz"]


def test_no_views_make_an_empty_file(tmp_path):
    write_views(tmp_path / "views.npz", [])
    assert read_views(tmp_path / "views.npz") == {}


def test_files_of_another_version_or_kind_are_refused(tmp_path):
    path = tmp_path / "views.npz"
    with pytest.raises(RunError, match="Evaluate the run again"):
        read_views(path)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RunError, match="Evaluate the run again"):
        read_views(path)
    np.savez(path, version=np.array(99))
    with pytest.raises(RunError, match="version must be 1, got 99"):
        read_views(path)


@pytest.mark.parametrize(
    ("name", "plane"),
    [
        ("image", np.zeros((3, 4), np.float32)),
        ("prediction", np.zeros((4, 3), np.uint8)),
        ("confidence", np.zeros((1, 3, 4), np.uint8)),
        ("prediction", None),
    ],
)
def test_planes_that_do_not_fit_are_refused(name, plane):
    whole = np.zeros((3, 4), np.uint8)
    planes = {"image": whole, "target": whole, "prediction": whole, "confidence": whole, name: plane}
    with pytest.raises(DataError, match=f"{name} of case a must be uint8"):
        CaseView(case_id="a", slice_index=0, spacing_mm=(1.0, 1.0), **planes)


@pytest.mark.parametrize(
    ("dice", "expected"),
    [
        ({}, {}),
        ({"a": math.nan}, {}),
        ({"a": 0.3}, {"best": "a"}),
        ({"a": 0.3, "b": 0.9}, {"best": "b", "worst": "a"}),
        ({"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.4}, {"best": "b", "median": "d", "worst": "a"}),
        ({"c": 0.5, "a": 0.5, "b": 0.5}, {"best": "a", "median": "b", "worst": "c"}),
    ],
)
def test_best_median_and_worst_are_chosen(dice, expected):
    assert choose_cases(dice) == expected
    assert list(choose_cases(dice)) == list(expected)
