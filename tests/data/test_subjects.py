"""Finding the person in a case id."""

from __future__ import annotations

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.subjects import check_pattern, check_subjects, find_subject


@pytest.mark.parametrize(
    ("case_id", "pattern", "subject"),
    [
        ("patient001_frame12", r"(patient\d+)_", "patient001"),
        ("site2-007-b", r"-(\d+)-", "007"),
        ("a_1", None, "a_1"),
        ("kidney_3", "(.*)", "kidney_3"),
    ],
)
def test_the_group_is_the_subject(case_id: str, pattern: str | None, subject: str) -> None:
    assert find_subject(case_id, pattern) == subject


@pytest.mark.parametrize("case_id", ["volunteer001", "patient_"])
def test_a_case_without_a_subject_is_an_error(case_id: str) -> None:
    with pytest.raises(DataError, match=f"{case_id}: data.source.subject_pattern must find a subject") as caught:
        find_subject(case_id, r"patient(\d*)")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "reason"), [("(", "unterminated"), (r"patient\d+", "0 groups"), ("(a)(b)", "2 groups"), (3, "string")]
)
def test_a_pattern_has_one_group(pattern: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.source\.subject_pattern: must be .* with one group, got .*{reason}"):
        check_pattern(pattern)


def test_scans_of_one_person_are_not_split_unless_it_is_said_whose_they_are():
    frames = ["patient001_frame01", "patient001_frame12", "patient002_frame01", "patient002_frame10"]
    with pytest.raises(ConfigError, match=r"patient001_frame01 and patient001_frame12 look like scans of one person"):
        check_subjects(frames, None)
    check_subjects(frames, "(.+)")
    check_subjects(["hippocampus_001", "hippocampus_002"], None)
