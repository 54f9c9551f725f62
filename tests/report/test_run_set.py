"""Runs of one cell differ in the seed only; anything else is named and refused."""

from __future__ import annotations

import shutil

import pytest

from mlseg.checks import RunError
from mlseg.records import read_json, write_json
from mlseg.report.run_set import build_set, group_runs, name_sets, read_run


def test_seeds_of_one_configuration_make_a_set(tmp_path, write_run):
    runs = [read_run(write_run(tmp_path / str(seed), seed=seed)) for seed in (3, 1, 2)]
    found = build_set("CE", runs)
    assert found.seeds == (1, 2, 3)
    assert len(found.runs[0].cases) == 16


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": {"loss.margin": 5}}, "loss.margin nothing and 5"),
        ({"settings": {"trainer.max_epochs": 9}}, "trainer.max_epochs nothing and 9"),
        ({"loss": "mbls"}, "loss._target_ ce and mbls"),
        ({"split": {"fingerprint": "g"}}, "fingerprint f and g"),
        ({"split": {"train": ["t2"]}}, "train"),
    ],
)
def test_what_differs_is_named(tmp_path, write_run, changes, named):
    runs = [read_run(write_run(tmp_path / "a")), read_run(write_run(tmp_path / "b", seed=2, **changes))]
    with pytest.raises(RunError, match="cell x") as error:
        build_set("cell x", runs)
    assert named in str(error.value)
    assert str(tmp_path / "a") in str(error.value)


def test_where_a_run_lies_and_how_a_number_is_written_make_no_difference(tmp_path, write_run):
    first = write_run(tmp_path / "a", settings={"data.root": "/x", "loss.margin": 10, "trainer.device": "cpu"})
    second = write_run(
        tmp_path / "b", settings={"data.root": "/y", "loss.margin": 10.0, "trainer.device": "cuda"}, seed=2
    )
    assert len(group_runs([read_run(first), read_run(second)])) == 1


def test_a_seed_counts_once_and_a_set_has_runs(tmp_path, write_run):
    path = write_run(tmp_path / "a")
    shutil.copytree(path, tmp_path / "b")
    with pytest.raises(RunError, match="each seed may count once, got seed 1"):
        build_set("CE", [read_run(path), read_run(tmp_path / "b")])
    with pytest.raises(RunError, match="at least one run"):
        build_set("CE", [])


def test_an_unfinished_run_is_named(tmp_path, write_run):
    path = write_run(tmp_path / "a")
    record = read_json(path / "run.json")
    write_json(path / "run.json", {"choices": record["choices"]})
    with pytest.raises(RunError, match=r"run\.json: must hold config"):
        read_run(path)
    (path / "scores.csv").unlink()
    with pytest.raises(RunError, match=r"finished run with scores\.csv"):
        read_run(path)


def test_scores_of_a_later_evaluation_count_instead_of_the_runs_own(tmp_path, write_run):
    path = write_run(tmp_path / "run", seed=2, split={"name": "own"})
    judged = write_run(tmp_path / "run" / "evaluations" / "x", shift=0.1, seed=9, loss="other", split={"name": "else"})
    found, own = read_run(path, judged=judged), read_run(path)
    assert found.path == judged
    assert (found.seed, found.choices, found.settings, found.data) == (2, own.choices, own.settings, own.data)
    assert found.scores == read_run(judged).scores != own.scores
    (judged / "scores.csv").unlink()
    with pytest.raises(RunError, match=r"evaluations/x: must be a finished run with scores\.csv"):
        read_run(path, judged=judged)


@pytest.fixture
def write_evaluation(write_run):
    """The folder of an evaluation, as mlseg-evaluate leaves it."""

    def call(place, *, seed=1, calibrator=None, which="best", file="best.pt", parameters="p"):
        write_run(place, seed=seed, split={"part": "test"})
        told = {"method": calibrator, "parameters": parameters} if calibrator else None
        checkpoint = {"which": which, "file": file}
        own = {"kind": "evaluation", "calibrator": told, "checkpoint": checkpoint}
        write_json(place / "run.json", {**read_json(place / "run.json"), **own})
        return read_run(place)

    return call


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"calibrator": "temperature"}, "calibrator=temperature"),
        ({"which": "last", "file": "last.pt"}, "checkpoint=last"),
        ({"which": "x.pt", "file": "/far/x.pt"}, "checkpoint=/far/x.pt"),
    ],
)
def test_what_was_judged_otherwise_is_no_other_seed(tmp_path, write_evaluation, other, named):
    plain = [write_evaluation(tmp_path / f"plain{seed}", seed=seed) for seed in (1, 2)]
    apart = [write_evaluation(tmp_path / f"apart{s}", seed=s, parameters=f"p{s}", **other) for s in (1, 2)]
    key = named.partition("=")[0]
    found = group_runs([plain[0], apart[1]])
    assert [(one.name, one.seeds) for one in found] == [(f"{key}=nothing", (1,)), (named, (2,))]
    # The seeds of each kind stay together, though each has a calibrator of its own.
    found = group_runs([*plain, *apart])
    assert [one.seeds for one in found] == [(1, 2), (1, 2)]
    with pytest.raises(RunError, match=rf"judged\.{key} nothing and"):
        build_set("CE", [plain[0], apart[1]])


def test_a_plain_evaluation_is_like_the_run_itself(tmp_path, write_run, write_evaluation):
    own = read_run(write_run(tmp_path / "own", seed=2, split={"part": "test"}))
    assert write_evaluation(tmp_path / "plain", seed=1).settings == own.settings
    assert len(group_runs([own, write_evaluation(tmp_path / "again", seed=1)])) == 1
    # What a training records of its checkpoint is nothing that was chosen later.
    record = read_json(own.path / "run.json")
    write_json(own.path / "run.json", {**record, "checkpoint": {"which": "last"}})
    assert read_run(own.path).settings == own.settings


@pytest.mark.parametrize(
    ("seed", "said"), [("one", "'one'"), (1.5, "1.5"), (True, "True"), ([1], r"\[1\]"), ("1", "'1'")]
)
def test_a_seed_is_a_whole_number(tmp_path, write_run, seed, said):
    path = write_run(tmp_path / "a")
    record = read_json(path / "run.json")
    record["config"]["seed"] = seed
    write_json(path / "run.json", record)
    with pytest.raises(RunError, match=rf"run\.json: seed must be a whole number, got {said}\. Evaluate"):
        read_run(path)


def test_groups_are_named_by_what_sets_them_apart(tmp_path, write_run):
    kinds = [("ce", {}), ("mbls", {"loss.margin": 5}), ("mbls", {"loss.margin": 8})]
    runs = [
        read_run(write_run(tmp_path / f"{place}-{seed}", seed=seed, loss=loss, settings=settings))
        for place, (loss, settings) in enumerate(kinds)
        for seed in (1, 2)
    ]
    found = group_runs(runs)
    assert [(one.name, one.seeds) for one in found] == [
        ("ce", (1, 2)),
        ("mbls margin=5", (1, 2)),
        ("mbls margin=8", (1, 2)),
    ]
    # Nothing but the data sets these two apart: their places do.
    same = [runs[0], read_run(write_run(tmp_path / "other", split={"fingerprint": "g"}))]
    assert name_sets(same) == [str(runs[0].path), str(tmp_path / "other")]
