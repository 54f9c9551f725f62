"""What is said of an evaluation."""

from __future__ import annotations

import json

import pytest

from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.evaluation_record import (
    Judged,
    build_record,
    count_people,
    describe,
    describe_choices,
    list_notes,
    list_settings,
    name_evaluation,
)
from mlseg.cli.judged_calibrator import UsedCalibrator
from mlseg.cli.judged_cases import Selection
from mlseg.cli.judged_run import read_run
from mlseg.cli.run_base import find_base, store_base


@pytest.fixture
def name(make_run):
    """The folder of the evaluation that some words ask for."""
    make_run(changes={"evaluation.default.bins": 20, "evaluation.protocols": ["default"]})

    def call(*words: str, changed: bool = False) -> str:
        with open_session("mlseg-evaluate"):
            words = ("run=run", *words)
            job = compose_config(words, config_name=find_base(words))
            base, choice = store_base(read_run("run")), job.choices.get("evaluation")
            plain = compose_config([], config_name=base)
            chosen = compose_config([f"evaluation={choice}"], config_name=base) if choice else plain
            return name_evaluation(job.cfg, plain, chosen, changed=changed)

    return call


@pytest.mark.parametrize(
    ("words", "expected"),
    {
        "": "test",
        "part=val checkpoint=last": "val+last",
        "checkpoint=/some/where/epoch7.pt": "test+checkpoint-epoch7",
        "evaluation=paper": "test+evaluation-paper",
        # of the choice's own settings only what differs from it
        "evaluation=paper evaluation.inference=window": "test+evaluation-paper+inference-window",
        "evaluation.inference=window evaluation.precision=bf16": "test+inference-window+precision-bf16",
        "evaluation.default.bins=20": "test",
        "evaluation.default.bins=25": "test+default.bins-25",
        "evaluation.protocols=[paper,default]": "test+protocols-paper-default",
        "split=unseen": "test+split-unseen",
        "split=folder/mine.json part=val": "val+split-mine",
        "split=mine.json": "test+split-mine",
        "split=random data.split_seed=3": "test+split-random+split_seed-3",
        # where things lie and how fast they go changes no score
        "data.root=x data.cache_dir=y data.workers=1 trainer.device=cpu evaluation.batch_size=1": "test",
        "allow_seen_subjects=true allow_changed_data=true output=x name=y": "test",
    }.items(),
)
def test_the_folder_says_what_differs_from_the_run(name, words, expected):
    assert name(*words.split()) == expected


def test_a_choice_that_the_run_had_is_no_difference(make_run):
    make_run("evaluation=paper")
    with open_session("mlseg-evaluate"):
        words = ("run=run", "evaluation=paper")
        job = compose_config(words, config_name=find_base(words))
        plain = compose_config([], config_name=store_base(read_run("run")))
        assert name_evaluation(job.cfg, plain, job, changed=False) == "test"


def test_a_calibrator_is_named_by_its_method(name, make_run):
    with open_session("mlseg-evaluate"):
        words = ("run=run", "calibrator=auto", "evaluation.default.bins=25")
        job = compose_config(words, config_name=find_base(words))
        plain = compose_config([], config_name=store_base(read_run("run")))
        said = name_evaluation(job.cfg, plain, plain, changed=False, calibrator="vector")
    assert said == "test+calibrator-vector+default.bins-25"


def test_changed_data_has_a_name_of_its_own(name):
    assert name(changed=True) == "test+changed-data"


@pytest.fixture
def judge(make_run):
    """What an evaluation of a finished run judges; keyword arguments replace what is usual."""

    def call(folder=None, **changes) -> Judged:
        run = read_run(str(folder or make_run("loss=mbls")))
        selection = Selection(split="random-0", part="test", own=True, subjects=("p4", "p5"))
        usual = {
            "run": run,
            "which": "best",
            "checkpoint": run.path / "best.pt",
            "epoch": 2,
            "weights": "abc",
            "selection": selection,
            "cases": {f"{p}_{f}": [p, "h"] for p in ("p4", "p5") for f in ("ED", "ES")},
            "seen": {},
            "changed": {},
        }
        return Judged(**{**usual, **changes})

    return call


def compose(*words: str):
    with open_session("mlseg-evaluate"):
        return compose_config(words, config_name=find_base(words)).cfg


def test_nothing_is_noted_of_an_evaluation_as_it_should_be(judge):
    assert list_notes(judge()) == []


