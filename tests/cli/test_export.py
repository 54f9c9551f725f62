"""The command `mlseg-export`; whole exports are in tests/integration/test_export.py."""

from __future__ import annotations

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.export import describe, export
from mlseg.cli.export_preflight import find_export_problems, read_exported


@pytest.fixture
def mlseg_export(workplace, capfd, monkeypatch):
    monkeypatch.setattr("mlseg.cli.export_preflight.PACKAGES", ("json",))

    def call(*words):
        app = App(task=export, config_name="export", prog="mlseg-export", check=find_export_problems)
        return run_command(app, words), capfd.readouterr().err.splitlines()

    return call


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "mlseg-export: run: must be the directory of a run, got nothing."),
        (("otuput=x",), "mlseg-export: otuput: no such group or setting. Did you mean output?"),
    ],
)
def test_wrong_words(mlseg_export, words, message):
    code, lines = mlseg_export(*words)
    assert code == 2
    assert any(line.startswith(message) for line in lines), lines


def test_weights_that_cannot_be_read_write_nothing(mlseg_export, make_run, workplace):
    make_run()
    code, lines = mlseg_export("run=run", "output=model.onnx")
    assert code == 1
    (line,) = lines
    assert "run/best.pt: not a readable checkpoint" in line
    assert not (workplace / "model.onnx").exists()


def test_volumes_are_seen_in_windows_and_labels_have_their_values(make_run):
    make_run()
    with open_session("mlseg-export"):
        one = read_exported(compose_config(["run=run"], config_name="export").cfg)
    depends = dict.fromkeys(("orientation", "clip_percentiles", "normalise_over", "spacing_mm", "weights", "epoch"))
    facts = describe(one, {**depends, "crop": [4, 32, 32], "inference": "full"}, None)
    assert (facts["inference"], facts["calibrator"], facts["version"]) == ("window", None, 1)
    assert facts["labels"] == {"background": 0, "RV": 1, "Myo": 2, "LV": 3}
    assert describe(one, {**depends, "crop": [32, 32], "inference": "full"}, None)["inference"] == "full"
