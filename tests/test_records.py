import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlseg.checks import RunError
from mlseg.records import COLUMNS, Score, read_json, read_scores, replacing, write_json, write_scores, write_text

SCORE = Score(
    evaluation="default",
    subject_id="patient001",
    case_id="patient001_frame01",
    frame="ED",
    group="DCM",
    label='LV, "left"',
    region="image",
    metric="dice",
    value=0.1 + 0.2,
    unit="1",
    n=1234,
)


@given(value=st.floats(allow_nan=True, allow_infinity=True))
def test_scores_come_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    path = tmp_path_factory.getbasetemp() / "scores.csv"
    write_scores(path, [replace(SCORE, value=value), SCORE])
    first, second = read_scores(path)
    assert second == SCORE
    assert first.value == value or (math.isnan(first.value) and math.isnan(value))


def test_the_columns_are_the_fields_of_a_score(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.csv", [SCORE])
    lines = (tmp_path / "scores.csv").read_text().splitlines()
    assert lines[0] == "evaluation,subject_id,case_id,frame,group,label,region,metric,value,unit,n"
    assert lines[0] == ",".join(COLUMNS)
    assert (
        lines[1] == 'default,patient001,patient001_frame01,ED,DCM,"LV, ""left""",image,dice,0.30000000000000004,1,1234'
    )


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("case,dice\na,1\n")
    with pytest.raises(RunError, match="columns must be evaluation, subject_id"):
        read_scores(tmp_path / "scores.csv")


def test_json_has_null_where_nothing_is_defined(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (1, None)}})
    assert json.loads((tmp_path / "run.json").read_text()) == {"a": None, "b": [None, 1.5], "c": {"d": [1, None]}}


@pytest.mark.parametrize("text", ['{"state": "run', "[1, 2]", "\x00\x01"])
def test_a_damaged_json_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(RunError, match=r"status.json: must") as caught:
        read_json(tmp_path / "status.json")
    assert "\n" not in str(caught.value)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "first")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the sec")
            assert path.read_text() == "first"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "first"
    with pytest.raises(RunError, match=r"file: cannot be written \(No space left on device\)"), replacing(path):
        raise OSError(28, "No space left on device")
    write_text(path, "second")
    assert path.read_text() == "second"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_damaged_table_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_scores(path, [SCORE] * 3)
    whole = path.read_bytes()
    for damaged, where in (
        (whole[:-8], "row 3"),
        (whole.replace(b"0.3", b"zero", 1), "row 1"),
        (b"\xff" + whole, "row 1"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=f"must be whole, got a file damaged at {where} "):
            read_scores(path)
    with pytest.raises(RunError, match=r"none\.csv: must be whole"):
        read_scores(tmp_path / "none.csv")


def test_a_json_file_without_end_is_no_recursion_error(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("[" * 100_000)
    with pytest.raises(RunError, match="must be a JSON file"):
        read_json(path)
