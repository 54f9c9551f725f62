"""mlseg-doctor: every layout, sound and damaged; exit status, JSON, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlseg.cli.doctor import run
from mlseg.data.acdc import ACDCSource
from mlseg.data.brats import BraTSSource
from mlseg.data.mrbrains18 import MRBrainS18Source
from mlseg.data.msd import MSDSource
from mlseg.data.nnunet import NnUNetSource
from mlseg.data.phantom import write_phantom
from mlseg.data.phantom_variations import VARIATIONS, vary

SOURCES = {
    "acdc": ACDCSource,
    "mrbrains18": MRBrainS18Source,
    "brats": BraTSSource,
    "msd": MSDSource,
    "nnunet": NnUNetSource,
}
SMALL = ("data.crop=[32,32]", "data.split=random", "data.workers=1")


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom of every layout, below its name; read only."""
    place = tmp_path_factory.mktemp("phantoms")
    for name in SOURCES:
        write_phantom(name, place / name, subjects=5, shape=(8, 32, 32))
    return place


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Type a command line in an empty folder: (exit status, stdout, lines on stderr)."""
    monkeypatch.delenv("MLSEG_CACHE", raising=False)
    monkeypatch.delenv("MLSEG_DATA", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", ["mlseg-doctor"])

    def call(*words: str) -> tuple[int, str, list[str]]:
        code = run(words)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        assert [*Path().iterdir()] == []
        return code, out, err.splitlines()

    return call


@pytest.mark.parametrize("name", SOURCES)
def test_a_sound_phantom_of_every_layout(name: str, phantoms: Path, doctor: Callable[..., Any]) -> None:
    files = {path: path.stat().st_mtime_ns for path in phantoms.rglob("*")}
    code, out, err = doctor(f"data={name}", f"data.root={phantoms / name}", *SMALL)
    assert (code, err) == (0, [])
    lines = out.splitlines()
    assert lines[0].startswith(f"  data set  {name}")
    assert lines[-1].startswith("no problems found")
    assert max(map(len, lines[1:])) <= 80
    cases = SOURCES[name](phantoms / name).list_cases()
    assert f"cases     {len(cases)} of {len({case.subject_id for case in cases})} subjects" in out
    assert {path: path.stat().st_mtime_ns for path in phantoms.rglob("*")} == files


@pytest.mark.parametrize("variation", VARIATIONS)
@pytest.mark.parametrize("name", ["brats", "nnunet"])
def test_a_varied_phantom(
    name: str, variation: str, phantoms: Path, tmp_path: Path, doctor: Callable[..., Any]
) -> None:
    root = Path(shutil.copytree(phantoms / name, tmp_path / name))
    vary(variation, SOURCES[name](root).list_cases())
    code, out, _ = doctor(f"data={name}", f"data.root={root}", *SMALL, "--json")
    report = json.loads(out)
    refusal = VARIATIONS[variation].refusal
    texts = [finding["text"] for finding in report["problems"] if finding["kind"] == "case"]
    assert len(texts) == bool(refusal)
    assert refusal in "".join(texts)
    assert code == (1 if report["problems"] else 0)
    assert report["cases_read"] == report["cases"] - bool(refusal)
    twins = [found for found in report["problems"] + report["warnings"] if found["kind"] == "duplicate"]
    assert bool(twins) is (variation == "same_image")


def test_all_damaged_files_are_named_at_once(phantoms: Path, tmp_path: Path, doctor: Callable[..., Any]) -> None:
    root = Path(shutil.copytree(phantoms / "brats", tmp_path / "brats"))
    first, second, third = [case for case in BraTSSource(root).list_cases() if case.group == "HGG"][:3]
    first.images[0].write_bytes(first.images[0].read_bytes()[:500])
    first.images[1].unlink()
    second.images[3].write_bytes(b"")
    assert third.target is not None
    third.target.unlink()
    code, out, _ = doctor("data=brats", f"data.root={root}", *SMALL)
    assert code == 1
    assert "4 problems:" in out
    assert "cases     5 of 5 subjects; 3 can't be read" in out
    for path in (first.images[0], first.images[1], second.images[3], third.target):
        assert str(path.relative_to(root)) in out
    assert out.splitlines()[-1] == "4 problems, 0 warnings"


def test_json_is_one_object_with_stable_keys(phantoms: Path, doctor: Callable[..., Any]) -> None:
    code, out, err = doctor("--json", "data=acdc", f"data.root={phantoms / 'acdc'}", *SMALL)
    report = json.loads(out)
    assert (code, err, out[0]) == (0, [], "{")
    listed = (
        "version data name root layout cases cases_read subjects frames groups channels classes shape spacing_mm "
        "orientations corner_distance_mm split needs problems warnings seconds processes case_list"
    )
    assert list(report) == listed.split()
    assert (report["version"], report["data"], report["processes"]) == (1, "acdc", 1)
    assert len(report["case_list"]) == report["cases"] == 10
    broken = json.loads(doctor("--json", "data=msd", f"data.root={phantoms / 'acdc'}")[1])
    assert list(broken) == listed.split()
    assert broken["cases"] is None


def test_another_layout_is_a_problem(phantoms: Path, doctor: Callable[..., Any]) -> None:
    for name, other, words in (
        ("acdc", "brats", "must hold training/patient001"),
        ("msd", "acdc", "dataset.json: must exist"),
        ("nnunet", "msd", "Say data=msd."),
    ):
        code, out, err = doctor(f"data={name}", f"data.root={phantoms / other}")
        assert (code, err) == (1, [])
        assert words in " ".join(out.split())
        assert out.splitlines()[-1] == "1 problem, 0 warnings"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data=acdcc"], "Did you mean acdc?"),
        (["data.rooot=x"], "Did you mean data.root?"),
        (["data.root=/nowhere"], "data.root: no such folder '/nowhere'"),
        (["data.crop=[0,4]"], "data.crop: must be two whole numbers of at least 1"),
        (["data.split=kfold", "data.fold=5"], "data.fold: must be a whole number in [0, 4], got 5"),
        (["data.split=acdcc"], "Did you mean acdc?"),
        (["data=mrbrains18", "data.label_map.7=GMM"], "Did you mean GM?"),
        (["data=msd", "data.source.subject_pattern='(.'"], "must be a regular expression"),
        (["--jason"], "no such option"),
        (["~data"], "data: there must be one"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(
    words: list[str], said: str, phantoms: Path, doctor: Callable[..., Any]
) -> None:
    name = next((word.removeprefix("data=") for word in words if word.startswith("data=")), "acdc")
    # Of two words for one setting the last counts.
    root = [f"data.root={phantoms / name}"] if words != ["~data"] else []
    code, out, err = doctor(*root, *words, "--json")
    assert (code, out, len(err)) == (2, "", 1)
    assert said in err[0]


def test_the_split_that_a_run_would_refuse(phantoms: Path, doctor: Callable[..., Any]) -> None:
    code, out, _ = doctor("data=acdc", f"data.root={phantoms / 'acdc'}", "data.crop=[32,32]", "data.workers=1")
    assert code == 1
    assert "split acdc: all its subjects must be on disk, got 95 of 100 missing" in " ".join(out.split())
    assert "training subjects" not in out


def test_settings_are_those_of_a_training(phantoms: Path, doctor: Callable[..., Any]) -> None:
    common = ("data=msd", f"data.root={phantoms / 'msd'}", "data.workers=1", "--json")
    whole = json.loads(doctor(*common, "data.crop=[32,32]")[1])
    small = json.loads(doctor(*common, "data.crop=[16,16]", "data.source.labels=[nothing,a,b]")[1])
    assert small["needs"]["memory_bytes"] * 4 == whole["needs"]["memory_bytes"]
    wide = json.loads(doctor(*common, "data.crop=[16,16]", "data.crop_jitter=8")[1])
    assert wide["needs"]["memory_bytes"] == whole["needs"]["memory_bytes"]  # the crop and all its places
    assert [row["name"] for row in small["classes"]] == ["nothing", "a", "b"]
    patches = json.loads(doctor(*common, "data.dims=3", "data.crop=[4,16,16]")[1])
    trained = [case for case in patches["case_list"] if case["part"] == "train"]
    voxels = sum(case["shape"][0] * case["shape"][1] * case["shape"][2] for case in trained)
    assert patches["needs"]["memory_bytes"] == 5 * voxels
    spaced = json.loads(doctor(*common, "data.crop=[32,32]", "data.spacing_mm=[30,30]")[1])
    assert spaced["needs"]["cache_bytes"] < whole["needs"]["cache_bytes"]


def test_a_twin_in_another_fold_is_a_problem(phantoms: Path, tmp_path: Path, doctor: Callable[..., Any]) -> None:
    root = Path(shutil.copytree(phantoms / "nnunet", tmp_path / "twins"))
    vary("same_image", NnUNetSource(root).list_cases())
    for fold in range(2):
        code, out, _ = doctor("data=nnunet", f"data.root={root}", "data.split=loso", f"data.fold={fold}", SMALL[2])
        assert (code, "of one fold or another" in " ".join(out.split())) == (1, True)


def test_several_in_one_command(phantoms: Path, doctor: Callable[..., Any]) -> None:
    words = ("data=acdc", f"data.root={phantoms / 'acdc'}", "data.split=kfold", "data.fold=0,1")
    code, out, err = doctor("-m", *words, SMALL[0], SMALL[2])
    assert (code, len(err)) == (0, 2)
    assert [line for line in out.splitlines() if "split " in line] == [
        f"  split     kfold5-0-fold{fold}: train 3, val 1, test 1 subjects (6, 2, 2 cases)" for fold in (0, 1)
    ]


def test_help_names_the_keys_and_the_exit_codes(doctor: Callable[..., Any]) -> None:
    code, out, _ = doctor("--help")
    assert code == 0
    for word in ("--json", "case_list", "corner_distance_mm", "Exit status: 0", "data=brats"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 120


def test_it_starts_without_what_is_heavy_for_its_workers() -> None:
    heavy = ("torch", "hydra", "rich")
    code = f"import sys, mlseg.cli.doctor, mlseg.data.inspection; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(("data", "folder", "cases"), [("acdc", "acdc", 160), ("msd", "hippocampus", 200)])
def test_real_data(data: str, folder: str, cases: int, realdata_dir: Path, doctor: Callable[..., Any]) -> None:
    _, out, err = doctor(f"data={data}", f"data.root={realdata_dir / folder}", "data.split=random", "--json")
    report = json.loads(out)
    assert (err, report["cases_read"]) == ([], cases)
    assert {finding["kind"] for finding in report["problems"]} <= {"duplicate"}
    assert report["seconds"] < 60
    if folder == "hippocampus":
        (warning,) = [finding for finding in report["warnings"] if finding["kind"] == "intensity"]
        assert "up to 1.7e+06" in warning["text"]
