"""What runs for each job, and what becomes of how it ends."""

from __future__ import annotations

import fcntl
import os
import pickle
import sys

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from mlseg.checks import RunError
from mlseg.cli import jobs
from mlseg.cli.jobs import Job, describe_own


def nothing(cfg, info):
    return None


@pytest.fixture
def start(compose):
    """Call a job as a launcher does, with the number that it gives."""

    def call(task=nothing, *, number=0, launcher="basic", words=("seed=3",), **options):
        one = compose(*words)
        hydra = {
            "overrides": {"task": list(words)},
            "runtime": {"choices": {**one.choices, "hydra/launcher": launcher}},
            "job": {"num": number},
        }
        state = HydraConfig.instance()
        before, state.cfg = state.cfg, OmegaConf.create({"hydra": hydra})
        try:
            return Job(task=task, prog="it", multirun=True, total=9, **options)(one.cfg)
        finally:
            state.cfg = before

    return call


def test_a_job_pickles():
    job = Job(task=nothing, prog="it", multirun=True, total=3, numbers=(2,))
    assert pickle.loads(pickle.dumps(job)) == job


def test_a_job_says_its_place_in_the_whole_sweep(start, capsys):
    start(number=1, numbers=(2, 7))
    assert capsys.readouterr().err == "it: job 8 of 9 (seed=3)\n"
    start(number=1)
    assert capsys.readouterr().err == "it: job 2 of 9 (seed=3)\n"
    start(words=("loss=ce", "seed=3"), shared=frozenset({"loss=ce"}))
    assert capsys.readouterr().err == "it: job 1 of 9 (seed=3)\n"


def test_an_error_is_the_result(start):
    def task(cfg, info):
        raise RunError("seed: unlucky. Give another.")

    result = start(task)
    assert (result.code, result.error, result.busy, result.skipped) == (1, "seed: unlucky. Give another.", False, False)
    assert result.cfg.seed == 3
    assert start(lambda cfg, info: 4).code == 4


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(5)])
def test_what_is_meant_for_the_sweep_passes(start, ending):
    def task(cfg, info):
        raise ending

    with pytest.raises(type(ending)):
        start(task)
    with pytest.raises(SystemExit):
        start(lambda cfg, info: 143)


def test_a_run_that_another_process_holds_is_no_failure_of_its_own(start, workplace):
    def task(cfg, info):
        raise RunError("outputs: process 1 is training here.")

    folder = workplace / "outputs/acdc/unet/ce/default/seed3"
    assert start(task).busy is False
    folder.mkdir(parents=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert start(task).busy is True
        assert start(nothing).busy is False
    assert start(task).busy is False


def test_elsewhere_a_job_knows_how_the_command_was_called(start, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["launcher.py", "--worker"])
    seen = []
    start(lambda cfg, info: seen.append(list(sys.argv)), script="train.py", pid=os.getpid())
    start(lambda cfg, info: seen.append(list(sys.argv)), script="train.py", pid=-1)
    assert seen == [["launcher.py", "--worker"], ["train.py", "seed=3"]]


def test_elsewhere_a_job_shares_the_machine(start, monkeypatch):
    told = []
    monkeypatch.setattr(jobs, "share_machine", lambda cfg, **options: told.append(options) or cfg)
    start(number=4, launcher="joblib")
    assert told == []
    start(number=4, launcher="joblib", pid=-1)
    assert told == [{"launcher": "joblib", "number": 4}]


def test_what_all_jobs_have_is_not_read_again():
    assert describe_own(["loss=ce", "seed=2", "loss.margin=3"], frozenset({"loss=ce"})) == "seed=2 loss.margin=3"
