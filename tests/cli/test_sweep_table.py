"""The table at the end of a sweep."""

from __future__ import annotations

import dataclasses
import io
import os
import socket

import pytest
from rich.console import Console

from mlseg.cli.done_runs import DoneRuns
from mlseg.cli.jobs import AppInfo, JobResult
from mlseg.cli.naming import run_directory
from mlseg.cli.sweep_table import SweepRun, describe_run, print_table, shorten_names
from mlseg.records import Score, write_json, write_scores

COMMON = {"frame": "", "group": "", "unit": "1", "n": 9}


def make_scores(evaluation, dice, ece):
    def score(metric, region, label, value):
        where = {"region": region, "label": label, "metric": metric, "value": value}
        return Score(evaluation=evaluation, subject_id="p1", case_id="c1", **where, **COMMON)

    scores = [score("dice", "image", label, dice + step) for label, step in (("RV", -0.1), ("LV", 0.1))]
    return [*scores, score("ece", "image", "all", 0.9), score("ece", "foreground", "all", ece)]


@pytest.fixture
def make(compose):
    """A run of a sweep: `make("seed=2", status={...}, result=(code, error))`."""

    def call(*words, status=None, result=None, scores=None, history=(), own="seed=1", **ending):
        one = compose("loss=ce", *words)
        folder = run_directory(one.cfg, one.choices)
        folder.mkdir(parents=True)
        if status is not None:
            write_json(folder / "status.json", status)
        if scores is not None:
            write_scores(folder / "scores.csv", scores)
            record = {"protocols": ["default", "paper"], "history": [{"seconds": s} for s in history]}
            write_json(folder / "run.json", record)
        info = AppInfo(choices=one.choices, overrides=words, multirun=True, prog="it")
        if result is not None:
            result = JobResult(cfg=one.cfg, info=info, code=result[0], error=result[1], **ending)
        return SweepRun(folder=folder, own=own, cfg=one.cfg, choices=one.choices, result=result)

    return call


@pytest.fixture
def done(monkeypatch):
    """Whether a run counts as done by its files."""
    answer = {"yes": True}
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: answer["yes"])
    return answer


FINISHED = {"state": "done", "epoch": 3, "max_epochs": 3}


def test_a_run_that_is_done_has_its_scores_under_the_headline_protocol(make):
    scores = [*make_scores("default", 0.7, 0.2), *make_scores("paper", 0.5, 0.4)]
    row = describe_run(make(status=FINISHED, result=(0, ""), scores=scores, history=(30, 31.6)), DoneRuns())
    assert (row.state, row.epochs, row.dice, row.ece) == ("done", "3/3", "0.700", "0.200")
    assert (row.time, row.evaluation, row.error) == ("0:01:02", "default", "")


def test_a_run_that_was_done_before(make):
    row = describe_run(make(status=FINISHED, result=(0, ""), scores=make_scores("default", 1, 0), skipped=True), None)
    assert (row.state, row.dice, row.time) == ("done already", "1.000", "0.0 s")


def test_a_run_that_failed_says_why(make):
    times = {"started": "2024-01-01T10:00:00+0100", "updated": "2024-01-01T10:00:02+0100"}
    row = describe_run(make(status={"state": "failed", **times}, result=(1, "loss: not finite.\nmore")), None)
    assert (row.state, row.error, row.time, row.dice) == ("failed", "loss: not finite.", "2.0 s", "-")
    assert describe_run(make("seed=2", result=(3, "")), None).error == "exit code 3"
    counted = "2 problems:\n  a.nii: damaged.\n  b.nii: damaged."
    assert describe_run(make("seed=3", result=(1, counted)), None).error == "2 problems: a.nii: damaged. (and 1 more)"


