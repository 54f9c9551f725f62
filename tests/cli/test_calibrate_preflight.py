"""Mistakes in the words of a calibration, before anything is loaded."""

from __future__ import annotations

import json

import pytest

from mlseg.cli.calibrate_base import find_calibrate_base
from mlseg.cli.calibrate_preflight import KIND, METHODS, REGIONS, find_calibrate_problems
from mlseg.cli.compose import compose_config, open_session
from mlseg.engine import calibration_scores, calibrator
from mlseg.engine.calibration_fit import FITS


@pytest.fixture
def problems(make_run):
    """What is said of some words about a finished run."""
    make_run()

    def call(*words: str, run: str = "run") -> list[str]:
        with open_session("mlseg-calibrate"):
            words = (f"run={run}", *words)
            job = compose_config(words, config_name=find_calibrate_base(words))
            return find_calibrate_problems(job.cfg, job.choices)

    return call


def test_its_words_are_those_of_the_engine():
    assert tuple(FITS) == METHODS
    assert calibration_scores.REGIONS == REGIONS
    assert calibrator.KIND == KIND


@pytest.mark.parametrize(
    "words",
    [
        "",
        "method=isotonic region=boundary max_voxels=10 sample_seed=3",
        "region=foreground checkpoint=last",
        "part=train allow_training_subjects=true allow_changed_data=true",
        "split=acdc output=new.json checkpoint=run/last.pt trainer.device=cuda:1",
        "evaluation.default.bins=20 evaluation.inference=window",
    ],
)
def test_what_is_right(problems, words):
    assert problems(*words.split()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    {
        "part=test": "part: must be val, got 'test'. What was fitted to test subjects cannot be judged by them. "
        "Leave part out.",
        "part=test allow_training_subjects=true": "part: must be val, got 'test'. What was fitted to test subjects "
        "cannot be judged by them. Leave part out.",
        "part=train": "part: must be val, got 'train'. Leave part out, or give allow_training_subjects=true.",
        "part=vla": "part: must be val or train, got 'vla'. Did you mean val?",
        "method=tempreature": "method: must be one of temperature, class_temperature, vector, isotonic, got "
        "'tempreature'. Did you mean temperature?",
        "region=roi": "region: must be one of image, foreground, boundary, got 'roi'. Choose one.",
        "region=foreground method=vector": "region: must be image or boundary with method=vector, got 'foreground'. "
        "Choose one.",
        "max_voxels=0": "max_voxels: must be a whole number of at least 1, got 0. Give max_voxels such a value.",
        "sample_seed=-1": "sample_seed: must be a whole number of at least 0, got -1. Give sample_seed such a value.",
        "checkpoint=bets": "checkpoint: must be best, last or a file, got 'bets'. Did you mean best?",
        "checkpoint=null": "checkpoint: must be best, last or a file, got null. Choose one.",
        "allow_changed_data=3": "allow_changed_data: must be true or false, got 3. Choose one.",
        "split=unseen": "split: must be null or a split file, which says who is val, got 'unseen'. Leave split out.",
        "split=random": "split: must be null or a split file, which says who is val, got 'random'. Leave split out.",
        "split=mine.json": "split: must be a split file that exists, got mine.json. Correct the path.",
        "output=calibrator": "output: must be a file that ends in .json, got 'calibrator'. "
        "Give output=calibrator.json.",
        "output=run/data.json": "output: must be a new file or an earlier calibrator, got 'run/data.json'. "
        "It is something else: rename one.",
        "data.root=nowhere": "data.root: no such folder 'nowhere' in {here}. Give data.root=/where/the/data/is/now.",
        "trainer.device=gpu": "trainer.device: must be auto, cpu, cuda or cuda:<number>, got 'gpu'. Choose one.",
        "evaluation.default.bins=7": "evaluation.default.bins: must be a divisor of 300, got 7. "
        "Give evaluation.default.bins such a value.",
    }.items(),
)
def test_what_is_wrong_is_one_line(problems, workplace, words, message):
    assert problems(*words.split()) == [message.format(here=workplace)]


def test_a_run_without_validation_subjects_needs_a_split(problems, make_run):
    folder = make_run(name="other")
    data = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps({**data, "val": []}))
    assert problems(run="other") == [
        "part: val of the run's own split must hold at least one subject, got none. "
        "Give split=<a file whose val are new to the run>."
    ]


def test_an_earlier_calibrator_may_be_replaced(problems, workplace):
    (workplace / "mine.json").write_text(json.dumps({"kind": "calibrator"}))
    assert problems("output=mine.json") == []
    (workplace / "mine.json").write_text("no JSON")
    assert len(problems("output=mine.json")) == 1


def test_several_processes_are_refused(problems, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert problems() == ["mlseg-calibrate: must run as a single process, got several. Type it without torchrun."]


def test_no_run_is_a_problem_among_others():
    with open_session("mlseg-calibrate"):
        job = compose_config(["part=x"], config_name=find_calibrate_base(["part=x"]))
        said = find_calibrate_problems(job.cfg, job.choices)
    assert [line.split(":")[0] for line in said] == ["run", "part"]
