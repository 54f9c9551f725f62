"""The table of cases."""

from __future__ import annotations

import re

import pytest

from mlseg.records import Score, read_scores, write_scores
from mlseg.report.html_cases import collect_cases, draw_cases
from mlseg.report.html_groups import group_sets
from mlseg.report.run_set import group_runs, read_run
from mlseg.report.subject_values import Measure

DICE = Measure(evaluation="default", metric="dice", region="image")


@pytest.fixture
def group(tmp_path, write_run):
    runs = [read_run(write_run(tmp_path / loss, loss=loss, subjects=3)) for loss in ("ce", "mbls")]
    (found,) = group_sets(group_runs(runs))
    return found


def list_rows(table):
    body = table.partition("<tbody>")[2]
    rows = re.findall(r'<tr data-run="(\d+)" data-case="(\d+)">(.*?)</tr>', body)
    return {(int(run), int(case)): re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for run, case, row in rows}


def test_a_row_for_each_case_and_run_with_means_over_labels(group):
    scores = [collect_cases(run) for _, run in group.runs]
    rows = list_rows(draw_cases(group, scores))
    assert sorted(rows) == [(run, case) for run in range(2) for case in range(6)]
    own = [
        s.value for s in group.runs[1][1].scores if (s.case_id, s.metric, s.evaluation) == ("p01_ES", "dice", "default")
    ]
    row = rows[1, 3]
    assert row[0] == '<button type="button" class="show">p01_ES</button>'
    assert row[1:6] == ["p01", "ES", "mbls", "1", f"{sum(own) / 2:.3f}"]


def test_what_does_not_vary_has_no_column(group):
    table = draw_cases(group, [collect_cases(run) for _, run in group.runs])
    heads = re.findall(r"<button[^>]*>([^<]*)</button></th>", table.partition("<tbody>")[0])
    assert heads[:5] == ["Case", "Subject", "Frame", "Runs", "Seed"]
    assert heads[-2:] == ["Missed", "Invented"]


def test_missed_labels_are_named_once(tmp_path, write_run):
    path = write_run(tmp_path / "a", subjects=1)
    rows = read_scores(path / "scores.csv")
    case = {"subject_id": "p00", "case_id": "p00_ED", "frame": "ED", "group": "", "region": "image", "unit": "case"}
    kept = [row for row in rows if row.metric != "missed"]
    marks = [
        Score(**case, evaluation=evaluation, label="<RV>", metric="missed", value=1.0, n=1)
        for evaluation in ("default", "merged")
    ]
    write_scores(path / "scores.csv", [*kept, *marks])
    run = read_run(path)
    scores = collect_cases(run)
    assert scores["p00_ED"].list_marked("missed") == ["<RV>"]
    assert scores["p00_ES"].list_marked("missed") is None
    (group,) = group_sets(group_runs([run]))
    rows = list_rows(draw_cases(group, [scores]))
    assert [row[-2:] for row in rows.values()] == [["&lt;RV&gt;", ""], ["–", ""]]


def test_labels_are_spelled_out(group):
    own = collect_cases(group.first)["p00_ED"]
    assert re.fullmatch(r"RV 0\.\d{3}, LV 0\.\d{3}", own.describe_labels(DICE))


def test_a_score_that_is_not_there_is_no_number(group):
    own = collect_cases(group.first)["p00_ED"]
    assert own.average(Measure(evaluation="default", metric="nsd", region="image")) == "n/a"