def test_everything_that_a_reader_must_know_is_noted(judge, make_run):
    val = Selection(split="random-0", part="val", own=True, subjects=("p3",))
    own_train = Selection(split="random-0", part="train", own=True, subjects=("p1",))
    other = Selection(split="mine", part="test", own=False, subjects=("p1", "p4"))
    folder = make_run(name="first")
    for changes, note in (
        ({"selection": own_train, "seen": {"p1": "trained on"}}, "The network was trained on these very subjects."),
        (
            {"selection": val, "seen": {"p3": "validated with"}},
            "The epoch of best.pt was chosen by these very subjects.",
        ),
        (
            {"selection": other, "seen": {"p1": "trained on"}},
            "The network has seen 1 of these 2 subjects, so their scores are too good: p1 (trained on).",
        ),
        ({"changed": {"p4_ED": "gone"}}, "1 case with other files than the run recorded: p4_ED (gone)."),
        (
            {"history_known": False},
            "Who this checkpoint was trained on is not recorded beside it, so it may have seen these subjects.",
        ),
    ):
        assert list_notes(judge(folder, **changes)) == [note]
    (folder / "cases.json").unlink()
    assert list_notes(judge(folder)) == [
        "The run did not record its files, so it cannot be told whether they have changed."
    ]
    running = make_run(name="second", state="running")
    assert list_notes(judge(running)) == ["The run is not finished: it is running."]


def test_a_paragraph_for_the_reader(judge):
    judged = judge()
    assert describe(judged, words=["evaluation=paper"]) == (
        f"Evaluation of run `{judged.run.path}`: data phantom, model unet, loss mbls, seed 1; epoch 2 (best by dice); "
        "2 subjects, 4 cases: the test part of the run's own split random-0. Not as in the run: evaluation=paper. "
        "run.json has every setting."
    )
    assert count_people(judged) == "2 subjects, 4 cases"


def test_an_unfinished_run_is_described_by_its_classes(make_run):
    run = read_run(str(make_run("loss=mbls", state="running")))
    assert describe_choices(run) == {"data": "phantom", "model": "UNet", "loss": "MbLSLoss"}


def test_the_settings_are_what_changes_the_scores(judge):
    judged = judge()
    usual = list_settings(compose("run=run"), judged)
    assert json.loads(json.dumps(usual)) == usual
    assert (usual["checkpoint"], usual["subjects"]) == ("best.pt", ["p4", "p5"])
    for words in (["evaluation.batch_size=1"], ["data.root=x"], ["evaluation.merged.bins=10"]):
        assert list_settings(compose("run=run", *words), judged) == usual, words
    for words in (["evaluation.default.bins=10"], ["evaluation.inference=window"], ["evaluation.protocols=[paper]"]):
        assert list_settings(compose("run=run", *words), judged) != usual, words
    assert list_settings(compose("run=run"), judge(judged.run.path, changed={"p4_ED": "gone"})) != usual


def test_a_calibrator_is_recorded_told_and_sets_evaluations_apart(judge, tmp_path):
    used = UsedCalibrator(
        file=tmp_path / "calibrator.json",
        method="temperature",
        about="temperature scaling (T = 2.0000)",
        digest="abc",
        cases={"p4_ED": ("p4", "h")},
        module=None,
    )
    plain = judge()
    judged, cfg = judge(plain.run.path, calibrator=used), compose("run=run")
    assert "calibrator" not in list_settings(cfg, plain)  # as in evaluations from before
    assert list_settings(cfg, judged)["calibrator"] == "abc"
    assert list_notes(judged) == ["The calibrator was fitted to 1 of these 2 subjects."]
    assert "Calibrated by temperature scaling (T = 2.0000)." in describe(judged, words=[])
    for one, said in ((plain, None), (judged, used.describe())):
        assert build_record(cfg, one, settings={}, added=[], fingerprint="f")["calibrator"] == said


def test_two_runs_have_two_settings(judge, make_run):
    judged = judge()
    one = list_settings(compose("run=run"), judged)
    other = list_settings(compose("run=run"), judge(make_run("seed=2", name="other")))
    assert {key for key in one if one[key] != other[key]} == {"run"}


def test_the_record_says_what_was_judged_and_how(judge):
    judged = judge(seen={"p4": "trained on"})
    cfg = compose("run=run", "evaluation=paper", "trainer.device=cpu", "data.root=x")
    record = build_record(cfg, judged, settings={"part": "test"}, added=["a.b"], fingerprint="f")
    assert record["kind"] == "evaluation"
    assert record["config"]["loss"]["margin"] == 10.0
    assert record["config"]["data"]["source"]["root"] == "x"
    assert record["config"]["trainer"]["device"] == "cpu"
    assert record["config"]["trainer"]["max_epochs"] == 100
    # It chose the epoch in the training, whatever is judged now.
    assert record["config"]["evaluation"]["checkpoint_score"] == "dice"
    assert record["protocols"] == ["paper", "default"]
    assert record["checkpoint"] == {
        "which": "best",
        "file": str(judged.checkpoint),
        "epoch": 2,
        "weights": "abc",
    }
    assert record["split"]["subjects"] == ["p4", "p5"]
    assert record["seen_subjects"] == {"p4": "trained on"}
    assert record["notes"] == list_notes(judged)
    assert json.loads(json.dumps(record)) == record
