"""The command line of mlseg-evaluate, up to the point where something heavy would be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.evaluate import PROG
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.run_base import CONFIG, find_base


@pytest.fixture
def type_words(workplace, capfd):
    """Type a command line; returns the exit code, the lines on stderr, and what the task was called with."""

    def call(*words: str, fail=()):
        seen = []

        def task(cfg, info):
            seen.append((cfg, info))
            return 1 if cfg.run in fail else 0

        app = App(task=task, config_name=CONFIG, prog=PROG, check=find_evaluate_problems, find_base=find_base)
        code = run_command(app, words)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, err.splitlines(), seen, out

    return call


def test_the_task_gets_the_runs_settings_with_the_words_laid_over(type_words, make_run):
    make_run("loss=mbls", changes={"evaluation.default.bins": 25})
    code, err, ((cfg, info),), _ = type_words("run=run", "evaluation=paper", "part=val")
    assert (code, err) == (0, [])
    assert (cfg.part, cfg.evaluation.protocols[0], cfg.data.name) == ("val", "paper", "phantom")
    assert info.choices == {"evaluation": "paper"}
    assert info.overrides == ("run=run", "evaluation=paper", "part=val")


@pytest.mark.parametrize(
    ("words", "line"),
    {
        "": "run: must be the directory of a run, got nothing. Give run=",
        "part=val": "run: must be the directory of a run, got nothing. Give run=",
        "rum=run": "rum: no such group or setting. Did you mean run? Groups: evaluation.",
        "run=rum": "run: no such folder 'rum'. Did you mean run?",
        "run=run prat=val": "prat: no such group or setting. Did you mean part? Groups: evaluation.",
        "run=run part=vla": "part: must be one of test, val, train, got 'vla'. Did you mean val?",
        "run=run evaluation=papre": "evaluation=papre: no such choice. Did you mean paper? Choices: default, paper.",
        "run=run evaluation.default.binz=3": "evaluation.default.binz: evaluation has no such setting. Did you mean "
        "evaluation.default.bins?",
        "run=run data.rot=x": "data.rot: no such group or setting. Did you mean data.root?",
        "run=run trainer.devise=cpu": "trainer.devise: no such group or setting. Did you mean trainer.device?",
        "run=run margin=5": "margin: no such group or setting. Groups: evaluation.",
        "run=run loss=ce seed=2": "loss=ce, seed=2: must be left to the run, which keeps its settings.",
        "run=run evaluation.protocols=default,paper": "evaluation.protocols=default,paper: a list is written in "
        "brackets. Write evaluation.protocols=[default,paper].",
        "run=run part=val,test": "part=val,test: several values make a sweep, which needs -m. Type mlseg-evaluate -m "
        "run=run part=val,test.",
        "run=a,b": "run=a,b: several values make a sweep, which needs -m.",
        "--run=run": "--run=run: no such option. Settings have no dashes: run=run.",
        "-m run=run,rum": "run: no such folder 'rum'. Did you mean run?",
    }.items(),
)
def test_a_mistake_is_one_line(type_words, make_run, words, line):
    make_run("loss=mbls")
    code, err, seen, _ = type_words(*words.split())
    assert (code, seen) == (2, [])
    assert len(err) == 1
    assert err[0].startswith(f"mlseg-evaluate: {line}")


def test_a_sweep_over_runs_gives_each_its_own_settings(type_words, make_run):
    make_run("loss=mbls", name="one")
    make_run("loss=ce", name="two", changes={"evaluation.default.bins": 30, "evaluation.inference": "window"})
    code, err, seen, _ = type_words(
        "-m", "run=one,two", "part=val,test", "evaluation.default.tolerance_mm=1", fail=["one"]
    )
    found = [(c.run, c.part, c.evaluation.default.bins, c.evaluation.default.tolerance_mm) for c, _ in seen]
    assert found == [("one", "val", 15, 1), ("one", "test", 15, 1), ("two", "val", 30, 1), ("two", "test", 30, 1)]
    assert all(info.multirun for _, info in seen)
    assert code == 1
    assert err == [
        "mlseg-evaluate: job 1 of 4 (run=one part=val)",
        "mlseg-evaluate: job 2 of 4 (run=one part=test)",
        "mlseg-evaluate: job 3 of 4 (run=two part=val)",
        "mlseg-evaluate: job 4 of 4 (run=two part=test)",
        "mlseg-evaluate: 2 of 4 jobs failed, see above.",
    ]


def test_nothing_is_left_lying_around(type_words, make_run, workplace):
    make_run()
    before = {path.relative_to(workplace) for path in workplace.rglob("*")}
    assert type_words("run=run")[0] == 0
    assert type_words("-m", "run=run", "part=val,test")[0] == 0
    assert {path.relative_to(workplace) for path in workplace.rglob("*")} == before


def test_the_configuration_can_be_looked_at(type_words, make_run):
    make_run("loss=mbls", changes={"evaluation.default.bins": 25})
    code, _, seen, out = type_words("--cfg", "job", "run=run", "data.root=elsewhere")
    assert (code, seen) == (0, [])
    assert "bins: 25" in out
    assert "root: elsewhere" in out
    assert "alpha" not in out
    assert "part: test" in type_words("--cfg", "job")[3]


def test_the_command_answers_without_anything_heavy(repo_root, make_run, workplace):
    make_run()
    code = (
        "import sys; from mlseg.cli.evaluate import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'monai', 'nibabel', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    for words, exit_code, said in (["--help"], 0, 0), (["run=run", "part=x"], 2, 1), (["run=rum"], 2, 1):
        result = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=workplace,
            env={"PYTHONPATH": str(repo_root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stdout.splitlines()[-1]) == (exit_code, "[]"), result.stderr
        assert len(result.stderr.splitlines()) == said
