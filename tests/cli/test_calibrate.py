"""The command line of mlseg-calibrate, up to the point where something heavy would be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.calibrate import PROG
from mlseg.cli.calibrate_base import CONFIG, find_calibrate_base
from mlseg.cli.calibrate_preflight import find_calibrate_problems
from mlseg.cli.compose import find_config_dir, read_yaml
from mlseg.cli.help import EXAMPLES, format_help


@pytest.fixture
def type_words(workplace, capfd):
    """Type a command line; returns the exit code, the lines on stderr, and what the task was called with."""

    def call(*words: str):
        seen = []
        app = App(
            task=lambda cfg, info: seen.append((cfg, info)),
            config_name=CONFIG,
            prog=PROG,
            check=find_calibrate_problems,
            find_base=find_calibrate_base,
        )
        code = run_command(app, words)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, err.splitlines(), seen

    return call


def test_the_task_gets_the_runs_settings_with_the_words_laid_over(type_words, make_run):
    make_run(changes={"evaluation.default.bins": 25})
    code, err, ((cfg, info),) = type_words("run=run", "method=isotonic", "evaluation.batch_size=2")
    assert (code, err) == (0, [])
    assert (cfg.method, cfg.evaluation.default.bins, cfg.evaluation.batch_size) == ("isotonic", 25, 2)
    assert info.overrides == ("run=run", "method=isotonic", "evaluation.batch_size=2")


@pytest.mark.parametrize(
    ("words", "line"),
    {
        "": "run: must be the directory of a run, got nothing. Give run=",
        "run=rum": "run: no such folder 'rum'. Did you mean run?",
        "run=run methd=vector": "methd: no such group or setting. Did you mean method?",
        "run=run method=vecotr": "method: must be one of temperature, class_temperature, vector, isotonic, got "
        "'vecotr'. Did you mean vector?",
        "run=run part=test": "part: must be val, got 'test'. What was fitted to test subjects",
        "run=run loss=ce": "loss=ce: must be left to the run, which keeps its settings.",
        "run=run method=vector,isotonic": "method=vector,isotonic: several values make a sweep, which needs -m.",
    }.items(),
)
def test_a_mistake_is_one_line(type_words, make_run, words, line):
    make_run()
    code, err, seen = type_words(*words.split())
    assert (code, seen) == (2, [])
    assert len(err) == 1
    assert err[0].startswith(f"mlseg-calibrate: {line}")


def test_each_run_of_a_sweep_has_its_own_settings(type_words, make_run):
    make_run(name="one")
    make_run(name="two", changes={"evaluation.default.bins": 30})
    code, _, seen = type_words("-m", "run=one,two")
    assert (code, [(cfg.run, cfg.evaluation.default.bins) for cfg, _ in seen]) == (0, [("one", 15), ("two", 30)])


def test_help_names_every_setting():
    text = format_help(PROG, CONFIG)
    assert text.startswith("mlseg-calibrate fits a calibrator to a trained run")
    assert max(map(len, text.splitlines())) <= 120
    settings = text.split("Settings:")[1].split("Examples:")[0]
    for key in read_yaml(find_config_dir() / "calibrate.yaml").keys() - {"defaults", "hydra"}:
        assert f"{key}=" in settings


@pytest.mark.parametrize("words", [words for words, _ in EXAMPLES["calibrate"]])
def test_the_examples_can_be_typed(type_words, make_run, words):
    for name in ("DIR", "DIR1", "DIR2"):
        make_run(name=name)
    code, err, _ = type_words(*words.split())
    assert (code, [line for line in err if "job" not in line]) == (0, [])


def test_the_command_answers_without_anything_heavy(repo_root, make_run, workplace):
    make_run()
    code = (
        "import sys; from mlseg.cli.calibrate import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'monai', 'nibabel', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    for words, exit_code, said in (["--help"], 0, 0), (["run=run", "part=test"], 2, 1):
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
