"""Searches, launchers, and the jobs of a sweep that are left to do."""

from __future__ import annotations

import sys

import pytest

from mlseg.checks import RunError
from mlseg.cli import jobs, sweeps
from mlseg.cli.compose import find_config_dir, open_session, read_yaml
from mlseg.cli.done_runs import DoneRuns
from mlseg.cli.jobs import Job
from mlseg.cli.naming import run_directory
from mlseg.cli.sweeps import Search, Sweep, forget_search, read_search
from mlseg.records import write_json


@pytest.fixture
def search(workplace):
    def call(*words):
        with open_session("mlseg-train"):
            return read_search("train", words)

    return call


@pytest.fixture
def own_search(workplace):
    """A folder of configs with a search that sets more than which jobs there are."""
    folder = workplace / "mine" / "hparams_search"
    folder.mkdir(parents=True)
    (folder / "long.yaml").write_text(
        "# @package _global_\n"
        "trainer:\n  max_epochs: 7\n"
        "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 1,2\n"
    )
    return workplace / "mine"


def collect(seen):
    return lambda cfg, info: seen.append((cfg, info))


def test_what_a_configuration_says_of_sweeping(search):
    assert search("loss=ce", "seed=1,2") == Search()
    assert search("hydra.mode=MULTIRUN").multirun
    found = search("hparams_search=mbls_margin", "seed=1,2")
    assert (found.words, found.multirun) == (("loss=mbls", "loss.margin=0,3,5,8,10,15,20"), True)


def test_words_that_do_not_compose_are_told_elsewhere(search, run):
    assert search("loss=mblz") == Search()
    assert "Did you mean mbls?" in run("loss=mblz").err[0]


def test_a_search_is_the_sweep_that_it_stands_for_without_m(run):
    by_search, typed = [], []
    assert run("hparams_search=mbls_margin", "loss.margin=0,3", "seed=1,2", task=collect(by_search)).code == 0
    assert run("-m", "loss=mbls", "loss.margin=0,3", "seed=1,2", task=collect(typed)).code == 0
    assert len(by_search) == 4
    assert by_search == typed
    assert by_search[3][1].overrides == ("loss=mbls", "loss.margin=3", "seed=2")
    assert "hparams_search" not in by_search[0][1].choices


def test_what_is_typed_beside_a_search_wins(run):
    seen = []
    assert run("hparams_search=mbls_margin", "loss.margin=4,6", task=collect(seen)).code == 0
    assert [cfg.loss.margin for cfg, _ in seen] == [4, 6]
    seen.clear()
    assert run("hparams_search=mbls_margin", "loss.margin=7", task=collect(seen)).code == 0
    assert [cfg.loss.margin for cfg, _ in seen] == [7]


def test_a_search_over_what_its_loss_lacks_is_refused_in_one_line(run):
    answer = run("hparams_search=mbls_margin", "loss=ce")
    assert answer.code == 2
    assert len(answer.err) == 1
    assert "loss.margin: loss=ce has no such setting." in answer.err[0]
    assert run("-m", "hparams_search=mbls_margin,other").err == [
        "mlseg-train: hparams_search=mbls_margin,other: hparams_search takes one choice. Type a command for each."
    ]


def test_a_search_that_sets_more_stays_in_the_words(run, own_search):
    seen = []
    assert run("--config-dir", str(own_search), "hparams_search=long", task=collect(seen)).code == 0
    assert [(cfg.seed, cfg.trainer.max_epochs) for cfg, _ in seen] == [(1, 7), (2, 7)]
    assert seen[0][1].overrides == ("seed=1", "hparams_search=long")


def test_the_configuration_of_a_search_can_be_shown(run):
    shown = run("--cfg", "job", "hparams_search=mbls_margin")
    assert "margin: 0" in shown.out


def test_every_search_sweeps(run, workplace):
    names = [path.stem for path in (find_config_dir() / "hparams_search").glob("*.yaml")]
    assert names
    for name in names:
        tree = read_yaml(find_config_dir() / "hparams_search" / f"{name}.yaml")
        assert tree["hydra"]["mode"] == "MULTIRUN"
        seen = []
        assert run(f"hparams_search={name}", task=collect(seen)).code == 0
        assert len(seen) > 1


def test_forgetting_needs_the_same_configuration(workplace):
    with open_session("mlseg-train"):
        assert forget_search(("hparams_search=mbls_margin", "seed=2"), config_name="train") == ("seed=2",)


@pytest.mark.parametrize(
    ("launcher", "package"), [("joblib", "hydra-joblib-launcher"), ("submitit_slurm", "hydra-submitit-launcher")]
)
def test_a_launcher_that_is_not_installed(run, monkeypatch, launcher, package):
    monkeypatch.setattr(sweeps, "list_choices", lambda group: ["basic"])
    answer = run("-m", "seed=1,2", f"hydra/launcher={launcher}")
    assert answer.code == 2
    assert answer.err == [
        f"mlseg-train: hydra/launcher={launcher}: needs the package {package}, which is missing. "
        f"Type pip install {package}."
    ]


