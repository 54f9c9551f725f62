"""What the page's script unpacks is what the runs saw."""

from __future__ import annotations

import base64
import itertools
import zlib
from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.functional.views_file import write_views
from mlseg.report.html_groups import group_sets
from mlseg.report.html_views import describe_left_out, pack_cases
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def gather(tmp_path, write_run):
    """A group of runs with these views."""
    made = itertools.count()

    def call(*views):
        runs = []
        for seed, own in enumerate(views):
            path = write_run(tmp_path / str(next(made)), seed=seed, subjects=2, frames=("ED",))
            if own is not None:
                write_views(path / "views.npz", own)
            runs.append(read_run(path))
        (group,) = group_sets(group_runs(runs))
        return group

    return call


def unpack(case):
    data = zlib.decompress(base64.b64decode(case.planes))
    height, width = case.about["size"]
    return np.frombuffer(data, np.uint8).reshape(-1, height, width)


def test_planes_come_back_in_their_order(gather, make_view):
    first, second = make_view("p00_ED", seed=1), make_view("p00_ED", confidence=False, seed=1)
    case, other = pack_cases(gather([first], [second]))
    assert case.about == {
        "id": "p00_ED",
        "slice": 5,
        "size": [12, 10],
        "step": [2.0, 1.0],
        "window": case.about["window"],
        "image": True,
        "runs": {"0": 2, "1": 1},
    }
    expected = [first.image, first.target, first.prediction, first.confidence, second.prediction]
    assert np.array_equal(unpack(case), expected)
    assert other.planes == ""
    assert other.about == {"id": "p01_ED", "runs": {}}


def test_the_window_holds_what_every_run_predicts(gather, make_view):
    near = make_view("p00_ED")
    target, far = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    target[40:50, 40:50] = 1
    far[90:95, 90:95] = 1
    planes = {"image": None, "confidence": None, "target": target}
    views = [
        type(near)(**{**vars(near), **planes, "prediction": own, "spacing_mm": (1.0, 1.0)}) for own in (target, far)
    ]
    alone = pack_cases(gather([views[0]]))[0].about["window"]
    assert alone == [28.0, 28.0, 34.0]
    assert pack_cases(gather(*([view] for view in views)))[0].about["window"] == [28.0, 28.0, 72.0]


def test_runs_without_views_have_nothing_to_show(gather, make_view):
    cases = pack_cases(gather(None, [make_view("p01_ED")]))
    assert [case.about["runs"] for case in cases] == [{}, {"1": 2}]


def test_an_image_that_only_one_run_knows_is_shown(gather, make_view):
    (case, _) = pack_cases(gather([make_view("p00_ED", image=False)], [make_view("p00_ED")]))
    assert case.about["image"]
    assert np.array_equal(unpack(case)[0], make_view("p00_ED").image)


@pytest.mark.parametrize("change", ["slice", "reference", "size", "spacing"])
def test_a_run_with_another_slice_or_reference_is_left_out_of_that_case_alone(gather, make_view, change):
    one, second = make_view("p00_ED"), make_view("p01_ED", seed=2)
    far = np.zeros((30, 30), np.uint8)
    other = {
        "slice": replace(one, slice_index=6),
        "reference": replace(one, target=one.prediction),
        "size": replace(one, image=far, target=far, prediction=far, confidence=far),
        "spacing": replace(one, spacing_mm=(1.0, 1.0)),
    }[change]
    group = gather([one, second], [other, second], None, [one, second])
    cases = pack_cases(group)
    assert [case.about["runs"] for case in cases] == [{"0": 2, "3": 2}, {"0": 2, "1": 2, "3": 2}]
    assert cases[0].about["differing"] == [1]
    assert "differing" not in cases[1].about
    assert np.array_equal(unpack(cases[0])[:4], [one.image, one.target, one.prediction, one.confidence])
    text = describe_left_out(group, cases)
    assert text.endswith(f"the first run that has the case: {group.runs[1][0]}, seed 1 (1 case).")
    assert describe_left_out(group, cases[1:]) == ""


def test_a_damaged_file_is_named(gather):
    group = gather(None)
    (group.first.path / "views.npz").write_bytes(b"no archive")
    with pytest.raises(RunError, match=r"views\.npz: must be a file of views"):
        pack_cases(group)
