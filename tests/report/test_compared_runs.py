"""Sets against the first, on the same subjects, under the same definitions, or not at all."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.report.compared_runs import compare_sets
from mlseg.report.run_set import group_runs, read_run
from mlseg.report.subject_values import Measure

DICE = Measure(evaluation="default", metric="dice", region="image")
ECE = Measure(evaluation="default", metric="ece", region="foreground")
PAPER = Measure(evaluation="paper", metric="dice", region="image")


@pytest.fixture
def compare(tmp_path, write_run):
    def call(*kinds, seeds=(1,), measures=(DICE, ECE), common=False):
        runs = [
            read_run(write_run(tmp_path / f"{place}-{seed}", seed=seed, **options))
            for place, options in enumerate(kinds)
            for seed in seeds
        ]
        return compare_sets(group_runs(runs), measures, common=common)

    return call


def test_all_are_compared_with_the_first(compare):
    found = compare({}, {"loss": "mbls", "shift": 0.1}, {"loss": "ls", "shift": 0.05}, seeds=(1, 2))
    assert [one.name for one in found.sets] == ["ce", "mbls", "ls"]
    assert set(found.comparisons) == {(name, m) for name in ("mbls", "ls") for m in (DICE, ECE)}
    assert found.comparisons["mbls", DICE].difference == pytest.approx(0.1)
    assert found.comparisons["mbls", ECE].difference == pytest.approx(-0.1)
    assert found.comparisons["mbls", DICE].p_holm == pytest.approx(2 * 2 / 2**8)
    assert found.values["ls", DICE].n_seeds == 2
    assert (len(found.subjects), found.left_out) == (8, ())


def test_other_subjects_need_the_word(compare):
    kinds = ({}, {"loss": "mbls", "shift": 0.1, "first": 2})
    with pytest.raises(RunError, match=r"got 4 that only some have \(p00, p01, p08, \.\.\.\)\. Give common=true"):
        compare(*kinds)


def test_common_subjects_are_compared_alone(compare):
    found = compare({}, {"loss": "mbls", "shift": 0.1, "first": 2}, common=True)
    assert found.subjects == ("p02", "p03", "p04", "p05", "p06", "p07")
    assert found.left_out == ("p00", "p01", "p08", "p09")
    assert found.comparisons["mbls", DICE].n == 6


def test_without_common_subjects_there_is_no_comparison(compare):
    with pytest.raises(RunError, match="none in common"):
        compare({"settings": {"a": 1}}, {"first": 8, "settings": {"a": 2}}, common=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": {"evaluation.default.bins": 20}}, r"judged alike, got evaluation.default.bins 15 and 20"),
        ({"frames": ("ED",)}, "same cases, got p00_ES"),
        ({"voxels": 999}, "same reference, got voxels of it in p00_ED 1000 and 999"),
    ],
)
def test_what_was_not_judged_alike_is_refused(compare, changes, said):
    with pytest.raises(RunError, match=said):
        compare({}, {"loss": "mbls", **changes})


def test_the_crop_matters_where_the_protocol_looks_at_it(compare):
    kinds = ({"settings": {"data.crop": [64, 64]}}, {"settings": {"data.crop": [96, 96]}})
    with pytest.raises(RunError, match=r"data.crop .* \(evaluation=paper\)"):
        compare(*kinds, measures=(PAPER,))


def test_the_crop_does_not_matter_on_the_native_grid(compare):
    kinds = ({"settings": {"data.crop": [64, 64]}}, {"settings": {"data.crop": [96, 96]}})
    assert [one.name for one in compare(*kinds).sets] == ["crop=[64, 64]", "crop=[96, 96]"]


def test_one_configuration_is_no_comparison(compare):
    with pytest.raises(RunError, match=r"at least two configurations, got one \(seeds 1, 2\)"):
        compare({}, seeds=(1, 2))


def test_a_score_that_not_all_have_is_left_out(compare):
    unknown = Measure(evaluation="default", metric="nsd", region="image")
    found = compare({}, {"loss": "mbls"}, measures=(DICE, unknown))
    assert found.measures == (DICE,)


def test_no_score_in_common_is_refused(compare):
    unknown = Measure(evaluation="default", metric="nsd", region="image")
    with pytest.raises(RunError, match="must be in all runs, got none of nsd"):
        compare({}, {"loss": "mbls"}, measures=(unknown,))
