"""`mlseg-report`: what can be typed, which runs it finds, what it refuses in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.cli.report import find_runs, read_options, run
from mlseg.records import write_json


@pytest.fixture
def runs(tmp_path: Path, write_run, monkeypatch) -> Path:
    """Two configurations with two seeds each, and a run that is not finished."""
    monkeypatch.chdir(tmp_path)
    for name, options in (("ce/default", {}), ("mbls/margin-5", {"loss": "mbls", "shift": 0.1})):
        for seed in (1, 2):
            write_run(tmp_path / "outputs" / name / f"seed{seed}", seed=seed, subjects=3, **options)
    waiting = tmp_path / "outputs" / "ls" / "seed1"
    waiting.mkdir(parents=True)
    write_json(waiting / "status.json", {"state": "running"})
    return tmp_path


def test_a_folder_of_runs_makes_a_page(runs, capsys):
    assert run(["outputs", "output=a/report.html", "title=My runs"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("a/report.html: 4 runs, 6 cases, ")
    assert said.err == "mlseg-report: left out, not finished: outputs/ls/seed1\n"
    text = Path("a/report.html").read_text()
    assert "<title>My runs</title>" in text
    assert "mlseg-report outputs output=a/report.html &#x27;title=My runs&#x27;" in text
    assert '<a href="../outputs/ce/default/seed1/">outputs/ce/default/seed1</a>' in text


def test_runs_are_found_once_in_the_order_of_their_names(runs):
    finished, waiting = find_runs(["outputs/mbls", "outputs", "outputs/ce/default/seed1"])
    assert [path.as_posix() for path in finished] == [
        *("outputs/mbls/margin-5/seed1", "outputs/mbls/margin-5/seed2"),
        *("outputs/ce/default/seed1", "outputs/ce/default/seed2"),
    ]
    assert [path.as_posix() for path in waiting] == ["outputs/ls/seed1"]
    assert find_runs(["outputs/*/*/seed2"])[0] == [
        Path("outputs/ce/default/seed2"),
        Path("outputs/mbls/margin-5/seed2"),
    ]


def test_numbers_in_names_count_up(runs, write_run):
    write_run(runs / "outputs" / "mbls" / "margin-10" / "seed1", loss="mbls")
    names = [path.parent.name for path in find_runs(["outputs/mbls"])[0]]
    assert names == ["margin-5", "margin-5", "margin-10"]


def test_what_lies_inside_a_run_is_no_run(runs, write_run):
    inside = write_run(runs / "outputs/ce/default/seed1/evaluations/test", subjects=1)
    assert len(find_runs(["outputs"])[0]) == 4
    assert find_runs([str(inside)])[0] == [inside]


def test_a_run_without_scores_is_named(runs, capsys):
    with pytest.raises(RunError, match=r"seed1: must be a finished run with scores\.csv"):
        find_runs(["outputs/ls/seed1"])
    Path("outputs/ce/default/seed1/scores.csv").unlink()
    assert run(["outputs/ce/default/seed1"]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert "outputs/ce/default/seed1: must be a finished run with scores.csv, got none." in err[0]
    assert not Path("report.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "at least one is needed, got none"),
        (["nowhere"], "nowhere: must be a finished run"),
        (["outputs/ls"], "outputs/ls: must be a finished run"),
        (["outputs", "output=report.pdf"], "output: must be a file whose name ends in .html, got report.pdf"),
        (["outputs", "--open"], "--open: no such option"),
    ],
)
def test_mistakes_are_one_line(runs, capsys, words, said):
    assert run(words) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert said in err[0]


def test_a_folder_is_no_file_to_write_to(runs):
    Path("x.html").mkdir()
    with pytest.raises(ConfigError, match="output"):
        read_options(["outputs", "output=x.html"])


def test_a_damaged_run_is_one_line(runs, capsys):
    Path("outputs/ce/default/seed1/views.npz").write_bytes(b"x")
    assert run(["outputs"]) == 1
    assert "views.npz: must be a file of views" in capsys.readouterr().err
    assert not Path("report.html").exists()


def test_help_imports_nothing_heavy():
    code = "import sys; from mlseg.cli.report import run; run(['--help']); print([m for m in sys.modules if m in {}])"
    heavy = ("numpy", "torch", "hydra", "matplotlib", "PIL")
    result = subprocess.run([sys.executable, "-c", code.format(heavy)], capture_output=True, text=True, check=True)
    assert "mlseg-report RUN [RUN ...]" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"
