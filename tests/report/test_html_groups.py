"""Which runs can stand in one table of the page."""

from __future__ import annotations

import itertools

import pytest

from mlseg.checks import RunError
from mlseg.records import read_scores, write_scores
from mlseg.report.html_groups import MANY_SETS, compare_group, group_sets, summarise_group
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def gather(tmp_path, write_run):
    made = itertools.count()

    def call(*kinds, seeds=(1,)):
        runs = [
            read_run(write_run(tmp_path / str(next(made)), seed=seed, **options)) for options in kinds for seed in seeds
        ]
        return group_sets(group_runs(runs))

    return call


def test_the_same_data_makes_one_group(gather):
    (group,) = gather({}, {"loss": "mbls", "shift": 0.1}, seeds=(1, 2))
    assert [one.name for one in group.sets] == ["ce", "mbls"]
    assert [(name, run.seed) for name, run in group.runs] == [("ce", 1), ("ce", 2), ("mbls", 1), ("mbls", 2)]
    assert (len(group.cases), len(group.subjects)) == (16, 8)
    assert [f"{m.metric} {m.region}" for m in group.measures["default"]] == [
        "dice image",
        "hd95 image",
        "ece foreground",
        "cece foreground",
        "ece image",
    ]
    assert len(group.measures["paper"]) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"first": 2},
        {"frames": ("ED",)},
        {"voxels": 999},
        {"settings": {"evaluation.default.bins": 20}},
        {"data": "brats"},
    ],
)
def test_other_data_or_definitions_make_a_group_of_their_own(gather, other):
    groups = gather({}, {"loss": "mbls", **other}, {"loss": "ls"})
    assert [one.name for one in groups[0].sets] == ["ce", "ls"]
    assert [[one.first.choices["loss"] for one in group.sets] for group in groups] == [["ce", "ls"], ["mbls"]]


def test_the_headline_protocol_comes_first(gather):
    (group,) = gather({"settings": {"evaluation.protocols": ["paper", "default"]}})
    assert list(group.measures) == ["paper", "default"]


def test_a_score_that_a_run_lacks_is_left_out(tmp_path, write_run):
    paths = [write_run(tmp_path / "a"), write_run(tmp_path / "b", loss="mbls")]
    rows = read_scores(paths[1] / "scores.csv")
    write_scores(paths[1] / "scores.csv", [row for row in rows if row.metric != "hd95" and row.evaluation != "paper"])
    (group,) = group_sets(group_runs([read_run(path) for path in paths]))
    assert list(group.measures) == ["default"]
    assert "hd95" not in [measure.metric for measure in group.measures["default"]]


def test_runs_without_a_score_in_common_are_refused(tmp_path, write_run):
    path = write_run(tmp_path / "a")
    rows = read_scores(path / "scores.csv")
    write_scores(path / "scores.csv", [row for row in rows if row.metric == "missed"])
    with pytest.raises(RunError, match="must share a score"):
        group_sets(group_runs([read_run(path)]))


def test_every_set_is_compared_with_every_other(gather):
    (group,) = gather({}, {"loss": "mbls", "shift": 0.1}, {"loss": "ls"})
    found = compare_group(group, "default")
    assert [[one.name for one in compared.sets] for compared in found] == [
        ["ce", "mbls", "ls"],
        ["mbls", "ce", "ls"],
        ["ls", "ce", "mbls"],
    ]
    dice = group.measures["default"][0]
    assert found[0].comparisons["mbls", dice].difference == pytest.approx(0.1, abs=0.02)
    assert found[1].comparisons["ce", dice].difference == -found[0].comparisons["mbls", dice].difference


def test_many_sets_are_compared_with_the_first(gather):
    (group,) = gather(*({"loss": f"l{k}", "subjects": 3} for k in range(MANY_SETS + 1)))
    assert [compared.sets[0].name for compared in compare_group(group, "default")] == ["l0"]


def test_what_cannot_be_compared_says_why(gather):
    (group,) = gather({"settings": {"data.crop": [64, 64]}}, {"settings": {"data.crop": [96, 96]}})
    assert "data.crop" in compare_group(group, "paper")
    assert not isinstance(compare_group(group, "default"), str)
    (alone,) = gather({"settings": {"x": 1}})
    assert "one configuration only" in compare_group(alone, "default")


def test_who_cannot_be_told_from_the_best_is_marked_only_where_that_was_tested(gather):
    (group,) = gather({}, {"loss": "mbls", "shift": 0.1})
    dice = group.measures["default"][0]
    tested = summarise_group(group, "default", tested=True)
    assert (tested["ce", dice].with_best, tested["mbls", dice].with_best) == (False, True)
    plain = summarise_group(group, "default", tested=False)
    assert {entry.with_best for entry in plain.values()} == {None}
    assert plain["mbls", dice].interval == tested["mbls", dice].interval


def test_other_cases_tell_apart_where_no_size_of_a_reference_is_known(tmp_path, write_run):
    paths = [write_run(tmp_path / "a"), write_run(tmp_path / "b", loss="mbls", frames=("ED",))]
    for path in paths:
        write_scores(path / "scores.csv", [s for s in read_scores(path / "scores.csv") if s.metric == "dice"])
    assert len(group_sets(group_runs([read_run(path) for path in paths]))) == 2
