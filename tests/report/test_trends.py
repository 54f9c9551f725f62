"""Points against a numeric setting."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.run_set import build_set, read_run
from mlseg.report.subject_values import Measure
from mlseg.report.trends import align_subjects, collect_points, find_trend, format_points

DICE = Measure(evaluation="default", metric="dice", region="image")
ECE = Measure(evaluation="default", metric="ece", region="foreground")


@pytest.fixture
def sets(tmp_path, write_run):
    """Two seeds each of margin 0, 3 and 20, whose Dice rises by 0.01 a step."""
    found = {}
    for margin, shift in ((20, 0.02), (0, 0.0), (3, 0.01)):
        folder = tmp_path / f"m{margin}"
        places = [write_run(folder / f"seed{seed}", shift=shift, seed=seed, loss="mbls") for seed in (1, 2)]
        found[float(margin)] = build_set(f"m{margin}", [read_run(place) for place in places])
    return found


def test_points_are_in_order_with_seeds_within_subjects(sets):
    points = collect_points(sets, [DICE, ECE])
    assert [point.x for point in points] == [0, 3, 20]
    means = [point.values[DICE].mean for point in points]
    assert np.diff(means) == pytest.approx([0.01, 0.01])
    assert (points[0].values[DICE].n_seeds, points[0].values[DICE].n_subjects) == (2, 8)
    assert [path.name for path in points[2].runs] == ["seed1", "seed2"]
    assert points[2].runs[0].parent.name == "m20"


def test_others_tested_are_refused(sets, tmp_path, write_run):
    other = build_set("m8", [read_run(write_run(tmp_path / "m8", subjects=5))])
    with pytest.raises(RunError, match=r"same cases.*m8 \(8\)"):
        collect_points({**sets, 8.0: other}, [DICE])


def test_other_seeds_are_refused(sets):
    one = build_set("m3", sets[3.0].runs[:1])
    with pytest.raises(RunError, match=r"same seeds, got \(1, 2\) \(0\) and \(1,\) \(3\)"):
        collect_points({**sets, 3.0: one}, [DICE])


def test_subjects_are_followed_whatever_their_order(sets):
    points = collect_points(sets, [DICE])
    own = align_subjects(points, DICE)
    assert own.shape == (3, 8)
    # the noise of a subject is the same in all runs of a seed
    assert np.diff(own, axis=0) == pytest.approx(np.full((2, 8), 0.01))
    values = points[1].values[DICE]
    turned = replace(values, subjects=values.subjects[::-1], values=values.values[::-1], weights=values.weights[::-1])
    again = align_subjects([points[0], replace(points[1], values={DICE: turned})], DICE)
    assert again == pytest.approx(own[:2])


def test_a_subject_that_lacks_a_label_has_its_own_mean(sets):
    points = collect_points(sets, [DICE])
    values = points[0].values[DICE]
    # An easy label that only the first subject has, and a subject without any.
    values.values[0, 0], values.values[1:, 1], values.values[1, 0] = 0.95, np.nan, np.nan
    values.weights[np.isnan(values.values)] = 0
    own = align_subjects(points, DICE)[0]
    assert own[0] == pytest.approx(values.values[0].mean())
    assert abs(own[0] - values.per_subject[0]) < 1e-9 < np.nanmax(abs(own - values.per_subject))
    assert np.isnan(own[1])
    assert own[2:] == pytest.approx(values.values[2:, 0])


def test_the_points_as_a_table(sets):
    points = collect_points(sets, [DICE, ECE])
    rows = list(csv.DictReader(io.StringIO(format_points("loss.margin", points))))
    assert [(row["value"], row["metric"]) for row in rows[:3]] == [("0", "dice"), ("0", "ece"), ("3", "dice")]
    first = rows[0]
    assert float(first["mean"]) == pytest.approx(points[0].values[DICE].mean)
    assert float(first["low"]) < float(first["mean"]) < float(first["high"])
    assert (first["n_subjects"], first["n_cases"], first["n_seeds"], first["interval"]) == ("8", "16", "2", "t")
    assert first["runs"].split(";") == [path.as_posix() for path in points[0].runs]


def test_without_an_interval_its_ends_are_empty(tmp_path, write_run):
    runs = {float(m): build_set(f"{m}", [read_run(write_run(tmp_path / str(m), subjects=2))]) for m in (1, 2)}
    rows = list(csv.DictReader(io.StringIO(format_points("x", collect_points(runs, [DICE])))))
    assert (rows[0]["low"], rows[0]["high"], rows[0]["interval"]) == ("", "", "none")


MARGINS = {f"m = {m}": ["model=unet", "loss=mbls", f"loss.margin={m}"] for m in (0, 3, 20)}


def test_rows_that_one_number_sets_apart():
    found = find_trend({"CE": ["model=unet", "loss=ce"], **MARGINS})
    assert found.setting == "loss.margin"
    assert found.groups == (((0, "m = 0"), (3, "m = 3"), (20, "m = 20")),)
    assert found.others == ("CE",)


def test_two_lines_of_one_setting():
    words = {
        f"{loss} {m}": [f"loss={loss}", f"loss.margin={m}", "trainer.max_epochs=9"] for m in (5, 3, 10) for loss in "ab"
    }
    found = find_trend(words)
    assert [[row for _, row in group] for group in found.groups] == [["a 3", "a 5", "a 10"], ["b 3", "b 5", "b 10"]]
    assert found.others == ()


@pytest.mark.parametrize(
    "words",
    [
        {"CE": ["loss=ce"], "FL": ["loss=fl", "loss.gamma=3"]},
        {"m = 0": MARGINS["m = 0"], "m = 3": MARGINS["m = 3"]},
        {f"{m}": ["loss=mbls", f"loss.margin={m}", f"optimizer.lr={m}"] for m in (1, 2, 3)},
        {name: [f"model={name}"] for name in ("unet", "nan", "inf", "-inf")},
        {},
    ],
)
def test_no_trend(words):
    assert find_trend(words) is None
