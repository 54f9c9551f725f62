"""What is a problem, what a warning, and what neither."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from mlseg.data.inspection import CaseFacts
from mlseg.data.inspection_rules import find_shortages, judge
from mlseg.data.splits import Split
from mlseg.data.subjects import find_shared_start

SPLIT = Split(name="s", train=("p0", "p1"), val=("p2",), test=("p3",))


@dataclass
class Source:
    name: str = "mine"
    labels: tuple[str, ...] = ("background", "organ", "lesion")
    channels: tuple[str, ...] = ("T1", "T2")


@dataclass
class PatternSource(Source):
    subject_pattern: str | None = None


def make_facts(case_id: str, **changes: Any) -> CaseFacts:
    usual: dict[str, Any] = {
        "subject_id": case_id.split("_")[0],
        "shape": (4, 50, 50),
        "working_shape": (4, 50, 50),
        "spacing_mm": (1.0, 1.0, 1.0),
        "affine_spacing_mm": (1.0, 1.0, 1.0),
        "orientation": "LPS",
        "voxels": (9000, 600, 400),
        "ranges": ((0.0, 9.0), (0.0, 9.0)),
        "constant": (False, False),
        "image_hashes": (f"{case_id} T1", f"{case_id} T2"),
        "target_hash": f"{case_id} labels",
        "foreground": 1000,
    }
    return CaseFacts(case_id=case_id, **{**usual, **changes})


def judge_cases(
    *odd: CaseFacts, source: Source | None = None, split: Split | None = SPLIT, **options: Any
) -> tuple[list[Any], list[Any]]:
    """Four sound subjects, some replaced by odd ones or joined by more of their cases."""
    cases = {name: make_facts(name) for name in ("p0", "p1", "p2", "p3")} | {case.case_id: case for case in odd}
    ordered = [cases[name] for name in sorted(cases)]
    return judge(ordered, source or Source(), split, **{"crop": (64, 64), **options})  # type: ignore[arg-type]


def test_a_sound_data_set() -> None:
    assert judge_cases() == ([], [])
    assert judge_cases(split=None) == ([], [])


def test_every_line_of_the_reader_is_a_problem() -> None:
    broken = CaseFacts(case_id="p1", subject_id="p1", problems=("a: is bad.", "b: is bad."))
    problems, warnings = judge_cases(broken, CaseFacts(case_id="p2", subject_id="p2", problems=("c: is bad.",)))
    assert [(found.kind, found.text, found.cases) for found in problems] == [
        ("case", "a: is bad.", ("p1",)),
        ("case", "b: is bad.", ("p1",)),
        ("case", "c: is bad.", ("p2",)),
    ]
    assert warnings == []


@pytest.mark.parametrize(("twin", "where"), [("p2", "train and val"), ("p3", "train and test")])
def test_one_image_in_two_parts_is_a_problem(twin: str, where: str) -> None:
    same = make_facts(twin, image_hashes=("p0 T1", "p0 T2"), target_hash="p0 labels")
    (problem,), warnings = judge_cases(same)
    assert (problem.kind, problem.cases, warnings) == ("duplicate", ("p0", twin), [])
    assert problem.text.startswith(f"p0, {twin}: subjects must differ, got the same image (T1, T2), in {where}.")


def test_one_image_in_one_part_is_a_warning_unless_folds_part_it() -> None:
    same = make_facts("p1", image_hashes=("p0 T1", "p0 T2"))
    problems, (warning,) = judge_cases(same)
    assert (problems, warning.cases) == ([], ("p0", "p1"))
    assert "the same image (T1, T2) with different references. All are in train" in warning.text
    (problem,), warnings = judge_cases(same, folded=True)
    assert ("train and test of one fold or another" in problem.text, warnings) == (True, [])
    problems, (warning,) = judge_cases(same, split=None)
    assert (problems, "All are in" in warning.text) == ([], False)


def test_one_channel_is_enough() -> None:
    (problem,), _ = judge_cases(make_facts("p3", image_hashes=("p3 T1", "p0 T2")))
    assert "the same image (T2) with different references, in train and test" in problem.text


def test_scans_of_one_subject_may_be_alike_with_a_warning() -> None:
    problems, (warning,) = judge_cases(make_facts("p0_b", image_hashes=("p0 T1", "p0 T2")))
    assert (problems, warning.cases) == ([], ("p0", "p0_b"))
    assert "scans of a subject should differ" in warning.text


def test_channels_and_references_that_are_alike() -> None:
    problems, (warning,) = judge_cases(make_facts("p1", image_hashes=("p1 T1", "p1 T1")))
    assert (problems, warning.cases) == ([], ("p1",))
    assert "channels should differ, got the same image (T1, T2)" in warning.text
    problems, (warning,) = judge_cases(make_facts("p3", target_hash="p0 labels"))
    assert (problems, warning.cases) == ([], ("p0", "p3"))
    assert "got the same reference with different images" in warning.text


def test_constant_images_and_empty_references_are_no_duplicates() -> None:
    flat = {"image_hashes": ("zero", "zero"), "constant": (True, True), "target_hash": "", "voxels": (9, 0, 0)}
    problems, warnings = judge_cases(make_facts("p2", **flat), make_facts("p3", **flat))
    assert problems == []
    assert [found.kind for found in warnings] == ["class", "contrast", "contrast"]


def test_a_class_that_no_training_subject_has() -> None:
    without = [make_facts(name, voxels=(9000, 1000, 0)) for name in ("p0", "p1")]
    problems, (warning,) = judge_cases(*without)
    assert (problems, warning.kind, warning.cases) == ([], "class", ("p2", "p3"))
    assert warning.text.startswith("lesion: a class must be in a training subject to be learned, got none; it is in 2")
    assert judge_cases(*without, split=None)[1] == []
    _, (warning,) = judge_cases(*without, *(make_facts(name, voxels=(1, 1, 0)) for name in ("p2", "p3")))
    assert "it is nowhere in the data set" in warning.text


def test_a_reference_without_foreground() -> None:
    _, (warning,) = judge_cases(make_facts("p3", voxels=(10000, 0, 0), target_hash="", foreground=0))
    assert (warning.kind, warning.cases) == ("class", ("p3",))


def test_a_crop_that_cuts_off_and_one_that_is_too_large() -> None:
    cut = [make_facts("p0", foreground_outside=100), make_facts("p3", foreground_outside=300)]
    _, (warning,) = judge_cases(*cut)
    assert (warning.kind, warning.cases) == ("crop", ("p3", "p0"))
    assert "got 10 % of the foreground outside it in 2 cases (p3, p0)" in warning.text
    assert judge_cases(crop=(100, 100))[1] == []
    _, (warning,) = judge_cases(make_facts("p2", working_shape=(4, 40, 65)), crop=(192, 192))
    assert "a largest slice of 50 x 65" in warning.text
    assert "data.crop=[64,96] is faster" in warning.text
    _, (warning,) = judge_cases(crop=(64, 64, 64))
    assert "a largest volume of 4 x 50 x 50" in warning.text


def test_cases_that_look_like_one_person() -> None:
    cases = [make_facts(f"pat{n}_{frame}", subject_id=f"pat{n}_{frame}") for n in range(3) for frame in ("ED", "ES")]
    _, warnings = judge(cases, PatternSource(), None, crop=(64, 64))  # type: ignore[arg-type]
    assert [(found.kind, found.cases) for found in warnings] == [("subject", ("pat0_ED", "pat0_ES"))]
    assert judge(cases, PatternSource(subject_pattern="(.+)_"), None, crop=(64, 64)) == ([], [])  # type: ignore[arg-type]
    assert judge(cases, Source(), None, crop=(64, 64)) == ([], [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case_ids", "found"),
    [
        (["BRATS_001", "BRATS_002"], False),
        (["site1_001", *(f"site2_{n:03}" for n in range(40))], False),
        (["a_x", "a_y", "b_x"], False),
        (["001-1", "001-2", "002-1"], True),
        (["s1_left_a", "s1_left_b", "s2_left_a"], True),
        ([], False),
    ],
)
def test_names_with_a_common_start(case_ids: list[str], found: bool) -> None:
    assert bool(find_shared_start(case_ids)) is found


def test_no_validation_part() -> None:
    _, (warning,) = judge_cases(split=Split(name="s", train=("p0", "p1", "p2"), val=(), test=("p3",)))
    assert (warning.kind, "evaluation.checkpoint_score=last" in warning.text) == ("split", True)


def test_room_that_will_be_lacking() -> None:
    needs = {"cache_dir": "c", "cache_bytes": 5, "disk_free_bytes": 5, "memory_bytes": 7, "memory_free_bytes": 7}
    assert find_shortages(needs, "memory") == []
    assert [found.kind for found in find_shortages({**needs, "disk_free_bytes": 4}, "auto")] == ["disk"]
    assert find_shortages({**needs, "memory_free_bytes": 6}, "auto") == []
    assert [found.kind for found in find_shortages({**needs, "memory_free_bytes": 6}, "memory")] == ["memory"]
