"""Command lines from the first word to the exit code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlseg import __version__
from mlseg.checks import ConfigError, DataError, RunError


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_task_sees_the_configuration_and_the_choices(run):
    seen = []
    answer = run("loss=mbls", "loss.margin=3", task=lambda cfg, info: seen.append((cfg, info)))
    ((cfg, info),) = seen
    assert (answer.code, answer.err) == (0, [])
    assert cfg.loss.margin == 3
    assert "hydra" not in cfg
    assert info.choices["loss"] == "mbls"
    assert info.choices["data"] == "acdc"
    assert not any(group.startswith("hydra") for group in info.choices)
    assert info.overrides == ("loss=mbls", "loss.margin=3")
    assert (info.multirun, info.prog) == (False, "mlseg-train")


def test_the_exit_code_is_the_tasks(run):
    assert run(task=lambda cfg, info: 75).code == 75


def test_a_run_leaves_nothing_lying_around(run, workplace):
    before = names(workplace)
    assert run("seed=2").code == 0
    assert names(workplace) == before


def test_a_sweep_leaves_only_its_own_hidden_folder(run, workplace):
    before = names(workplace)
    assert run("-m", "seed=1,2").code == 0
    assert names(workplace) - before == {"outputs", "outputs/.multirun"}


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (ConfigError("loss: a. Write b."), 2, ["mlseg-train: loss: a. Write b."]),
        (RunError("outputs/x: c. Give d."), 1, ["mlseg-train: outputs/x: c. Give d."]),
        (DataError("a: x.\nb: y."), 1, ["mlseg-train: 2 problems:", "  a: x.", "  b: y."]),
        (DataError("acdc: 2 files are damaged:\na: x."), 1, ["mlseg-train: acdc: 2 files are damaged:", "  a: x."]),
        (KeyboardInterrupt(), 130, ["mlseg-train: interrupted. Type the same command to go on."]),
    ],
)
def test_an_error_in_the_task_is_a_line_and_a_code(run, error, code, lines):
    def task(cfg, info):
        raise error

    answer = run(task=task)
    assert (answer.code, answer.err) == (code, lines)


def test_an_unexpected_exception_leaves_its_traceback_in_a_file(run, workplace):
    def task(cfg, info):
        raise KeyError("boom")

    answer = run(task=task)
    assert answer.code == 1
    (line,) = answer.err
    assert re.fullmatch(
        r"mlseg-train: internal error: KeyError in mlseg/cli/jobs\.py, line \d+: 'boom'\. "
        r"The traceback is in mlseg-error\.log; please report it\.",
        line,
    )
    log = (workplace / "mlseg-error.log").read_text()
    assert "Traceback" in log
    assert 'raise KeyError("boom")' in log


def test_the_traceback_goes_to_the_run_directory_where_there_is_one(run, workplace):
    def task(cfg, info):
        Path("outputs/acdc/unet/ce/default/seed1").mkdir(parents=True)
        raise KeyError("boom")

    assert "The traceback is in outputs/acdc/unet/ce/default/seed1/mlseg-error.log" in run(task=task).err[0]
    assert (workplace / "outputs/acdc/unet/ce/default/seed1/mlseg-error.log").is_file()
    assert not (workplace / "mlseg-error.log").exists()


def test_a_check_of_ones_own(run):
    answer = run(check=lambda cfg, choices: [f"loss: {choices['loss']} is not liked. Give another."])
    assert (answer.code, answer.err) == (2, ["mlseg-train: loss: ce is not liked. Give another."])


def test_of_all_ranks_that_make_a_mistake_one_tells(run, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    answer = run("loss=mblz")
    assert (answer.code, answer.err) == (2, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--loss=mbls"], "--loss=mbls: no such option. Settings have no dashes: loss=mbls."),
        (["--verbose"], "--verbose: no such option. See --help."),
        (["--config-dir", "nowhere"], "--config-dir: no such folder 'nowhere'."),
        (["--cfg", "everything"], "command line: argument --cfg/-c: invalid choice: 'everything'"),
    ],
)
def test_options_that_are_none(run, words, message):
    answer = run(*words)
    assert answer.code == 2
    assert len(answer.err) == 1
    assert answer.err[0].startswith(f"mlseg-train: {message}")


def test_remedies_are_commands_as_they_are_typed_here(run):
    assert run("seed=1,2", typed="python train.py").err == [
        "mlseg-train: seed=1,2: several values make a sweep, which needs -m. Type python train.py -m seed=1,2."
    ]


def test_options_that_only_print(run):
    def never(cfg, info):
        raise AssertionError

    assert run("--version", task=never).out == f"mlseg {__version__}\n"
    assert "usage: mlseg-train" in run("-h", task=never).out
    shown = run("--cfg", "job", "loss=mbls", "loss.margin=7", task=never)
    assert "margin: 7" in shown.out
    assert "hydra:" not in shown.out
    resolved = run("--cfg", "job", "--resolve", "--package", "model", task=never)
    assert "num_classes: 4" in resolved.out
    assert "hydra_bash_completion" in run("-sc", "install=bash", task=never).out


def test_configs_of_ones_own(run, workplace):
    folder = workplace / "mine" / "loss"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("_target_: torch.nn.MyLoss\nbeta: 2.0\n")
    seen = []
    answer = run("--config-dir", "mine", "loss=mine", "loss.beta=3", task=lambda cfg, info: seen.append(cfg.loss))
    assert answer.code == 0, answer.err
    assert seen[0] == {"_target_": "torch.nn.MyLoss", "beta": 3}
    assert "Did you mean loss.beta?" in run("--config-dir", "mine", "loss=mine", "loss.bet=3").err[0]
    assert run("loss=mine").code == 2


def test_the_command_answers_without_anything_heavy(repo_root, tmp_path):
    code = (
        "import sys; from mlseg.cli.train import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'monai', 'nibabel', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    for words, exit_code, said in (["--help"], 0, 0), (["loss=mblz"], 2, 1), (["data.root=/nowhere"], 2, 1):
        result = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(repo_root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == exit_code
        assert result.stdout.rstrip().endswith("[]")
        assert len(result.stderr.splitlines()) == said
    assert list(tmp_path.iterdir()) == []


def test_output_that_nobody_reads_ends_the_command_quietly(repo_root, tmp_path):
    command = [sys.executable, "-c", "from mlseg.cli.train import main; main()", "--help"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(repo_root)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), said) == (141, b"")
    assert list(tmp_path.iterdir()) == []
