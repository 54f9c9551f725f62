"""The console script mlseg-phantom: one line for each mistake, and an answer at once."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from mlseg.cli.phantom import OPTIONS, read_options, run
from mlseg.data.brats import BraTSSource
from mlseg.data.phantom import WRITERS


def test_writes_a_phantom_and_says_what_to_type_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "p"
    assert run([f"root={root}", "subjects=1", "shape=3,40,40", "spacing_mm=8,1.2,1.2", "seed=4"]) == 0
    assert (root / "training/patient001/Info.cfg").is_file()
    out = capsys.readouterr().out
    assert str(root) in out
    assert f"data.root={root}" in out


def test_the_default_root_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLSEG_DATA", str(tmp_path))
    assert run(["subjects=1", "shape=3,40,40"]) == 0
    assert (tmp_path / "phantom/training/patient001").is_dir()
    assert run(["--help"]) == 0
    assert str(tmp_path / "phantom") in capsys.readouterr().out


@pytest.mark.parametrize("data", OPTIONS)
def test_every_data_set_has_its_phantom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    monkeypatch.setenv("MLSEG_DATA", str(tmp_path))
    assert run([f"data={data}", "subjects=1", "shape=8,40,44"]) == 0
    root = tmp_path / ("phantom" if data == "acdc" else f"phantom_{data}")
    assert (root / "phantom.json").is_file()
    words = "experiment=demo" if data == "acdc" else f"data={data} 'data.crop=[40,44]'"
    assert f"mlseg-train {words} data.root={root}" in capsys.readouterr().out


def test_options_are_those_of_the_writers() -> None:
    assert set(OPTIONS) == set(WRITERS)
    for data, options in OPTIONS.items():
        assert set(options) == set(inspect.signature(WRITERS[data]).parameters) - {"root"}


def test_options_of_one_data_set(tmp_path: Path) -> None:
    assert run(["data=brats", "year=2023", "subjects=1", "shape=8,40,40", f"root={tmp_path / 'p'}"]) == 0
    assert [case.case_id for case in BraTSSource(tmp_path / "p").list_cases()] == ["BraTS-GLI-00001-000"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "data=brast",
            "data: must be one of acdc, mrbrains18, brats, msd, nnunet, got 'brast'. Did you mean data=brats?",
        ),
        ("data=", "got ''. Write one of these."),
        ("year=2019", "year: data=acdc has no such option, got year=2019. Leave it out."),
        ("year=last", "year: must be like year=2023, got 'last'"),
        ("subject=3", "Did you mean subjects=...?"),
        ("--seed", "Did you mean seed=...?"),
        ("qqq", "See mlseg-phantom --help."),
        ("subjects=many", "subjects: must be like subjects=10, got 'many'"),
        ("subjects=0", "subjects must be a whole number of at least 1, got 0"),
        ("shape=3,4", "shape: must be like shape=8,112,104"),
        ("spacing_mm=1,1,0", "spacing_mm must be a number above 0"),
        ("root=", "root: must be like"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str, message: str
) -> None:
    monkeypatch.setenv("MLSEG_DATA", str(tmp_path))
    assert run([argument]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mlseg-phantom: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_somebody_elses_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run([f"root={tmp_path}"]) == 1
    assert "Give another root." in capsys.readouterr().err


def test_options_are_typed() -> None:
    assert read_options(["root=x", "spacing_mm=(10, 1.5, 1.5)", "shape=[4,64,64]"]) == {
        "root": Path("x"),
        "spacing_mm": (10.0, 1.5, 1.5),
        "shape": (4, 64, 64),
    }


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlseg.cli.phantom import run; code = run(['--help']); "
        "sys.exit(code or bool({'numpy', 'torch', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "subjects" in done.stdout
