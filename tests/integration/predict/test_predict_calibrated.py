"""Predictions with a calibrator: the written probabilities are the corrected ones, and the two kinds never mix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.data.nifti import read_channels, read_volume
from mlseg.engine.calibrator import Calibrator, write_calibrator

Predict, Files = Callable[..., int], Callable[..., list[Path]]
TEMPERATURE = 2.5


def read_weights(output: Path) -> str:
    return json.loads((output / "predict.json").read_text())["settings"]["weights"][0]


def test_probabilities_are_calibrated(
    trained_lps: Path,
    mlseg_predict: Predict,
    list_test_files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scan, plain, made = list_test_files(trained_lps)[0], tmp_path / "plain", tmp_path / "made"
    words = (f"input={scan}", "save=[labels,probs_nifti]")
    assert mlseg_predict(*words, f"output={plain}", run=trained_lps) == 0
    calibrator = Calibrator("temperature", {"temperature": TEMPERATURE}, labels=("background", "RV", "Myo", "LV"))
    file = tmp_path / "calibrator.json"
    for weights, code in (("of another network", 1), (read_weights(plain), 0)):
        trained = {"weights": weights, "epoch": 1}
        write_calibrator(file, calibrator, checkpoint=trained, fitted_on={"cases": {}})
        capsys.readouterr()
        assert mlseg_predict(*words, f"output={made}", f"calibrator={file}", run=trained_lps) == code
    before, after = (read_channels(place / "probs" / scan.name).array for place in (plain, made))
    expected = before.astype(np.float64) ** (1 / TEMPERATURE)
    expected /= expected.sum(axis=0)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(after, expected, atol=1e-5)
    labels = [read_volume(place / scan.name).array for place in (plain, made)]
    assert np.array_equal(*labels)
    # One folder holds one kind.
    capsys.readouterr()
    assert mlseg_predict(*words, f"output={plain}", f"calibrator={file}", run=trained_lps) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds predictions of other settings: calibrator (" in line


def test_a_calibrator_that_is_not_there_is_one_line(
    trained_lps: Path,
    mlseg_predict: Predict,
    list_test_files: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = (f"input={list_test_files(trained_lps)[0]}", f"output={tmp_path / 'out'}")
    for word, code in (("auto", 1), ("nowhere.json", 2)):
        capsys.readouterr()
        assert mlseg_predict(*words, f"calibrator={word}", run=trained_lps) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert "calibrator" in line
        assert not (tmp_path / "out" / "predict.json").exists()
