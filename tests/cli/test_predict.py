"""The command `mlseg-predict` before and after its scans; whole predictions are in tests/integration/predict."""

from __future__ import annotations

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.predict import predict
from mlseg.cli.predict_preflight import find_predict_problems


@pytest.fixture
def mlseg_predict(workplace, capfd):
    def call(*words):
        app = App(task=predict, config_name="predict", prog="mlseg-predict", check=find_predict_problems)
        code = run_command(app, words)
        return code, capfd.readouterr().err.splitlines()

    return call


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "  run: must be the directory of a run, got nothing."),
        (("inptu=x",), "mlseg-predict: inptu: no such group or setting. Did you mean input?"),
        (("evaluation.infrence=x",), "mlseg-predict: evaluation.infrence: no such group or setting. Did you mean eval"),
        (("run=a,b",), "mlseg-predict: run=a,b: several values make a sweep, which needs -m."),
        (("--runs",), "mlseg-predict: --runs: no such option."),
    ],
)
def test_wrong_words(mlseg_predict, words, message):
    code, lines = mlseg_predict(*words)
    assert code == 2
    assert any(line.startswith(message) for line in lines), lines


def test_weights_that_cannot_be_read_write_nothing(mlseg_predict, make_run, workplace):
    make_run()
    (workplace / "scan.nii.gz").write_bytes(b"")
    code, lines = mlseg_predict("run=run", "input=scan.nii.gz", "output=out")
    assert code == 1
    (line,) = lines
    assert "run/best.pt: not a readable checkpoint" in line
    assert not any((workplace / "out").iterdir())


def test_two_cases_need_a_folder(mlseg_predict, make_run, workplace):
    make_run()
    (workplace / "scans").mkdir()
    for name in ("a", "b"):
        (workplace / "scans" / f"{name}.nii.gz").write_bytes(b"")
    code, lines = mlseg_predict("run=run", "input=scans", "output=seg.nii.gz")
    assert code == 2
    assert lines == ["mlseg-predict: output: must be a folder for 2 cases, got seg.nii.gz. Give output=seg."]
