"""Whom a calibrator may be fitted to."""

from __future__ import annotations

import pytest

from mlseg.checks import DataError
from mlseg.cli.calibrate_cases import check_fitted
from mlseg.cli.judged_cases import Selection
from mlseg.cli.judged_run import JudgedRun

KNOWN = {f"{p}_{f}": (p, f"{p}{f}") for p in ("p1", "p2", "p3", "p4") for f in ("ED", "ES")}


@pytest.fixture
def check(tmp_path):
    """Check subjects of a split file against a run."""
    run = JudgedRun(
        path=tmp_path,
        config={},
        choices={},
        split="own",
        parts={"train": ("p1", "p2"), "val": ("p3",), "test": ("p4",)},
        cases=KNOWN,
        state="done",
        epoch=3,
        best_epoch=2,
    )

    def call(*subjects: str, cases=None, allow: bool = False, elsewhere=None) -> tuple[str, ...]:
        selection = Selection(split="mine", part="val", own=False, subjects=subjects)
        return check_fitted(selection, run, elsewhere=elsewhere or {}, cases=cases or {}, allow_training=allow)

    return call


def test_validation_subjects_and_new_ones_are_welcome(check):
    assert check("p3", "new", cases={"new_ED": ("new", "x"), "p3_ED": ("p3", "p3ED")}) == ()


def test_test_subjects_are_refused_whatever_is_allowed(check):
    for allow in (False, True):
        with pytest.raises(
            DataError,
            match=r"split mine: val must hold no test subject of the run, got 1 of 2: p4 \(tested on\)\. What was",
        ):
            check("p3", "p4", allow=allow)


def test_test_subjects_are_known_by_their_files(check):
    with pytest.raises(DataError, match=r"got 1 of 1: new \(the same files as p4_ES, tested on\)"):
        check("new", cases={"new_1": ("new", "p4ES")}, allow=True)


def test_training_subjects_need_to_be_allowed(check):
    with pytest.raises(
        DataError,
        match=r"no subject that the network was trained on, got 2 of 3: p1 \(trained on\), new \(the same files as "
        r"p2_ED, trained on\)\. Give others, or allow_training_subjects=true",
    ):
        check("p1", "p3", "new", cases={"new_1": ("new", "p2ED")})
    assert check("p1", "p3", allow=True) == ("p1",)


def test_a_checkpoint_from_elsewhere_was_trained_on_others(check):
    elsewhere = {"p9": "train", "p8": "val"}
    with pytest.raises(DataError, match=r"p9 \(trained on\)"):
        check("p9", elsewhere=elsewhere)
    assert check("p8", elsewhere=elsewhere) == ()
    with pytest.raises(DataError, match="test subject"):
        check("p4", elsewhere={"p4": "train"})
