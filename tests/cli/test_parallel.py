"""GPUs, threads and the screen, shared by jobs that run at the same time."""

from __future__ import annotations

import multiprocessing
import os

import pytest
from omegaconf import OmegaConf

from mlseg.cli import parallel
from mlseg.cli.parallel import choose_gpu, find_slot, share_machine


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many GPUs: `machine(4)`."""
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
        # Set and deleted, so that what a test leaves is undone.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return lambda count: monkeypatch.setattr(parallel, "count_gpus", lambda: count)


def make_config(**trainer):
    return OmegaConf.create({"trainer": {"device": "auto", "progress": "auto", **trainer}})


def share(launcher, number, **trainer):
    cfg = share_machine(make_config(**trainer), launcher=launcher, number=number)
    return os.environ.pop("CUDA_VISIBLE_DEVICES", None), cfg.trainer.progress


def test_jobs_go_round_the_gpus(machine):
    machine(3)
    assert [share("joblib", number)[0] for number in range(7)] == ["0", "1", "2", "0", "1", "2", "0"]
    assert share("submitit_local", 4)[0] == "1"


def test_no_gpu_is_chosen_where_there_is_no_choice(machine):
    machine(1)
    assert share("joblib", 1)[0] is None
    machine(0)
    assert share("joblib", 1)[0] is None
    machine(3)
    assert share("joblib", 1, device="cuda:2")[0] is None
    assert share("submitit_slurm", 1)[0] is None


def test_of_gpus_that_are_named_one_of_these(machine, monkeypatch):
    machine(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    choose_gpu(3)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6"


def test_a_worker_stays_on_its_gpu(machine, monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "name", "LokyProcess-2")
    assert {find_slot(number) for number in range(5)} == {1}
    machine(2)
    assert share("joblib", 6)[0] == "1"


def test_several_bars_would_draw_over_each_other(machine):
    machine(0)
    assert share("joblib", 0)[1] is False
    assert share("joblib", 0, progress=True)[1] is True
    assert share("submitit_slurm", 0)[1] == "auto"


def test_the_configuration_of_others_is_not_changed(machine):
    machine(0)
    cfg = make_config()
    share_machine(cfg, launcher="joblib", number=0)
    assert cfg.trainer.progress == "auto"
    assert share_machine(OmegaConf.create({"part": "val"}), launcher="joblib", number=0) == {"part": "val"}


def test_a_cluster_says_how_many_threads(machine, monkeypatch):
    machine(0)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    share("submitit_slurm", 0)
    assert os.environ["OMP_NUM_THREADS"] == "6"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    share("submitit_slurm", 0)
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_a_worker_of_joblib_has_the_name_that_is_looked_for():
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend="loky", n_jobs=2):
        names = joblib.Parallel()(joblib.delayed(find_name)() for _ in range(2))
    assert all(name.startswith("LokyProcess-") for name in names)


def find_name():
    return multiprocessing.current_process().name
