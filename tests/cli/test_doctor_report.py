"""How a report is shown: lines that fit, files with one problem together, and the last line."""

from __future__ import annotations

from typing import Any

import pytest

from mlseg.cli.doctor_report import format_report, format_verdict

SPLIT = {
    "name": "mine",
    "train": {"subjects": 2, "cases": 4},
    "val": {"subjects": 0, "cases": 0},
    "test": {"subjects": 1, "cases": 1},
    "unused": {"subjects": 0, "cases": 0},
}
REPORT: dict[str, Any] = {
    "version": 1,
    "data": "msd",
    "name": "Liver",
    "root": "/data/Task03",
    "layout": [
        {"place": "imagesTr", "folders": 1, "images": 5, "references": 0},
        {"place": "labelsTr/*", "folders": 5, "images": 0, "references": 5},
    ],
    "cases": 5,
    "cases_read": 5,
    "subjects": 3,
    "frames": {"ED": 3, "ES": 2},
    "groups": {"": 1, "HGG": 2},
    "channels": [{"name": "CT", "min": -1024.0, "max": 3071.0}],
    "classes": [
        {
            "name": "background",
            "voxels": 123456,
            "share": 0.9,
            "cases_with": 5,
            "cases_without": 0,
            "training_subjects": 2,
        },
        {"name": "liver", "voxels": 7, "share": 1e-7, "cases_with": 4, "cases_without": 1, "training_subjects": 1},
    ],
    "shape": {"min": [10, 20, 30], "median": [12, 20, 30], "max": [14, 20, 30], "different": 3},
    "spacing_mm": {"min": [5, 1, 1], "median": [5, 1, 1], "max": [5, 1, 1], "different": 1},
    "orientations": {"LPS": 4, "RAS": 1},
    "corner_distance_mm": 0.00012,
    "split": SPLIT,
    "needs": {
        "cache_dir": "data/cache",
        "cache_bytes": 1_500_000_000,
        "disk_free_bytes": 2_000_000,
        "memory_bytes": 3_000_000,
        "memory_free_bytes": 4_000_000,
    },
    "problems": [],
    "warnings": [],
    "seconds": 1.26,
    "processes": 1,
    "case_list": [],
}


def case_finding(text: str) -> dict[str, Any]:
    return {"kind": "case", "text": text, "cases": ["a"]}


def show(**changes: Any) -> list[str]:
    return format_report({**REPORT, **changes}, width=80).splitlines()


def test_what_is_known_stands_in_lines() -> None:
    assert show() == [
        "  data set  msd (Liver) in /data/Task03",
        "  layout    imagesTr: 5 images",
        "            labelsTr/*: 5 folders, 5 references",
        "  cases     5 of 3 subjects",
        "  frames    ED 3, ES 2",
        "  groups    unknown 1, HGG 2",
        "  channels  CT: -1024 to 3071",
        "  shape     10-14 x 20 x 30 voxels (d, h, w)",
        "            3 different, median 12 x 20 x 30",
        "  spacing   5 x 1 x 1 mm (d, h, w) in all cases",
        "  axes      LPS 4, RAS 1",
        "  affines   of one case at most 0.00012 mm apart",
        "  split     mine: train 2, val 0, test 1 subjects (4, 0, 1 cases)",
        "  disk      1.5 GB for the cache in data/cache (2 MB free)",
        "  memory    3 MB for data.residency=memory (4 MB free)",
        "",
        "  class         voxels      share   cases with   without   training subjects",
        f" {'─' * 75}",
        "  background   123,456       90 %            5         0                   2",
        "  liver              7   <0.001 %            4         1                   1",
        "",
        "5 cases looked at in 1.3 s",
        "no problems found",
    ]


def test_what_is_not_known_is_left_out() -> None:
    unread = dict.fromkeys(("shape", "spacing_mm", "split", "corner_distance_mm"))
    classes = [{**row, "training_subjects": None} for row in REPORT["classes"]]
    lines = show(**unread, cases_read=0, orientations={}, frames={}, classes=classes, name="msd", processes=3)
    titles = [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]
    assert titles == ["data", "layout", "cases", "groups", "disk", "memory"]
    assert lines[0] == "  data set  msd in /data/Task03"
    assert "5 of 3 subjects; 5 can't be read" in lines[3]
    assert lines[-2] == "5 cases looked at in 1.3 s by 3 processes"
    assert "training" not in "".join(show(classes=classes))


def test_a_data_set_that_cannot_be_listed() -> None:
    empty = {key: None for key in REPORT if key not in ("data", "root", "name", "warnings", "seconds", "processes")}
    lines = show(**{**empty, "problems": [{"kind": "layout", "text": "/data/Task03/x: is bad.", "cases": []}]})
    assert lines == [
        "  data set  msd (Liver) in /data/Task03",
        "",
        "1 problem:",
        "  - /data/Task03/x: is bad.",
        "",
        "nothing else can be looked at before that is right",
        "1 problem, 0 warnings",
    ]


def test_findings_are_wrapped_and_paths_begin_at_the_root() -> None:
    problems = [case_finding(f"/data/Task03/a/{'x' * 90}.nii: is bad. Look at data.root=/data/Task03/b.")]
    lines = show(problems=problems, warnings=[{"kind": "crop", "text": "data.crop: " + "word " * 30, "cases": []}])
    start = lines.index("1 problem:")
    assert lines[start + 1] == f"  - a/{'x' * 90}.nii:"
    assert lines[start + 2] == "    is bad. Look at data.root=/data/Task03/b."
    assert lines[start + 4] == "1 warning:"
    wrapped = lines[start + 5 : -2]
    assert max(map(len, wrapped)) <= 80
    assert sum(line.count("word") for line in wrapped) == 30
    assert lines[-1] == "1 problem, 1 warning"


@pytest.mark.parametrize("count", [3, 4])
def test_many_files_with_one_problem_are_listed_below_it(count: int) -> None:
    paths = [f"a/{n}.nii" for n in range(count)]
    problems = [case_finding(f"/data/Task03/{path}: must exist.") for path in paths] + [
        case_finding("/data/Task03/b: bad.")
    ]
    lines = show(problems=problems)
    found = lines[lines.index(f"{count + 1} problems:") + 1 : -3]
    together = ["  - 4 times: must exist.", *(f"      {path}" for path in paths)]
    apart = [f"  - {path}: must exist." for path in paths]
    assert found == [*(together if count > 3 else apart), "  - b: bad."]


def test_subjects_in_no_part_and_many_frames() -> None:
    frames = {f"{n:03}": 1 for n in range(10)}
    text = "\n".join(show(split={**SPLIT, "unused": {"subjects": 1, "cases": 2}}, frames=frames, cases_read=4))
    assert "1 subject more on disk in no part" in text
    assert "007 1, and 2 more" in text
    assert "(without the cases that can't be read)" in text


def test_no_colours_and_no_trailing_blanks() -> None:
    text = "\n".join(show())
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((0, 0), "no problems found"),
        ((0, 1), "no problems found, 1 warning"),
        ((1, 0), "1 problem, 0 warnings"),
        ((2, 3), "2 problems, 3 warnings"),
    ],
)
def test_the_last_line(counts: tuple[int, int], verdict: str) -> None:
    assert format_verdict(*counts) == verdict
