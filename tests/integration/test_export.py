"""A run, exported: scripts/run_onnx.py without mlseg and torch gives what mlseg-predict gives."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.export import export
from mlseg.cli.export_preflight import find_export_problems
from mlseg.cli.predict import predict
from mlseg.cli.predict_preflight import find_predict_problems
from mlseg.data.nifti import read_channels, read_volume
from mlseg.data.phantom import write_phantom_brats
from mlseg.engine.calibrator import Calibrator, write_calibrator
from mlseg.engine.export import read_metadata

WHY = "install the extra `export` to run it: pip install 'mlseg[export]'"
TOLERANCE = 1e-4
# Imports of these fail, as where they are not installed.
ABSENT = ("mlseg", "torch", "monai", "scipy")


@pytest.fixture
def ort():
    pytest.importorskip("onnx", reason=WHY)
    return pytest.importorskip("onnxruntime", reason=WHY)


@pytest.fixture
def script(repo_root):
    return repo_root / "scripts" / "run_onnx.py"


@pytest.fixture
def run_script(ort, script):
    """Run the example as a user without mlseg does."""

    def call(*words: object) -> None:
        code = f"import sys, runpy; sys.modules.update(dict.fromkeys({ABSENT})); sys.argv = sys.argv[1:]; "
        command = [sys.executable, "-c", f"{code}runpy.run_path(sys.argv[0], run_name='__main__')", str(script)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *map(str, words)], env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr

    return call


@pytest.fixture
def train_run(place, mlseg_train, monkeypatch):
    """Train for an epoch, without figures; returns the run's directory."""
    for name in ("draw_calibration", "draw_cases"):
        monkeypatch.setattr(f"mlseg.report.judgement.{name}", lambda *args, **kwargs: [])

    def call(*words: str) -> Path:
        folder = place.folder / "run"
        shared = (
            "trainer.max_epochs=1",
            "trainer.image_every=0",
            f"run_dir={folder}",
            "evaluation.protocols=[default]",
        )
        assert mlseg_train(place.words(*shared, *words)) == 0
        return folder

    return call


def mlseg_export(*words: object) -> int:
    app = App(task=export, config_name="export", prog="mlseg-export", check=find_export_problems)
    return run_command(app, [*map(str, words)])


def mlseg_predict(*words: object) -> int:
    app = App(task=predict, config_name="predict", prog="mlseg-predict", check=find_predict_problems)
    return run_command(app, [*map(str, words)])


def compare_with_prediction(run: Path, model: Path, scans: list[Path], run_script, folder: Path, *more: str) -> Path:
    """Predict both ways: probabilities agree, and so do labels where these leave no doubt; returns the label map."""
    given = f"[{','.join(map(str, scans))}]" if len(scans) > 1 else scans[0]
    save = "save=[labels,probs_nifti]"
    assert mlseg_predict(f"run={run}", f"input={given}", f"output={folder / 'ours.nii.gz'}", save, *more) == 0
    run_script(model, *scans, folder / "theirs.nii.gz", "--probs", folder / "theirs_probs.nii.gz")
    ours, theirs = (read_channels(folder / f"{name}_probs.nii.gz") for name in ("ours", "theirs"))
    assert ours.array.std() > 0.01
    np.testing.assert_allclose(theirs.array, ours.array, atol=TOLERANCE, rtol=0)
    ours, theirs = (read_volume(folder / f"{name}.nii.gz") for name in ("ours", "theirs"))
    np.testing.assert_array_equal(theirs.affine, ours.affine)
    assert theirs.array.dtype == ours.array.dtype
    assert (theirs.array != ours.array).mean() < TOLERANCE
    return folder / "theirs.nii.gz"


def test_slices_of_a_resampled_run_in_an_orientation(ort, train_run, run_script, phantom, tmp_path):
    run = train_run("data.source.orientation=LPS", "data.spacing_mm=[2,2]")
    model = tmp_path / "model.onnx"
    assert mlseg_export(f"run={run}", "format=onnx", f"output={model}") == 0
    facts = read_metadata(model)
    assert (facts["orientation"], facts["spacing_mm"], facts["inference"]) == ("LPS", [2.0, 2.0], "full")
    assert (facts["labels"], facts["calibrator"]) == ({"background": 0, "RV": 1, "Myo": 2, "LV": 3}, None)
    scan = sorted((phantom / "training").glob("*/*_frame??.nii.gz"))[0]
    compare_with_prediction(run, model, [scan], run_script, tmp_path)

    # The same in windows, with a calibrator fitted to nothing: p is raised to 1/T.
    calibrator = Calibrator("temperature", {"temperature": 0.25}, labels=tuple(facts["labels"]))
    write_calibrator(run / "calibrator.json", calibrator)
    calibrated = tmp_path / "calibrated.onnx"
    words = ("calibrator=auto", "evaluation.inference=window")
    assert mlseg_export(f"run={run}", f"output={calibrated}", *words) == 0
    facts = read_metadata(calibrated)
    assert facts["calibrator"]["about"] == "temperature scaling (T = 0.2500)"
    image = np.random.default_rng(0).normal(size=(2, 1, 20, 33)).astype(np.float32)
    plain, sharp = (ort.InferenceSession(str(path)).run(None, {"image": image})[0] for path in (model, calibrated))
    expected = plain.astype(np.float64) ** 4
    np.testing.assert_allclose(sharp, expected / expected.sum(axis=1, keepdims=True), atol=TOLERANCE)
    windowed = tmp_path / "window.onnx"
    assert mlseg_export(f"run={run}", f"output={windowed}", words[1]) == 0
    (tmp_path / "windows").mkdir()
    compare_with_prediction(run, windowed, [scan], run_script, tmp_path / "windows", words[1])


def test_volumes_of_two_channels_normalised_within_the_brain(ort, train_run, run_script, tmp_path):
    root = write_phantom_brats(tmp_path / "brats", subjects=4, shape=(8, 40, 36))
    words = ("data=brats", f"data.root={root}", "data.source.channels=[T1,FLAIR]", "data.in_channels=2", "data.dims=3")
    run = train_run(*words, "data.crop=[4,32,32]", "data.split_fractions=[0.5,0.25,0.25]", "model.norm=instance")
    model = tmp_path / "model.onnx"
    assert mlseg_export(f"run={run}", f"output={model}") == 0
    facts = read_metadata(model)
    assert (facts["inference"], facts["normalise_over"]) == ("window", "nonzero")
    assert facts["labels"]["ET"] == 4
    case = sorted(path.parent for path in root.rglob("*_t1.nii*"))[0]
    scans = [next(case.glob(f"*_{channel}.nii*")) for channel in ("t1", "flair")]
    compare_with_prediction(run, model, scans, run_script, tmp_path)


def test_the_example_needs_nothing_else(script):
    tree = ast.parse(script.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert names - set(sys.stdlib_module_names) == {"nibabel", "numpy", "onnxruntime"}
