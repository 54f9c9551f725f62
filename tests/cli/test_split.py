"""The console script mlseg-split: the files it writes, and one line for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlseg.cli.split import read_options, run
from mlseg.data.acdc import ACDCSource
from mlseg.data.splits import read_split, resolve_split


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten patients of two groups; a split reads no image."""
    place = tmp_path_factory.mktemp("split") / "acdc"
    for number in range(1, 11):
        patient = place / f"training/patient{number:03d}"
        patient.mkdir(parents=True)
        (patient / "Info.cfg").write_text(f"ED: 1\nES: 9\nGroup: {('DCM', 'NOR')[number % 2]}\n")
        for frame in ("01", "01_gt", "09", "09_gt"):
            (patient / f"{patient.name}_frame{frame}.nii.gz").touch()
    return place


@pytest.fixture(autouse=True)
def _stay_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_random_split_is_the_one_that_a_run_would_draw(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data=acdc", f"root={root}", "seed=3", "fractions=0.6,0.2,0.2", "output=mine.json"]) == 0
    cases = ACDCSource(root).list_cases()
    drawn = resolve_split("random", cases, fractions=(0.6, 0.2, 0.2), seed=3)
    written = resolve_split("mine.json", cases, fractions=(0.7, 0.1, 0.2), seed=0)
    assert (written.train, written.val, written.test) == (drawn.train, drawn.val, drawn.test)
    assert written.name == "mine"
    out = capsys.readouterr().out
    assert [len(line.split()) for line in out.splitlines() if " train " in line] == [6]
    assert "mine.json train 6 12 3 3" in " ".join(out.split())
    assert f"Next: mlseg-train data=acdc data.root={root} data.split=mine.json" in out
    text = Path("mine.json").read_text()
    assert str(root) not in text
    assert "seed=3 fractions=0.6,0.2,0.2, from 10 subjects of acdc" in json.loads(text)["note"]


def test_kfold_writes_a_file_a_fold(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data=acdc", f"data.root={root}", "kind=kfold", "folds=5", "output=k.json"]) == 0
    files = [Path(f"k_fold{n}.json") for n in range(5)]
    assert sorted(Path().iterdir()) == files
    subjects = {case.subject_id for case in ACDCSource(root).list_cases()}
    assert sorted(subject for path in files for subject in read_split(path).test) == sorted(subjects)
    assert "data.split=k_fold0.json,k_fold1.json" in capsys.readouterr().out


def test_loso_writes_a_file_a_subject(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data=acdc", f"root={root}", "kind=loso"]) == 0
    assert [read_split(f"acdc_loso_fold{n}.json").test for n in range(10)] == [
        (f"patient{n:03d}",) for n in range(1, 11)
    ]
    assert "acdc_loso_fold9.json" in capsys.readouterr().out


def test_settings_of_the_data_set_count(root: Path) -> None:
    words = ["data=acdc", f"root={root}", "data.split_seed=5", "data.split_fractions=[0.5,0.25,0.25]"]
    assert run([*words, "output=a.json"]) == 0
    assert run(["data=acdc", f"root={root}", "seed=5", "fractions=0.5,0.25,0.25", "output=b.json"]) == 0
    assert read_split("a.json").test == read_split("b.json").test


def test_subjects_of_a_pattern_stay_together(root: Path, tmp_path: Path) -> None:
    task = tmp_path / "Dataset001_x"
    (task / "imagesTr").mkdir(parents=True)
    (task / "labelsTr").mkdir()
    labels = {"background": 0, "a": 1}
    (task / "dataset.json").write_text(json.dumps({"channel_names": {"0": "MR"}, "labels": labels}))
    for n in range(10):
        (task / f"imagesTr/p{n // 2}_t{n % 2}_0000.nii.gz").touch()
        (task / f"labelsTr/p{n // 2}_t{n % 2}.nii.gz").touch()
    words = ["data=nnunet", f"root={task}", "data.source.subject_pattern='(p[0-9])_'", "output=n.json"]
    assert run(words) == 0
    split = read_split("n.json")
    assert sorted([*split.train, *split.val, *split.test]) == [f"p{n}" for n in range(5)]


def test_another_file_is_never_overwritten(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data=acdc", f"root={root}", "output=mine.json"]
    assert run(words) == run(words) == 0
    before = Path("mine.json").read_bytes()
    assert run([*words, "seed=9"]) == 2
    assert Path("mine.json").read_bytes() == before
    assert "mine.json: must be a new file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dta=acdc"], "Did you mean data=...?"),
        (["--seed=3"], "Did you mean seed=...?"),
        (["qqq"], "See mlseg-split --help."),
        (["kind=kfolds"], "kind: must be like kind=random, kind=kfold or kind=loso, got 'kfolds'"),
        (["seed=x"], "seed: must be like seed=0, got 'x'"),
        (["fractions=0.5,0.5"], "fractions: must be like"),
        (["fractions=0.5,0.5,0.5"], "data.split_fractions: must be three shares that add up to 1"),
        (["kind=kfold", "folds=11"], "data.folds: must be from 2 to the number of subjects (10), got 11"),
        (["kind=kfold", "folds=0"], "data.folds: must be from 2 to the number of subjects (10), got 0"),
        (["output=mine.txt"], "output: must be like output=my_split.json"),
        (["root="], "root: must be like"),
        (["data=acdd"], "Did you mean acdc?"),
        (["data.orientatio=LPS"], "no such setting"),
        (["fractions=0,0.5,0.5"], "train must hold at least one subject"),
    ],
)
def test_a_mistake_is_one_line(root: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert run(["data=acdc", f"root={root}", *words]) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("mlseg-split: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(Path().iterdir()) == []


def test_a_data_set_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data=acdc", "root=nowhere"]) == 1
    assert "nowhere: must hold training/patient001" in capsys.readouterr().err


def test_options_are_typed() -> None:
    options, words = read_options(["fractions=(0.6, 0.2, 0.2)", "output=x.json", "data=msd", "data.folds=3", "seed=-1"])
    assert options == {"fractions": (0.6, 0.2, 0.2), "output": Path("x.json"), "seed": -1}
    assert words == ["data=msd", "data.folds=3"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlseg.cli.split import run; code = run(['--help']); "
        "sys.exit(code or bool({'numpy', 'torch', 'hydra'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "kind" in done.stdout
