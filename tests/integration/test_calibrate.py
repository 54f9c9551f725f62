"""A calibrator from a finished run to its use in an evaluation, through the command lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mlseg.cli.app import App, run_command
from mlseg.cli.calibrate import calibrate
from mlseg.cli.calibrate_base import find_calibrate_base
from mlseg.cli.calibrate_preflight import find_calibrate_problems
from mlseg.cli.evaluate import evaluate
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.run_base import find_base
from mlseg.cli.train import train
from mlseg.data.phantom import write_phantom_acdc
from mlseg.engine import calibration_fit
from mlseg.engine.calibration_voxels import weigh_voxels
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint
from mlseg.records import read_scores

Command = Callable[..., int]
FACTOR = 8.0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose last layer was made eight times as sure of itself; nobody changes it."""
    folder = tmp_path_factory.mktemp("calibrated")
    phantom = write_phantom_acdc(folder / "phantom", subjects=8, shape=(3, 40, 36))
    words = [
        *("data=phantom", "loss=ce_dice", "model.widths=[8,16]", "model.strides=[2]", "model.norm=batch"),
        *("data.crop=[32,32]", "data.batch_size=2", "data.workers=1", "scheduler=constant", "optimizer.lr=0.01"),
        *("trainer.max_epochs=10", "trainer.amp=off"),
        *(f"data.root={phantom}", f"data.cache_dir={folder / 'cache'}", f"run_dir={folder / 'run'}"),
        "data.split_fractions=[0.4,0.4,0.2]",
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("draw_calibration", "draw_cases"):
            patch.setattr(f"mlseg.report.judgement.{name}", lambda *args, **kwargs: [])
        assert run_command(App(task=train, config_name="train", prog="mlseg-train"), words) == 0
    best = load_checkpoint(folder / "run" / "best.pt")
    names = list(best["network"])[-2:]
    assert [name.rpartition(".")[2] for name in names] == ["weight", "bias"]
    best["network"].update({name: FACTOR * best["network"][name] for name in names})
    save_checkpoint(folder / "run" / "best.pt", {key: value for key, value in best.items() if key != "version"})
    return folder / "run"


@pytest.fixture
def run_dir(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def mlseg_calibrate(run_dir: Path) -> Command:
    def call(*words: str) -> int:
        options = {"check": find_calibrate_problems, "find_base": find_calibrate_base}
        app = App(task=calibrate, config_name="calibrate", prog="mlseg-calibrate", **options)
        return run_command(app, [f"run={run_dir}", *words])

    return call


@pytest.fixture
def mlseg_evaluate(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(*words: str) -> int:
        for name in ("draw_calibration", "draw_cases"):
            monkeypatch.setattr(f"mlseg.report.judgement.{name}", lambda *args, **kwargs: [])
        options = {"check": find_evaluate_problems, "find_base": find_base}
        app = App(task=evaluate, config_name="evaluate", prog="mlseg-evaluate", **options)
        return run_command(app, [f"run={run_dir}", *words])

    return call


def read_parts(run_dir: Path) -> dict[str, list[str]]:
    return {part: json.loads((run_dir / "data.json").read_text())[part] for part in ("train", "val", "test")}


def mean(folder: Path, metric: str, region: str) -> float:
    rows = read_scores(folder / "scores.csv")
    values = [r.value for r in rows if (r.evaluation, r.metric, r.region) == ("default", metric, region)]
    return float(np.mean(values))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_an_overconfident_run_is_calibrated_and_judged_better(
    run_dir: Path, mlseg_calibrate: Command, mlseg_evaluate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, samples = contents(run_dir), []
    monkeypatch.setattr(
        calibration_fit, "weigh_voxels", lambda voxels: samples.append(weigh_voxels(voxels)) or samples[-1]
    )
    assert mlseg_calibrate() == 0
    after = contents(run_dir)
    record = json.loads(after.pop("calibrator.json"))
    assert after == before
    parts = read_parts(run_dir)
    assert record["fitted_on"]["subjects"] == parts["val"]
    assert {subject for subject, _ in record["fitted_on"]["cases"].values()} == set(parts["val"])
    assert [fold["subjects"] for fold in record["left_out"]] == [[subject] for subject in parts["val"]]
    assert record["scores"]["cross_fitted"]
    assert record["scores"]["after"]["nll"]["image"] < record["scores"]["before"]["nll"]["image"]
    # By an optimiser of its own, in numpy, on the voxels that were fitted.
    logits, target, weight = (part.double().numpy() for part in samples[0])

    def nll(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -np.average(scaled[np.arange(len(target)), target.astype(int)], weights=weight)

    found = minimize_scalar(nll, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    temperature = record["parameters"]["temperature"]
    assert temperature == pytest.approx(np.exp(found.x), abs=1e-4)
    assert temperature > 1.5
    assert mlseg_evaluate("calibrator=auto") == 0
    made = run_dir / "evaluations" / "test+calibrator-temperature"
    assert mlseg_evaluate() == 0
    plain = run_dir / "evaluations" / "test"
    for region in ("image", "foreground"):
        assert mean(made, "nll", region) < mean(plain, "nll", region)
    assert mean(made, "ece", "foreground") < mean(plain, "ece", "foreground")
    # The phantom is not resampled: every label is the same.
    assert mean(made, "dice", "image") == mean(plain, "dice", "image")
    said = json.loads((made / "run.json").read_text())
    assert said["calibrator"]["about"] == f"temperature scaling (T = {temperature:.4f})"
    assert json.loads((plain / "run.json").read_text())["calibrator"] is None
    assert f"Calibrated by temperature scaling (T = {temperature:.4f})." in (made / "summary.md").read_text()


def test_the_same_command_writes_the_same_bytes_and_evaluations_know_their_calibrator(
    run_dir: Path, mlseg_calibrate: Command, mlseg_evaluate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlseg_calibrate("max_voxels=3000") == 0
    first = (run_dir / "calibrator.json").read_bytes()
    assert mlseg_calibrate("max_voxels=3000") == 0
    assert (run_dir / "calibrator.json").read_bytes() == first
    assert "replaces what was in" in capsys.readouterr().out
    assert json.loads(first)["fitted_on"]["voxels"] == 3000
    assert mlseg_evaluate("calibrator=auto") == 0
    assert mlseg_calibrate("max_voxels=2000") == 0
    capsys.readouterr()
    assert mlseg_evaluate("calibrator=auto") == 2
    assert "belongs to an evaluation with other settings: calibrator" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["class_temperature", "vector", "isotonic"])
def test_every_method_goes_into_a_file_of_its_own_and_is_used(
    run_dir: Path, mlseg_calibrate: Command, mlseg_evaluate: Command, method: str
) -> None:
    assert mlseg_calibrate(f"method={method}", f"output={run_dir / 'mine.json'}") == 0
    assert not (run_dir / "calibrator.json").exists()
    assert mlseg_evaluate("calibrator=mine.json", "part=val") == 0
    made = run_dir / "evaluations" / f"val+calibrator-{method}"
    assert mean(made, "nll", "image") == pytest.approx(
        json.loads((run_dir / "mine.json").read_text())["scores"]["after"]["nll"]["image"], rel=0.2
    )
    (note,) = [note for note in json.loads((made / "run.json").read_text())["notes"] if "calibrator" in note]
    subjects = read_parts(run_dir)["val"]
    assert note == f"The calibrator was fitted to {len(subjects)} of these {len(subjects)} subjects."


def test_a_worse_nll_writes_nothing(
    run_dir: Path,
    mlseg_calibrate: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fit_wrongly(logits, target, weight):
        fit = calibration_fit.fit_temperature(logits, target, weight)
        parameters = {"temperature": fit.parameters["temperature"] / 20}
        return calibration_fit.PosthocFit(**{**fit.__dict__, "parameters": parameters})

    before = contents(run_dir)
    monkeypatch.setitem(calibration_fit.FITS, "temperature", fit_wrongly)
    assert mlseg_calibrate() == 1
    said = capsys.readouterr()
    assert "Scores before and after" in said.out
    (line,) = said.err.splitlines()
    assert "NLL of subjects that it was not fitted to must not get worse" in line
    assert "Nothing was written" in line
    assert contents(run_dir) == before


def test_test_subjects_are_refused_under_any_name(
    run_dir: Path, mlseg_calibrate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, parts = contents(run_dir), read_parts(run_dir)
    split = tmp_path / "mine.json"
    split.write_text(json.dumps({"train": [], "val": [parts["test"][0], parts["val"][0]], "test": []}))
    assert mlseg_calibrate(f"split={split}") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"must hold no test subject of the run, got 1 of 2: {parts['test'][0]} (tested on)" in line
    assert mlseg_calibrate("part=test", "allow_training_subjects=true") == 2
    split.write_text(json.dumps({"train": [], "val": [parts["train"][0], parts["val"][0]], "test": []}))
    assert mlseg_calibrate(f"split={split}") == 1
    assert f"{parts['train'][0]} (trained on)" in capsys.readouterr().err
    assert contents(run_dir) == before
    assert mlseg_calibrate(f"split={split}", "allow_training_subjects=true") == 0
    record = json.loads((run_dir / "calibrator.json").read_text())
    assert record["fitted_on"]["trained_subjects"] == parts["train"][:1]


def test_it_is_refused_for_other_weights_and_for_those_that_it_has_seen(
    run_dir: Path, mlseg_calibrate: Command, mlseg_evaluate: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlseg_calibrate() == 0
    capsys.readouterr()
    assert mlseg_evaluate("checkpoint=last", f"calibrator={run_dir / 'calibrator.json'}") == 1
    assert "calibrator.json: must be fitted to these very weights" in capsys.readouterr().err
    record = json.loads((run_dir / "calibrator.json").read_text())
    new = read_parts(run_dir)["test"][0]
    case = next(iter(record["fitted_on"]["cases"]))
    record["fitted_on"]["cases"][case][0] = new  # as if it had been fitted elsewhere
    (run_dir / "calibrator.json").write_text(json.dumps(record))
    assert mlseg_evaluate("calibrator=auto") == 1
    assert (
        f"got 1 of {len(read_parts(run_dir)['test'])} that it has: {new} (calibrated with)" in capsys.readouterr().err
    )
    assert not (run_dir / "evaluations").exists()
