"""Tidy rows with the runs behind every number."""

from __future__ import annotations

import csv
import io
import math

import pytest

from mlseg.report.paper_cells import MEASURES, analyse
from mlseg.report.paper_csv import format_cells, format_differences, format_ranks


@pytest.fixture
def result(make_spec):
    kinds = {"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}, "brats": {"CE": None, "MbLS": None}}
    return analyse(make_spec(kinds, seeds=(1, 2), pairs=(("MbLS", "CE"),)))


def test_both_p_values_have_their_columns(make_spec):
    result = analyse(make_spec({"acdc": {"CE": {}, "LS": {"shift": 0.05}, "MbLS": {"shift": 0.1}}}))
    row = read(format_cells(result))[0]
    assert (row["method"], row["metric"]) == ("CE", "dice")
    assert float(row["p_to_best"]) == pytest.approx(2 / 2**8)
    assert float(row["p_to_best_holm"]) == pytest.approx(2 * 2 / 2**8)


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_cell_has_a_row_and_names_its_runs(result, tmp_path):
    rows = read(format_cells(result))
    assert len(rows) == 2 * 2 * len(MEASURES)
    row = next(
        r for r in rows if (r["method"], r["metric"], r["evaluation"], r["data"]) == ("CE", "dice", "paper", "acdc")
    )
    folder = (tmp_path / "acdc" / "CE").as_posix()
    assert row["runs"] == f"{folder}/seed1;{folder}/seed2"
    assert (row["theirs"], row["theirs_status"]) == (
        "0.8413",
        "pre-submission figure notebook, not checked against printed tables",
    )
    points = [float(value) for value in row["subject_values"].split()]
    assert len(points) == int(row["n_subjects"]) == 8
    assert math.fsum(points) / 8 == pytest.approx(float(row["mean"]))
    assert (row["n_seeds"], row["interval"], row["with_best"], row["settings"]) == ("2", "t", "no", "data=acdc")
    assert float(row["p_to_best_holm"]) == pytest.approx(2 / 2**8)


def test_an_empty_cell_says_why_and_keeps_theirs(result):
    rows = [r for r in read(format_cells(result)) if r["data"] == "brats"]
    assert {r["missing"] for r in rows} == {"no data at raw/brats"}
    assert {(r["mean"], r["n_subjects"], r["runs"]) for r in rows} == {("", "", "")}
    known = [r["theirs"] for r in rows if r["metric"] == "ece" and r["evaluation"] == "paper"]
    assert known == ["0.128", "0.116"]


def test_differences_name_both_sides(result):
    rows = read(format_differences(result))
    assert len(rows) == 4
    row = rows[0]
    assert (row["first"], row["second"], row["metric"], row["family"]) == ("MbLS", "CE", "dice", "1")
    assert float(row["difference"]) == pytest.approx(0.1)
    assert row["runs_first"] != row["runs_second"]


def test_ranks_hold_the_shares_and_what_is_over_data_sets(result):
    rows = read(format_ranks(result))
    own = [r for r in rows if r["metric"] == "dice"]
    assert [(r["data"], r["method"], r["rank"]) for r in own] == [
        ("acdc", "CE", "2"),
        ("acdc", "MbLS", "1"),
        ("all", "CE", ""),
        ("all", "MbLS", ""),
    ]
    assert own[0]["share_by_rank"] == "0.0000 1.0000"
    assert (own[2]["sum"], own[3]["sum"], own[3]["first_share"]) == ("2", "1", "1.0")