def test_a_run_of_another_process(make):
    run = make(status={"state": "running", "epoch": 1, "max_epochs": 3}, result=(1, "training here"), busy=True)
    row = describe_run(run, DoneRuns())
    assert (row.state, row.error, row.epochs) == ("running elsewhere", "", "1/3")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (None, "not started"),
        ({"state": "interrupted", "epoch": 1, "max_epochs": 3}, "interrupted"),
        ({"state": "failed", "error": "loss: not finite."}, "failed"),
        ({"state": "running", "host": "elsewhere"}, "interrupted"),
        (FINISHED, "done"),
    ],
)
def test_a_sweep_that_was_stopped_tells_by_the_files(make, done, status, state):
    row = describe_run(make(status=status, scores=make_scores("default", 0.7, 0.2)), DoneRuns())
    assert row.state == state
    assert row.error == ("loss: not finite." if state == "failed" else "")
    assert row.dice == ("0.700" if state == "done" else "-")


def test_a_living_process_is_elsewhere(make):
    import fcntl

    run = make(status={"state": "running", "pid": os.getpid(), "host": socket.gethostname()})
    with open(run.folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert describe_run(run, DoneRuns()).state == "running elsewhere"
    assert describe_run(run, DoneRuns()).state == "interrupted"


def test_what_is_done_for_another_configuration_is_not_started(make, done):
    done["yes"] = False
    row = describe_run(make(status=FINISHED, scores=make_scores("default", 0.7, 0.2)), DoneRuns())
    assert (row.state, row.epochs, row.dice) == ("not started", "-", "-")


@pytest.mark.parametrize(("text", "message"), [("{", "must be a JSON file"), ("{}", "must hold protocols, got none")])
def test_results_that_cannot_be_read_are_told(make, text, message):
    run = make(status=FINISHED, result=(0, ""), scores=[])
    (run.folder / "run.json").write_text(text)
    row = describe_run(run, DoneRuns())
    assert (row.state, row.dice) == ("done", "-")
    assert f"run.json: {message}" in row.error


def test_a_status_that_cannot_be_read_is_none(make):
    run = make()
    (run.folder / "status.json").write_text("{")
    assert describe_run(run, DoneRuns()).state == "not started"


def draw(runs, **options):
    out = io.StringIO()
    print_table(runs, console=Console(file=out, highlight=False, **options))
    return out.getvalue().splitlines()


def test_the_table(make):
    scores = make_scores("default", 0.7, 0.2)
    runs = [
        make(
            "optimizer.lr=0.5", status=FINISHED, result=(0, ""), scores=scores, history=(5,), own="model.widths=[a,b]"
        ),
        make("seed=2", result=(1, "loss: not [bold]finite[/].")),
    ]
    lines = draw(runs)
    assert lines[1] == "Sweep of 2 runs in outputs/acdc/unet/ce: 1 done, 1 failed"
    assert lines[3].split() == ["Run", "Differs", "by", "State", "Epochs", "Dice", "ECE", "Time"]
    assert lines[5].split() == ["1", "lr-0.5/seed1", "model.widths=[a,b]", "done", "3/3", "0.700", "0.200", "5.0", "s"]
    assert lines[6].split() == ["2", "default/seed2", "seed=1", "failed", "-", "-", "-", "-"]
    assert lines[7].endswith("under evaluation=default; time: training and validation of all epochs.")
    assert lines[8:] == ["2 failed: loss: not [bold]finite[/]."]


def test_a_pipe_gets_whole_lines_and_a_narrow_terminal_short_names(make):
    runs = [make("optimizer.lr=0.5", f"model.widths=[{n},8,16,32]", own=f"a={n}") for n in (2, 4)]
    long = "lr-0.5+widths-2-8-16-32/seed1"
    assert any(long in line for line in draw([dataclasses.replace(run, own="x" * 60) for run in runs]))
    narrow = draw(runs, force_terminal=True, width=78, color_system=None)
    assert not any(long in line for line in narrow)
    assert any("lr-0.5+widths-2-8-16-32/*" in line for line in narrow)
    assert all(len(line) <= 78 for line in narrow[3:7])


def test_names_are_shortened_where_they_are_alike():
    assert shorten_names(["ce/a/seed1", "ce/a/seed2"]) == ["*/*/seed1", "*/*/seed2"]
    assert shorten_names(["ce/a/seed1", "b/seed2"]) == ["ce/a/seed1", "b/seed2"]
