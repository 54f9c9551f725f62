"""Means over frames, subjects and labels, worked by hand."""

from __future__ import annotations

import math
import random

import pytest

from mlseg.checks import RunError
from mlseg.report.summary import SummaryRow, compute_mean, compute_std, summarise

NAN = float("nan")


def pick(rows: list[SummaryRow], label: str, *, metric: str = "dice", frame: str = "") -> SummaryRow:
    found = [row for row in rows if (row.label, row.metric, row.frame) == (label, metric, frame)]
    assert len(found) == 1
    return found[0]


def test_default_averages_frames_then_subjects_then_labels(make_score):
    scores = [
        # LV: p1 has (0.9 + 0.7) / 2 = 0.8, p2 has 0.2 -> 0.5. The flat mean over cases would be 0.6.
        make_score("p1", "ED", 0.9),
        make_score("p1", "ES", 0.7),
        make_score("p2", "ED", 0.2),
        # RV: p2 alone -> 0.1. Labels last: (0.5 + 0.1) / 2 = 0.3; the flat mean over all values would be 0.475.
        make_score("p2", "ED", 0.1, label="RV"),
    ]
    rows = summarise(scores)
    lv, rv, mean = pick(rows, "LV"), pick(rows, "RV"), pick(rows, "mean")
    assert lv.mean == pytest.approx(0.5)
    assert (lv.n_subjects, lv.n_cases, lv.n_labels) == (2, 3, 1)
    assert lv.std == pytest.approx(0.6 / math.sqrt(2))
    assert rv.mean == pytest.approx(0.1)
    assert math.isnan(rv.std)
    assert mean.mean == pytest.approx(0.3)
    # Subjects' own means over labels: p1 0.8, p2 0.15.
    assert mean.std == pytest.approx(0.65 / math.sqrt(2))
    assert (mean.n_subjects, mean.n_cases, mean.n_labels) == (2, 3, 2)


def test_paper_is_the_plain_mean_over_cases(make_score):
    values = [("p1", "ED", 0.9), ("p1", "ES", 0.7), ("p2", "ED", 0.2)]
    scores = [make_score(*value, evaluation="paper") for value in values]
    scores.append(make_score("p2", "ED", 0.1, label="RV", evaluation="paper"))
    rows = summarise(scores)
    assert pick(rows, "LV").mean == pytest.approx(0.6)
    assert pick(rows, "mean").mean == pytest.approx(0.35)


def test_nan_is_left_out_and_counted_at_each_step(make_score):
    scores = [
        make_score("p1", "ED", NAN),
        make_score("p1", "ES", 0.4),
        make_score("p2", "ED", NAN),
        make_score("p2", "ES", NAN),
        make_score("p3", "ED", 0.8),
        make_score("p3", "ED", NAN, label="RV"),
    ]
    rows = summarise(scores)
    lv, rv, mean = pick(rows, "LV"), pick(rows, "RV"), pick(rows, "mean")
    assert lv.mean == pytest.approx(0.6)
    assert (lv.n_subjects, lv.n_cases, lv.n_undefined) == (2, 2, 3)
    assert math.isnan(rv.mean)
    assert (rv.n_subjects, rv.n_cases, rv.n_undefined) == (0, 0, 1)
    assert mean.mean == pytest.approx(0.6)
    assert (mean.n_labels, mean.n_subjects, mean.n_undefined) == (1, 2, 4)


def test_missed_and_invented_stand_beside_distances_only(make_score):
    scores = []
    for subject, missed, invented in (("p1", 1, 0), ("p2", 0, 1), ("p3", 1, 0)):
        for metric, value, unit in (("dice", 0.5, "1"), ("hd95", 9.0, "mm"), ("assd", 2.0, "mm"), ("hd", 9.0, "mm")):
            scores.append(make_score(subject, value=value, metric=metric, unit=unit))
            scores.append(make_score(subject, value=value, metric=metric, unit=unit, label="RV"))
        scores.append(make_score(subject, value=missed, metric="missed", unit="case"))
        scores.append(make_score(subject, value=invented, metric="invented", unit="case"))
        scores.append(make_score(subject, value=missed, metric="missed", unit="case", label="RV"))
        scores.append(make_score(subject, value=0, metric="invented", unit="case", label="RV"))
    rows = summarise(scores)
    assert {row.metric for row in rows} == {"dice", "hd", "hd95", "assd"}
    for metric in ("hd", "hd95", "assd"):
        counts = {row.label: (row.n_missed, row.n_invented) for row in rows if row.metric == metric}
        assert counts == {"LV": (2, 1), "RV": (2, 0), "mean": (4, 1)}
    assert pick(rows, "LV").n_missed is None


def test_counts_are_unknown_where_a_protocol_does_not_count(make_score):
    row = pick(summarise([make_score(metric="hd", unit="voxel", evaluation="paper")]), "LV", metric="hd")
    assert row.n_missed is None
    assert row.n_invented is None


def test_frames_get_rows_of_their_own(make_score):
    scores = [make_score("p1", "ED", 0.9), make_score("p1", "ES", 0.7), make_score("p2", "ED", 0.2)]
    scores += [make_score("p1", "ES", 1, metric="missed"), make_score("p1", "ED", 0, metric="missed")]
    scores += [make_score("p1", frame, 3.0, metric="hd", unit="mm") for frame in ("ED", "ES")]
    rows = summarise(scores)
    assert pick(rows, "LV", frame="ED").mean == pytest.approx(0.55)
    assert pick(rows, "LV", frame="ES").mean == pytest.approx(0.7)
    assert pick(rows, "mean", frame="ES").n_cases == 1
    assert pick(rows, "LV", metric="hd", frame="ED").n_missed == 0
    assert pick(rows, "LV", metric="hd", frame="ES").n_missed == 1


def test_one_frame_is_not_broken_down(make_score):
    assert {row.frame for row in summarise([make_score("p1"), make_score("p2")])} == {""}


def test_scores_over_all_classes_have_no_mean_over_labels(make_score):
    rows = summarise([make_score(label="all", metric="ece", region=region) for region in ("image", "boundary")])
    assert [(row.label, row.region) for row in rows] == [("all", "image"), ("all", "boundary")]


def test_order_of_rows_changes_no_number(make_scores):
    scores = make_scores()
    shuffled = random.Random(0).sample(scores, len(scores))
    assert sorted(map(repr, summarise(scores))) == sorted(map(repr, summarise(shuffled)))


def test_a_case_that_counts_twice_is_refused(make_score):
    with pytest.raises(RunError, match="p1_ED twice"):
        summarise([make_score(), make_score()])


def test_two_units_of_one_score_are_refused(make_score):
    with pytest.raises(RunError, match="hd must have one unit, got 'mm' and 'voxel'"):
        summarise([make_score("p1", metric="hd", unit="mm"), make_score("p2", metric="hd", unit="voxel")])


def test_mean_and_std_of_nothing_are_nan():
    assert math.isnan(compute_mean([NAN]))
    assert math.isnan(compute_std([1.0, NAN]))
    assert summarise([]) == []
