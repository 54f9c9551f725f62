"""Scans predicted with a trained run, from the command line to the files, and judged by `mlseg-score`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.cli import score
from mlseg.data.nifti import read_channels, read_volume
from mlseg.engine import prediction_job
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint
from mlseg.records import read_scores

Predict, Files = Callable[..., int], Callable[..., list[Path]]
Table = Callable[[Path], list[dict[str, str]]]


WRITTEN = pytest.mark.parametrize(("word", "tolerance"), [("probs_nifti", 1e-6), ("probs_npz", 1e-3)])


def check_scores(run: Path, references: list[Path], place: Path, *, word: str, tolerance: float) -> None:
    """Judge predictions in place/out by `mlseg-score`: the run's own scores must come out."""
    (place / "gt").mkdir()
    for path in references:
        shutil.copy(path, place / "gt")
    words = [f"prediction={place / 'out'}", f"reference={place / 'gt'}", f"output={place / 'scored'}"]
    assert score.run([*words, *([f"probs={place / 'out' / 'probs'}"] if word == "probs_nifti" else [])]) == 0
    own, again = (
        {(r.case_id, r.label, r.region, r.metric): r.value for r in read_scores(folder / "scores.csv")}
        for folder in (run, place / "scored")
    )
    assert own.keys() == again.keys()
    judged = [key for key in own if key[3] in ("dice", "hd95", "ece", "cece", "nll")]
    assert len(judged) >= 50
    for key in judged:
        np.testing.assert_allclose(again[key], own[key], atol=tolerance, rtol=0, equal_nan=True, err_msg=str(key))
    assert len({round(own[key], 6) for key in judged if not np.isnan(own[key])}) > 10


@WRITTEN
def test_what_is_written_has_the_runs_own_scores(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, word: str, tolerance: float, list_test_files: Files
) -> None:
    assert mlseg_predict("input=test", f"output={tmp_path / 'out'}", f"save=[labels,{word}]") == 0
    check_scores(trained, list_test_files(trained, "_gt"), tmp_path, word=word, tolerance=tolerance)


@pytest.mark.slow
@WRITTEN
def test_real_hearts_have_the_runs_own_scores(
    train_run: Callable[..., Path],
    realdata_dir: Path,
    mlseg_predict: Predict,
    tmp_path: Path,
    word: str,
    tolerance: float,
    list_test_files: Files,
) -> None:
    root = realdata_dir / "acdc_small"
    words = ("data=acdc", f"data.root={root}", "data.split=random", "data.split_fractions=[0.6,0.2,0.2]")
    run = train_run(tmp_path, *words, "data.crop=[64,64]", "data.spacing_mm=[3,3]", "data.batch_size=16")
    assert mlseg_predict("input=test", f"output={tmp_path / 'out'}", f"save=[labels,{word}]", run=run) == 0
    check_scores(run, list_test_files(run, "_gt", root=root), tmp_path, word=word, tolerance=tolerance)


def test_a_single_file_with_all_that_can_be_written(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, list_test_files: Files, read_table: Table
) -> None:
    scan = list_test_files(trained)[0]
    made = tmp_path / "deep" / "seg.nii.gz"
    save = "save=[labels,probs_nifti,probs_npz,confidence,entropy]"
    assert mlseg_predict(f"input={scan}", f"output={made}", save) == 0
    names = {"seg.nii.gz", "seg_probs.nii.gz", "seg.npz", "seg.pkl", "seg_confidence.nii.gz", "seg_entropy.nii.gz"}
    assert {path.name for path in made.parent.iterdir()} == names | {"seg_predict.json", "seg_volumes.csv"}
    probs = read_channels(made.with_name("seg_probs.nii.gz")).array
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(axis=0), 1, atol=1e-5)
    label = read_volume(made)
    assert label.array.dtype == np.uint8
    assert np.array_equal(label.array, probs.argmax(axis=0))
    assert np.array_equal(read_volume(made.with_name("seg_confidence.nii.gz")).array, probs.max(axis=0))
    wide = probs.astype(np.float64)
    entropy = -(wide * np.log(np.maximum(wide, 1e-300))).sum(axis=0)
    np.testing.assert_allclose(read_volume(made.with_name("seg_entropy.nii.gz")).array, entropy, atol=1e-5)
    stored = np.load(made.with_name("seg.npz"))["probabilities"]
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, probs, atol=1e-3)
    rows = read_table(made.with_name("seg_volumes.csv"))
    assert [row["label"] for row in rows] == ["RV", "Myo", "LV"]
    volume_ml = float(np.prod(label.spacing_mm)) / 1000
    for value, row in enumerate(rows, start=1):
        assert int(row["voxels"]) == np.count_nonzero(label.array == value)
        assert float(row["volume_ml"]) == pytest.approx(int(row["voxels"]) * volume_ml, rel=1e-3, abs=1e-4)


