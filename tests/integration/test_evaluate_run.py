"""A finished run judged again: the same numbers under the same settings, and its first results as they were."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.errors import REQUEUE
from mlseg.cli.evaluate import evaluate
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.run_base import find_base
from mlseg.cli.train import train
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint
from mlseg.records import read_scores

Evaluate = Callable[..., int]


@pytest.fixture(scope="module")
def trained(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody changes."""
    folder = tmp_path_factory.mktemp("trained")
    words = [
        *("data=phantom", "loss=mbls", "model.widths=[4,8]", "model.strides=[2]", "data.crop=[32,32]"),
        *("data.batch_size=6", "data.workers=1", "trainer.max_epochs=2", "trainer.amp=off", "optimizer.lr=0.01"),
        *(f"data.root={phantom}", f"data.cache_dir={folder / 'cache'}", f"run_dir={folder / 'run'}"),
    ]
    assert run_command(App(task=train, config_name="train", prog="mlseg-train"), words) == 0
    return folder / "run"


@pytest.fixture
def run_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def scans(phantom: Path, tmp_path: Path) -> Path:
    """A copy of the data."""
    return Path(shutil.copytree(phantom, tmp_path / "scans"))


@pytest.fixture
def mlseg_evaluate(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Evaluate the run; figures, which take most of the time, are drawn on demand."""

    def call(*words: str, figures: bool = False) -> int:
        with monkeypatch.context() as patch:
            for name in () if figures else ("draw_calibration", "draw_cases"):
                patch.setattr(f"mlseg.report.judgement.{name}", lambda *args, **kwargs: [])
            options = {"check": find_evaluate_problems, "find_base": find_base}
            app = App(task=evaluate, config_name="evaluate", prog="mlseg-evaluate", **options)
            return run_command(app, [f"run={run_dir}", *words])

    return call


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a run but those of its evaluations."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in files if p.relative_to(folder).parts[0] != "evaluations"
    }


def read_parts(run_dir: Path) -> dict[str, list[str]]:
    return {part: json.loads((run_dir / "data.json").read_text())[part] for part in ("train", "val", "test")}


def test_the_same_settings_give_the_same_bytes_and_leave_the_run_alone(run_dir: Path, mlseg_evaluate: Evaluate) -> None:
    before = contents(run_dir)
    assert mlseg_evaluate(figures=True) == 0
    made = run_dir / "evaluations" / "test"
    for name in ("scores.csv", "bins.npz", "views.npz"):
        assert (made / name).read_bytes() == before[name], name
    assert (made / "summary.md").is_file()
    assert list((made / "figures").glob("*.png"))
    first = contents(made)
    assert mlseg_evaluate() == 0
    for name in ("scores.csv", "bins.npz", "views.npz"):
        assert contents(made)[name] == first[name]
    assert contents(run_dir) == before
    assert [path.name for path in (run_dir / "evaluations").iterdir()] == ["test"]


def test_another_part_checkpoint_and_protocol(run_dir: Path, mlseg_evaluate: Evaluate) -> None:
    last = load_checkpoint(run_dir / "last.pt")
    last["network"] = {name: value + 0.01 for name, value in last["network"].items()}
    save_checkpoint(run_dir / "last.pt", {key: value for key, value in last.items() if key != "version"})
    words = ("part=val", "checkpoint=last", "evaluation.default.bins=20", "evaluation.protocols=[merged,default]")
    assert mlseg_evaluate(*words) == 0
    (made,) = (run_dir / "evaluations").iterdir()
    assert made.name == "val+last+default.bins-20+protocols-merged-default"
    rows, record = read_scores(made / "scores.csv"), json.loads((made / "run.json").read_text())
    assert {row.subject_id for row in rows} == set(read_parts(run_dir)["val"])
    assert {row.evaluation for row in rows} == {"merged", "default"}
    assert record["checkpoint"]["epoch"] == 2
    assert record["config"]["evaluation"]["default"]["bins"] == 20
    summary = (made / "summary.md").read_text()
    assert summary.startswith("# Validation scores\n")
    assert "chosen by these very subjects" in summary
    assert mlseg_evaluate("part=val") == 0
    other = json.loads((run_dir / "evaluations" / "val" / "run.json").read_text())
    assert other["checkpoint"]["weights"] != record["checkpoint"]["weights"]


def test_only_the_judged_subjects_need_to_be_there(
    run_dir: Path, scans: Path, mlseg_evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject in [*read_parts(run_dir)["train"], *read_parts(run_dir)["val"]]:
        shutil.rmtree(scans / "training" / subject)
    words = (f"data.root={scans}", f"data.cache_dir={tmp_path / 'cache'}")
    assert mlseg_evaluate(*words) == 0
    assert (run_dir / "evaluations" / "test" / "scores.csv").read_bytes() == (run_dir / "scores.csv").read_bytes()
    capsys.readouterr()
    assert mlseg_evaluate(*words, "part=train") == 1
    assert "all subjects of train must be on disk, got 3 of 3 missing" in capsys.readouterr().err


def test_other_files_under_the_same_names_do_not_pass_silently(
    run_dir: Path, scans: Path, mlseg_evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    (subject,) = read_parts(run_dir)["test"]
    path = min((scans / "training" / subject).glob("*_gt.nii.gz"))
    image = nib.load(path)
    labels = np.asarray(image.dataobj).copy()
    labels[labels == 3] = 2
    nib.save(nib.Nifti1Image(labels, image.affine, image.header), path)
    case = path.name.removesuffix("_gt.nii.gz")
    assert mlseg_evaluate(f"data.root={scans}") == 1
    assert f"got 1 that are not: {case} (changed)" in capsys.readouterr().err
    assert not (run_dir / "evaluations").exists()
    assert mlseg_evaluate(f"data.root={scans}", "allow_changed_data=true") == 0
    made = run_dir / "evaluations" / "test+changed-data"
    assert f"1 case with other files than the run recorded: {case} (changed)" in (made / "summary.md").read_text()
    assert json.loads((made / "run.json").read_text())["changed_cases"] == {case: "changed"}


def test_what_the_network_has_seen_is_not_judged_as_new(
    run_dir: Path, scans: Path, mlseg_evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = read_parts(run_dir)
    seen, new = parts["train"][0], parts["test"][0]
    split = tmp_path / "mine.json"
    split.write_text(json.dumps({"train": [], "val": [], "test": [seen, new]}))
    assert mlseg_evaluate(f"split={split}") == 1
    assert f"got 1 of 2 that it has: {seen} (trained on)" in capsys.readouterr().err
    assert mlseg_evaluate(f"split={split}", "allow_seen_subjects=true") == 0
    made = run_dir / "evaluations" / "test+split-mine"
    assert "seen 1 of these 2 subjects, so their scores are too good" in (made / "summary.md").read_text()
    # The same person under another name.
    for path in sorted((scans / "training" / seen).iterdir()):
        target = scans / "training" / "patient077" / path.name.replace(seen, "patient077")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    capsys.readouterr()
    assert mlseg_evaluate(f"data.root={scans}", "split=unseen") == 1
    assert f"patient077 (the same files as {seen}_frame01, trained on)" in capsys.readouterr().err


def test_a_checkpoint_that_is_none_or_does_not_fit(
    run_dir: Path, mlseg_evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pt"
    save_checkpoint(other, {"network": {"nothing": 1}, "epoch": 1})
    (tmp_path / "text.pt").write_text("nothing")
    for path, message in ((other, "does not fit the network"), (tmp_path / "text.pt", "not a readable checkpoint")):
        assert mlseg_evaluate(f"checkpoint={path}") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
        assert line.endswith("or give checkpoint=..., one of this very network.")
    best = load_checkpoint(run_dir / "best.pt")
    save_checkpoint(run_dir / "best.pt", {"network": best["network"], "epoch": 7})
    assert mlseg_evaluate() == 1
    assert "must be from epoch" in capsys.readouterr().err
    assert not (run_dir / "evaluations").exists()


def test_a_checkpoint_from_elsewhere_has_a_history_of_its_own(
    run_dir: Path, mlseg_evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(run_dir / "best.pt", elsewhere / "good.pt")
    assert mlseg_evaluate(f"checkpoint={elsewhere / 'good.pt'}") == 0
    assert "Who this checkpoint was trained on is not recorded" in capsys.readouterr().out
    assert (run_dir / "evaluations" / "test+checkpoint-good" / "scores.csv").is_file()
    parts = read_parts(run_dir)
    (elsewhere / "data.json").write_text(json.dumps({"train": parts["test"], "val": [], "test": parts["train"]}))
    assert mlseg_evaluate(f"checkpoint={elsewhere / 'good.pt'}", "name=other") == 1
    assert f"got 1 of 1 that it has: {parts['test'][0]} (trained on)" in capsys.readouterr().err


def test_a_run_of_an_older_version_that_stopped_half_way(
    run_dir: Path, mlseg_evaluate: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = (run_dir / "scores.csv").read_bytes()
    for name in ("run.json", "cases.json", "scores.csv"):
        (run_dir / name).unlink()
    (run_dir / "status.json").write_text(json.dumps({"state": "interrupted"}))
    lines = (run_dir / "config.yaml").read_text().splitlines()
    names = ("precision", "channels_last", "deterministic", "fold", "folds", "boundary_mm", "split_seed")
    dropped = tuple(f"{name}:" for name in names)
    kept = [line for line in lines if not line.strip().startswith(dropped)]
    assert len(kept) == len(lines) - 8
    (run_dir / "config.yaml").write_text("\n".join(kept))
    assert mlseg_evaluate("trainer.device=cpu") == 0
    assert "note: The run is not finished: it is interrupted." in capsys.readouterr().out
    assert (run_dir / "evaluations" / "test" / "scores.csv").read_bytes() == expected


def test_killed_half_way_it_leaves_nothing_to_be_seen(run_dir: Path, repo_root: Path) -> None:
    before = contents(run_dir)
    code = "from mlseg.cli.evaluate import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo_root)}
    for ending in (signal.SIGKILL, signal.SIGTERM):
        command = [sys.executable, "-c", code, f"run={run_dir}", "part=train"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 60
            while not list(run_dir.glob(f"evaluations/.train.{process.pid}.tmp")) and time.monotonic() < deadline:
                time.sleep(0.005)
            process.send_signal(ending)
            process.communicate(timeout=60)
        assert process.returncode == (-9 if ending == signal.SIGKILL else REQUEUE)
        assert not (run_dir / "evaluations" / "train").exists()
    assert contents(run_dir) == before
    # The second one has removed what the first one left, and then its own.
    assert not list(run_dir.glob("evaluations/.*"))