def test_a_cluster_that_is_not_here(run, monkeypatch):
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setattr(sweeps.shutil, "which", lambda name: None)
    answer = run("-m", "seed=1,2", "hydra/launcher=submitit_slurm")
    assert (answer.code, len(answer.err)) == (2, 1)
    assert "needs SLURM, found no sbatch here. Use hydra/launcher=joblib" in answer.err[0]


def test_a_launcher_that_is_none(run):
    assert "hydra/launcher=basics: no such choice. Did you mean basic?" in run("-m", "hydra/launcher=basics").err[0]


def test_what_is_done_is_not_started(run, monkeypatch):
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: cfg.seed in (1, 3))
    seen, results = [], []
    answer = run("-m", "seed=1,2,3,4", "loss=ce", task=collect(seen), after_sweep=results.extend)
    assert [cfg.seed for cfg, _ in seen] == [2, 4]
    assert [(result.cfg.seed, result.skipped, result.code) for result in results] == [
        (1, True, 0),
        (2, False, 0),
        (3, True, 0),
        (4, False, 0),
    ]
    assert results[0].info.overrides == ("seed=1", "loss=ce")
    assert results[0].info.choices == results[1].info.choices
    assert answer.err == [
        "mlseg-train: 2 of 4 runs are done already",
        "mlseg-train: job 2 of 4 (seed=2)",
        "mlseg-train: job 4 of 4 (seed=4)",
    ]


def test_jobs_in_batches_keep_their_numbers(run):
    answer = run("-m", "seed=1,2,3", "hydra.sweeper.max_batch_size=2")
    assert answer.err == [f"mlseg-train: job {n} of 3 (seed={n})" for n in (1, 2, 3)]


def test_what_another_process_does_is_not_done_unless_it_ends_well(run, monkeypatch):
    """Seed 1 is held throughout; seed 2 is done by its other process before the sweep ends."""
    ended = set()

    def task(cfg, info):
        if cfg.seed < 3:
            raise RunError("outputs: process 1 is training here.")
        ended.add(2)

    monkeypatch.setattr(jobs, "is_held", lambda folder: True)
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: cfg.seed in ended)
    results = []
    answer = run("-m", "seed=1,2,3", task=task, after_sweep=results.extend)
    assert [(result.code, result.busy) for result in results] == [(1, True), (0, False), (0, False)]
    assert answer.code == 1
    assert "2 done, 1 running elsewhere" in answer.out
    assert answer.err[-1] == "mlseg-train: 1 of 3 jobs belong to another process."


def test_a_sweep_that_is_done_starts_nothing(run, monkeypatch):
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: True)
    monkeypatch.setattr(sweeps, "Launch", None)
    answer = run("-m", "seed=1,2")
    assert answer.code == 0
    assert "2 done already" in answer.out


def test_a_sweep_that_is_stopped_shows_its_table(run):
    def task(cfg, info):
        if cfg.seed == 2:
            raise KeyboardInterrupt

    answer = run("-m", "seed=1,2,3", task=task)
    assert answer.code == 130
    assert "Sweep of 3 runs in outputs/acdc/unet/ce/default: 3 not started" in answer.out  # the task wrote no status
    assert answer.err[-1] == "mlseg-train: interrupted. Type the same command to go on."


def test_one_of_several_ranks_shows_the_table(run, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert run("-m", "seed=1,2").out == ""


def test_what_a_lost_process_left_behind(compose, workplace, monkeypatch):
    one = compose("loss=ce")
    job = Job(task=print, prog="it", multirun=True, total=1)
    sweep = Sweep(job=job, config_name="train", words=(), jobs=((),), composed=(one,))
    folder = run_directory(one.cfg, one.choices)
    folder.mkdir(parents=True)
    assert sweep._find_result(0) is None
    write_json(folder / "status.json", {"state": "failed", "error": "loss: not finite."})
    assert (sweep._find_result(0).code, sweep._find_result(0).error) == (1, "loss: not finite.")
    write_json(folder / "status.json", {"state": "running", "host": "elsewhere"})
    assert sweep._find_result(0) is None
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: True)
    assert (sweep._find_result(0).code, sweep._find_result(0).skipped) == (0, False)


def test_other_sweepers_choose_their_own_jobs(run, monkeypatch):
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.plugins import Plugins

    class OtherSweeper(BasicSweeper):
        pass

    OtherSweeper.__qualname__ = "OtherSweeper"
    OtherSweeper.__module__ = "hydra_plugins.other"
    monkeypatch.setitem(sys.modules, "hydra_plugins.other", sys.modules[__name__])
    monkeypatch.setattr(sys.modules[__name__], "OtherSweeper", OtherSweeper, raising=False)
    Plugins.instance().register(OtherSweeper)
    seen = []
    answer = run("-m", "seed=1,2", "hydra.sweeper._target_=hydra_plugins.other.OtherSweeper", task=collect(seen))
    assert answer.code == 0, answer.err
    assert [cfg.seed for cfg, _ in seen] == [1, 2]
