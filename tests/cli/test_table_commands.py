"""Commands that a table types: they run in this process, and what ends them is heard."""

from __future__ import annotations

import sys

import pytest

from mlseg.checks import RunError
from mlseg.cli import calibrate, evaluate
from mlseg.cli.table_commands import CALIBRATE, EVALUATE, Ended, call_here


@pytest.mark.parametrize(
    ("prog", "module", "task"), [(CALIBRATE, calibrate, "calibrate"), (EVALUATE, evaluate, "evaluate")]
)
def test_the_command_runs_here_with_its_words(make_run, monkeypatch, capfd, prog, module, task):
    run, seen, typed = make_run(), [], list(sys.argv)

    def listen(cfg, info):
        seen.append((cfg.run, info.overrides, info.prog, sys.argv[1:]))

    monkeypatch.setattr(module, task, listen)
    words = [f"run={run}", "data.root=data/raw"]
    assert call_here(prog, words) == Ended(code=0)
    assert seen == [(str(run), tuple(words), prog, words)]
    assert sys.argv == typed


@pytest.mark.parametrize(
    ("prog", "module", "task"), [(CALIBRATE, calibrate, "calibrate"), (EVALUATE, evaluate, "evaluate")]
)
def test_what_ends_the_task_is_heard_and_printed(make_run, monkeypatch, capfd, prog, module, task):
    def fail(cfg, info):
        raise RunError("calibrator: NLL of it gets worse. Leave it.")

    monkeypatch.setattr(module, task, fail)
    ended = call_here(prog, [f"run={make_run()}", "data.root=data/raw"])
    assert ended == Ended(code=1, message="calibrator: NLL of it gets worse. Leave it.")
    assert "NLL of it gets worse" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run=nowhere"], "run: no such folder 'nowhere'"),
        (["data.root=nowhere"], "data.root: no such folder 'nowhere'"),
    ],
)
def test_mistakes_in_the_words_are_heard(make_run, capfd, words, said):
    run = make_run()
    ended = call_here(CALIBRATE, words if words[0].startswith("run=") else [f"run={run}", *words])
    assert ended.code == 2
    assert ended.message.startswith(said)
