"""Who may be judged."""

from __future__ import annotations

import dataclasses
import json

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.cli.judged_cases import (
    Draw,
    Selection,
    check_unchanged,
    check_unseen,
    find_changed,
    find_seen,
    select_subjects,
)
from mlseg.cli.judged_run import JudgedRun
from mlseg.types import CaseFiles

DRAW = Draw(fractions=(0.6, 0.2, 0.2), seed=0, fold=0, folds=5)
SEEN = {"p1": "train", "p2": "train", "p3": "val"}
KNOWN = {f"{p}_{f}": (p, f"{p}{f}") for p in ("p1", "p2", "p3", "p4") for f in ("ED", "ES")}


@pytest.fixture
def run(tmp_path) -> JudgedRun:
    return JudgedRun(
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


def on_disk(*subjects: str) -> list[CaseFiles]:
    return [CaseFiles(case_id=f"{s}_{f}", subject_id=s, images=(), target=None) for s in subjects for f in ("ED", "ES")]


def select(run: JudgedRun, *subjects: str, part: str = "test", split: str | None = None) -> Selection:
    return select_subjects(run, on_disk(*subjects), part=part, split=split, draw=DRAW)


def test_the_runs_own_parts_need_nobody_else_on_disk(run):
    assert select(run, "p4") == Selection(split="own", part="test", own=True, subjects=("p4",))
    assert select(run, "p1", "p2", "p9", part="train").subjects == ("p1", "p2")
    with pytest.raises(DataError, match=r"all subjects of train must be on disk, got 1 of 2 missing \(p2\)"):
        select(run, "p1", "p4", part="train")


def test_an_empty_part_is_refused(run):
    run = dataclasses.replace(run, parts={**run.parts, "val": ()})
    with pytest.raises(DataError, match="part: val of split own must hold at least one subject, got none"):
        select(run, "p4", part="val")


def test_the_unseen_are_all_others_on_disk(run):
    assert select(run, "p1", "p3", "p4", "new", split="unseen").subjects == ("new", "p4")
    with pytest.raises(DataError, match="test of split unseen must hold at least one subject"):
        select(run, "p1", "p3", split="unseen")


def test_a_split_file_needs_its_part_only(run, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"train": ["absent"], "val": [], "test": ["new", "p4"]}))
    assert select(run, "new", "p4", split=str(path)) == Selection(
        split="mine", part="test", own=False, subjects=("new", "p4")
    )
    path.write_text(json.dumps({"train": ["new"], "val": [], "test": ["new"]}))
    with pytest.raises(
        DataError, match=r"a subject must be in one part only, got 1 of test in another one too \(new\)"
    ):
        select(run, "new", split=str(path))
    with pytest.raises(ConfigError, match=r"must be a split file that exists"):
        select(run, "new", split="nowhere.json")


def test_a_split_can_be_drawn(run):
    people = [f"n{i}" for i in range(10)]
    drawn = select(run, *people, split="random")
    assert (drawn.split, len(drawn.subjects), drawn.own) == ("random-0", 2, False)
    other = select_subjects(run, on_disk(*people), part="test", split="kfold", draw=dataclasses.replace(DRAW, fold=3))
    assert other.split == "kfold5-0-fold3"


def chosen(*subjects: str, own: bool = False, part: str = "test") -> Selection:
    return Selection(split="x", part=part, own=own, subjects=subjects)


def test_a_subject_is_seen_by_its_name(run):
    assert find_seen(chosen("p1", "p3", "p4"), SEEN, cases={}, known={}) == {"p1": "trained on", "p3": "validated with"}


def test_a_subject_is_seen_by_its_files_under_another_name(run):
    cases = {"n1_ED": ("n1", "other"), "n2_ED": ("n2", "p1ES"), "n3_ED": ("n3", "p4ED")}
    seen = find_seen(chosen("n1", "n2", "n3"), SEEN, cases=cases, known=KNOWN)
    # p4 was tested only, so its files are new to the network.
    assert seen == {"n2": "the same files as p1_ES, trained on"}


def test_seen_subjects_are_refused_but_where_they_were_asked_for():
    seen = {"p1": "trained on", "p3": "validated with"}
    with pytest.raises(
        DataError, match=r"got 2 of 3 that it has: p1 \(trained on\), p3 \(validated with\)\. Give another"
    ):
        check_unseen(chosen("p1", "p3", "p4"), seen)
    with pytest.raises(DataError):
        check_unseen(chosen("p1", part="train"), seen)
    with pytest.raises(DataError):
        check_unseen(chosen("p1", own=True), seen)
    check_unseen(chosen("p1", own=True, part="train"), seen)
    check_unseen(chosen("p4"), {})


def test_long_lists_are_cut():
    with pytest.raises(DataError, match=r"a \(x\), b \(x\), c \(x\), \.\.\.\. Give"):
        check_unseen(chosen(*"abcd"), dict.fromkeys("abcd", "x"))


def test_files_that_are_not_the_runs(run):
    cases = {"p4_ED": ("p4", "p4ED"), "p4_ES": ("p4", "p4ES"), "new_ED": ("new", "1")}
    assert find_changed(chosen("p4", "new"), cases=cases, known=KNOWN) == {}
    cases = {"p4_ED": ("p4", "another"), "p4_MID": ("p4", "2")}
    changed = find_changed(chosen("p4"), cases=cases, known=KNOWN)
    assert changed == {"p4_ED": "changed", "p4_ES": "gone", "p4_MID": "new"}
    with pytest.raises(DataError, match=r"got 3 that are not: p4_ED \(changed\), p4_ES \(gone\), p4_MID \(new\)"):
        check_unchanged(changed)
    check_unchanged({})
