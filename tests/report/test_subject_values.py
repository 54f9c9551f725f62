"""Frames, seeds, subjects, labels: averaged in this order, and never a subject against another."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.subject_values import Measure, collect_values, spread_over_subjects, subtract, take_subjects
from mlseg.report.summary import compute_std, summarise

NAN = float("nan")
DICE = Measure(evaluation="default", metric="dice", region="image")


def summary_mean(scores, measure):
    label = "all" if measure.metric in ("ece", "cece") else "mean"
    rows = summarise(scores)
    return next(
        row
        for row in rows
        if (row.evaluation, row.metric, row.region, row.label, row.frame)
        == (measure.evaluation, measure.metric, measure.region, label, "")
    )


@pytest.mark.parametrize("evaluation", ["default", "paper"])
@pytest.mark.parametrize(("metric", "region"), [("dice", "image"), ("hd95", "image"), ("ece", "foreground")])
def test_one_run_has_the_mean_of_its_summary(make_scores, evaluation, metric, region):
    scores = make_scores()  # with a missed structure, and a subject whose second label is undefined
    measure = Measure(evaluation=evaluation, metric=metric, region=region)
    found, row = collect_values([scores], measure), summary_mean(scores, measure)
    assert found.mean == pytest.approx(row.mean, rel=1e-12)
    assert np.nanmean(found.per_subject) == pytest.approx(row.mean, rel=1e-9)
    assert (found.n_subjects, found.n_cases, found.n_undefined) == (row.n_subjects, row.n_cases, row.n_undefined)
    if metric != "ece":
        assert (found.n_missed, found.n_invented) == (row.n_missed, row.n_invented) or metric == "dice"


def test_without_gaps_a_subject_has_its_own_mean_over_labels(make_scores):
    scores = [s for s in make_scores() if s.subject_id != "patient004"]
    found = collect_values([scores], DICE)
    assert found.per_subject == pytest.approx(found.values.mean(axis=1), abs=1e-11)
    assert compute_std(found.per_subject) == pytest.approx(summary_mean(scores, DICE).std, rel=1e-9)


def test_seeds_are_averaged_within_subject(make_score):
    def run(*values):
        frames = zip(("p1", "p1", "p2"), ("ED", "ES", "ED"), values, strict=True)
        return [make_score(subject, frame, value) for subject, frame, value in frames]

    found = collect_values([run(0.2, 0.4, 0.9), run(0.4, NAN, 0.5)], DICE)
    # p1: (0.2 + 0.4) / 2 = 0.3 and 0.4 -> 0.35; all three values together would be 0.333.
    assert found.values[:, 0] == pytest.approx([0.35, 0.7])
    assert found.mean == pytest.approx(0.525)
    assert (found.n_seeds, found.n_subjects, found.n_cases, found.n_undefined) == (2, 2, 3, 1)


def test_cases_weigh_alike_under_the_authors_protocol(make_score):
    values = [("p1", "ED", 0.9), ("p1", "ES", 0.7), ("p2", "ED", 0.2)]
    scores = [make_score(*value, evaluation="paper") for value in values]
    found = collect_values([scores], Measure(evaluation="paper", metric="dice", region="image"))
    assert found.mean == pytest.approx(0.6)
    assert found.per_subject.mean() == pytest.approx(0.6)


def test_gaps_leave_mean_and_spread_those_of_the_estimate():
    values = np.array([[0.8, 0.6], [0.9, NAN], [0.7, 0.4], [0.6, 0.2]])
    weights = (~np.isnan(values)).astype(float)
    found = spread_over_subjects(values, weights)
    assert found.mean() == pytest.approx((0.75 + 0.4) / 2)
    # The standard error that follows is the one of a jackknife, but for terms of higher order.
    others = [np.delete(values, i, axis=0) for i in range(4)]
    pseudo = [np.nanmean(np.nanmean(x, axis=0)) for x in others]
    jackknife = math.sqrt(3 / 4 * np.sum((np.array(pseudo) - np.mean(pseudo)) ** 2))
    assert found.std(ddof=1) / 2 == pytest.approx(jackknife, rel=0.15)
    nothing = spread_over_subjects(np.full((2, 1), NAN), np.zeros((2, 1)))
    assert np.isnan(nothing).all()


def test_pairs_are_subjects_whatever_their_order_and_only_where_both_are_defined(make_score):
    def collect(values):
        return collect_values([[make_score(s, "ED", v, label=label) for s, label, v in values]], DICE)

    first = collect([("p1", "LV", 0.9), ("p2", "LV", 0.5), ("p1", "RV", 0.8), ("p2", "RV", 0.4)])
    second = collect([("p2", "LV", 0.4), ("p1", "LV", 0.7), ("p2", "RV", NAN), ("p1", "RV", 0.4)])
    # LV: 0.2 and 0.1; RV: 0.4 for p1 alone; labels last: (0.15 + 0.4) / 2.
    found = subtract(first, second)
    assert found.mean() == pytest.approx(0.275)
    assert len(found) == 2
    assert subtract(second, first).mean() == pytest.approx(-0.275)
    assert take_subjects(first, ["p2"]).mean == pytest.approx(0.45)
    with pytest.raises(RunError, match="same subjects"):
        subtract(first, take_subjects(second, ["p1"]))


def test_runs_of_other_cases_or_without_the_score_are_refused(make_score):
    one, other = [make_score("p1", "ED", 0.5)], [make_score("p1", "ES", 0.5)]
    with pytest.raises(RunError, match="same cases, got p1_ED, p1_ES"):
        collect_values([one, other], DICE)
    with pytest.raises(RunError, match="must be in each run"):
        collect_values([one, [dataclasses.replace(one[0], metric="nsd")]], DICE)


def test_measures_know_their_direction_and_name():
    ece = Measure(evaluation="default", metric="ece", region="foreground")
    assert (DICE.title, DICE.higher, ece.title, ece.higher) == ("Dice", True, "ECE foreground", False)
    with pytest.raises(RunError, match="metric must be one of"):
        _ = Measure(evaluation="default", metric="dise", region="image").higher