def test_it_goes_on_where_it_was_and_predicts_what_changed(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, list_test_files: Files
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    first, second = list_test_files(trained)[:2]
    for path in (first, second):
        shutil.copy(path, scans)
    calls: list[str] = []
    real = prediction_job.predict_scan
    monkeypatch.setattr(prediction_job, "predict_scan", lambda m, case: (calls.append(case.case_id), real(m, case))[1])
    words = (f"input={scans}", f"output={out}")
    assert mlseg_predict(*words) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(calls) == 2
    assert mlseg_predict(*words) == 0
    assert len(calls) == 2
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    # A file that is gone, cut, or of a scan that changed is made again; the others are left.
    name = first.name.removesuffix(".nii.gz")
    (out / first.name).unlink()
    assert mlseg_predict(*words) == 0
    (out / first.name).write_bytes(before[first.name][:100])
    assert mlseg_predict(*words) == 0
    shutil.copy(second, scans / first.name)
    assert mlseg_predict(*words) == 0
    assert calls[2:] == [name] * 3
    assert (out / first.name).read_bytes() == (out / second.name).read_bytes()
    # More maps of the same predictions may be added.
    assert mlseg_predict(*words, "save=[labels,entropy]") == 0
    assert len(calls) == 7
    assert {path.name for path in (out / "entropy").iterdir()} == {first.name, second.name}


def test_other_settings_do_not_mix_with_what_is_there(
    trained: Path, mlseg_predict: Predict, tmp_path: Path, capsys: pytest.CaptureFixture[str], list_test_files: Files
) -> None:
    scan, out = list_test_files(trained)[0], tmp_path / "out"
    assert mlseg_predict(f"input={scan}", f"output={out}") == 0
    capsys.readouterr()
    last = load_checkpoint(trained / "last.pt")
    changed = {name: value + 0.01 for name, value in last["network"].items()}
    save_checkpoint(tmp_path / "other.pt", {"network": changed, "epoch": 2})
    for word, key in (
        ("largest_component=true", "largest_component ([] there, ['RV', 'Myo', 'LV'] now)"),
        ("evaluation.inference=window", "inference (['full'] there, ['window'] now)"),
        (f"checkpoint={tmp_path / 'other.pt'}", "weights ("),
    ):
        assert mlseg_predict(f"input={scan}", f"output={out}", word) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{out}: holds predictions of other settings: " in line
        assert key in line
    # Nor are files overwritten that are from elsewhere.
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(scan, mine / scan.name)
    for place in (mine, scan.parent):
        assert mlseg_predict(f"input={scan}", f"output={place}") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "output: must " in line
        assert not (place / "predict.json").exists()


def test_killed_half_way_it_leaves_whole_files_and_goes_on(
    trained: Path, phantom: Path, mlseg_predict: Predict, tmp_path: Path, repo_root: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from mlseg.cli.predict import main; main()", f"run={trained}"]
    command += [f"input={phantom}", f"output={out}", "save=[labels,probs_npz]"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo_root)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("*.npz")) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130), errors
    for path in out.glob("*.nii.gz"):
        read_volume(path)
    assert mlseg_predict(f"input={phantom}", f"output={out}", "save=[labels,probs_npz]") == 0
    assert len(list(out.glob("*.npz"))) == 10
    assert not list(out.rglob("*.tmp"))
