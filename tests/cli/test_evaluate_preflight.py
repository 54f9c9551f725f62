"""Mistakes in the words of an evaluation, before anything is loaded."""

from __future__ import annotations

import json

import pytest

from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.run_base import find_base


@pytest.fixture
def problems(make_run):
    """What is said of some words about a finished run."""
    make_run()

    def call(*words: str) -> list[str]:
        with open_session("mlseg-evaluate"):
            words = ("run=run", *words)
            job = compose_config(words, config_name=find_base(words))
            return find_evaluate_problems(job.cfg, job.choices)

    return call


@pytest.mark.parametrize(
    "words",
    [
        "",
        "part=train checkpoint=last evaluation=paper calibrator=none",
        "calibrator=run/data.json",
        "split=unseen",
        "split=random data.split_seed=5",
        "split=kfold data.fold=3",
        "split=acdc",
        "evaluation.protocols=[default,merged] evaluation.default.bins=25 evaluation.inference=window",
        "checkpoint=run/last.pt output=new",
        "name=mine allow_seen_subjects=true allow_changed_data=true trainer.device=cuda:1",
    ],
)
def test_what_is_right(problems, words):
    assert problems(*words.split()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    {
        "part=tset": "part: must be one of test, val, train, got 'tset'. Did you mean test?",
        "part=3": "part: must be one of test, val, train, got 3. Choose one.",
        "checkpoint=bets": "checkpoint: must be best, last or a file, got 'bets'. Did you mean best?",
        "checkpoint=null": "checkpoint: must be best, last or a file, got null. Choose one.",
        "calibrator=atuo": "calibrator: must be none, auto or a file, got 'atuo'. Did you mean auto?",
        "calibrator=auto": "run/calibrator.json: must be there for calibrator=auto, got nothing. Fit it first with "
        "mlseg-calibrate run=...",
        "calibrator=auto checkpoint=last": "run/calibrator_last.json: must be there for calibrator=auto, got nothing. "
        "Fit it first with mlseg-calibrate run=...",
        "calibrator=3": "calibrator: must be none, auto or a file, got 3. Choose one.",
        "allow_seen_subjects=3": "allow_seen_subjects: must be true or false, got 3. Choose one.",
        "name=a/b": "name: must be the name of a folder, got 'a/b'. A whole path goes into output=.",
        "name=.hidden": "name: must be the name of a folder, got '.hidden'. A whole path goes into output=.",
        "output=''": "output: must be a folder, got ''. Give output=/path/to/a/new/folder.",
        "name=a output=b": "name: must be left out with output=..., which is the whole folder. Give one of them.",
        "output=run": "output: must be a new folder or an earlier evaluation, got run, which is something else. "
        "Give another name=... or output=...",
        "split=unsene": "split: no such split 'unsene'. Did you mean unseen?",
        "split=[a]": "split: must be null, unseen, random, kfold, loso or a split file, got ['a']. Choose one.",
        "split=unseen part=val": "part: must be test with split=unseen, which has no other, got 'val'. Leave part out.",
        "data.split_seed=3": "data.split_seed: must be left out unless a split is drawn (split=random, kfold, loso), "
        "got 3. Give split=random, or leave it out.",
        "split=mine.json": "split: must be a split file that exists, got mine.json. Correct the path.",
        "split=kfold data.fold=7": "data.fold: must be a whole number in [0, 4], got 7. Give data.fold such a value.",
        "data.root=nowhere": "data.root: no such folder 'nowhere' in {here}. Give data.root=/where/the/data/is/now.",
        "trainer.device=gpu": "trainer.device: must be auto, cpu, cuda or cuda:<number>, got 'gpu'. Choose one.",
        "evaluation.inference=windw": "evaluation.inference: must be one of full, window, got 'windw'. "
        "Give evaluation.inference such a value.",
        # merged.bins follows it: said once
        "evaluation.default.bins=7": "evaluation.default.bins: must be a divisor of 300, got 7. "
        "Give evaluation.default.bins such a value.",
        "evaluation.protocols=[default,papre]": "evaluation.protocols: must be protocols out of default, merged, "
        "paper, got 'papre'. Did you mean paper?",
    }.items(),
)
def test_what_is_wrong_is_one_line(problems, workplace, words, message):
    assert problems(*words.split()) == [message.format(here=workplace)]


def test_all_mistakes_are_told_at_once(problems):
    said = problems("part=x", "data.root=nowhere", "evaluation.default.bins=7", "checkpoint=y")
    assert [line.split(":")[0] for line in said] == ["part", "evaluation.default.bins", "data.root", "checkpoint"]


def test_no_run_is_a_problem_among_others():
    with open_session("mlseg-evaluate"):
        job = compose_config(["part=x"], config_name=find_base(["part=x"]))
        said = find_evaluate_problems(job.cfg, job.choices)
    assert [line.split(",")[0] for line in said] == [
        "run: must be the directory of a run",
        "part: must be one of test",
    ]


def test_the_runs_own_split_file_is_not_needed(problems, make_run):
    make_run("data.split=random", name="other", changes={"data.split": "gone.json"})
    with open_session("mlseg-evaluate"):
        job = compose_config(["run=other"], config_name=find_base(["run=other"]))
        assert find_evaluate_problems(job.cfg, job.choices) == []


def test_an_earlier_evaluation_may_be_made_again(problems, workplace):
    (workplace / "made").mkdir()
    (workplace / "made" / "run.json").write_text(json.dumps({"kind": "evaluation"}))
    assert problems("output=made") == []
