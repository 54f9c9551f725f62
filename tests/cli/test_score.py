"""The console script mlseg-score: predictions from files, one line for each mistake, the same report as a run's."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.cli.score import name_predictions, run, suggest_commands
from mlseg.data.nifti import write_volume
from mlseg.data.saved_files import SavedFiles, SavedSet
from mlseg.records import read_scores

AFFINE = np.diag([-1.5, -1.5, 8.0, 1.0])
Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with four cases of two people: preds with nnU-Net's .npz, refs, and images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLSEG_OUTPUTS", raising=False)
    for folder in ("preds", "refs", "images"):
        (tmp_path / folder).mkdir()
    random = np.random.default_rng(0)
    for name in ("p1_ED", "p1_ES", "p2_ED", "p2_ES"):
        target = np.zeros((3, 12, 12), dtype=np.uint8)
        target[:, 2:9, 2:9], target[:, 4:7, 4:7] = 1, 2
        logits = 3 * (target == np.arange(3).reshape(3, 1, 1, 1)) + random.normal(size=(3, *target.shape))
        probs = (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32)
        write_volume(tmp_path / f"refs/{name}_gt.nii.gz", target, affine=AFFINE)
        write_volume(tmp_path / f"preds/{name}.nii.gz", probs.argmax(0).astype(np.uint8), affine=AFFINE)
        write_volume(tmp_path / f"images/{name}_0000.nii.gz", logits[1].astype(np.float32), affine=AFFINE)
        np.savez(tmp_path / f"preds/{name}.npz", probabilities=probs)
    record = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "Myo": 1, "LV": 2}, "file_ending": ".nii.gz"}
    (tmp_path / "preds/dataset.json").write_text(json.dumps(record))
    return tmp_path


@pytest.fixture
def command(place: Path, capfd: pytest.CaptureFixture[str]) -> Type:
    def call(*words: str) -> tuple[int, str, str]:
        code = run(list(words))
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def test_a_folder_of_nnunet_is_judged(place: Path, command: Type) -> None:
    words = ["prediction=preds", "reference=refs", "image=images", r"subject=(p\d)"]
    code, out, err = command(*words, "evaluation=[default,paper]", "merged={heart: [Myo, LV]}")
    assert (code, err) == (2, err)
    assert "got one without the other" in err
    code, out, err = command(*words, "merged={heart: [Myo, LV]}")
    assert (code, err) == (0, "")
    assert out.startswith("4 cases, labels background, Myo, LV (preds/dataset.json).")
    folder = place / "outputs/scored/preds"
    rows = read_scores(folder / "scores.csv")
    assert {row.evaluation for row in rows} == {"default", "merged"}
    assert {(row.subject_id, row.case_id) for row in rows if row.label == "heart"} == {
        ("p1", "p1_ED"),
        ("p1", "p1_ES"),
        ("p2", "p2_ED"),
        ("p2", "p2_ES"),
    }
    summary = (folder / "summary.md").read_text()
    assert "`preds` against `refs`: 4 cases of 2 subjects" in summary
    assert "in all of the foreground" in summary
    assert "2 (4)" in summary
    assert (folder / "figures/reliability.png").is_file()
    assert (folder / "figures/cases.png").is_file()
    record = json.loads((folder / "score.json").read_text())
    assert record["merged"] == {"heart": ["Myo", "LV"]}
    assert record["software"]["packages"]["numpy"] == np.__version__


def test_a_missed_case_is_not_mirrored(place: Path, command: Type) -> None:
    probs = np.random.default_rng(2).uniform(0.05, 0.2, size=(3, 3, 12, 12)).astype(np.float32)
    probs[0] = 1 - probs[1] - probs[2]
    write_volume(place / "preds/p2_ES.nii.gz", np.zeros((3, 12, 12), dtype=np.uint8), affine=AFFINE)
    words = ["prediction=preds/p2_ES.nii.gz", "reference=refs", "labels=[bg,a,b]"]
    # As a reader that reorients to RAS leaves them: both axes of the slices are turned.
    np.savez(place / "preds/p2_ES.npz", probabilities=probs[:, :, ::-1, ::-1])
    code, _, err = command(*words, "output=x")
    assert code == 1
    assert err.startswith("mlseg-score: preds/p2_ES.npz: ")
    assert "probs=none" in err
    affine = np.array([[1.5, 0, 0, -16.5], [0, 1.5, 0, -16.5], [0, 0, 8, 0], [0, 0, 0, 1]])
    (place / "preds/p2_ES.pkl").write_bytes(pickle.dumps({"nibabel_stuff": {"reoriented_affine": affine}}))
    assert command(*words, "output=x")[0] == 0
    write_volume(place / "probs.nii", probs, affine=AFFINE)
    assert command(*words, "probs=probs.nii", "output=y")[0] == 0
    found, wanted = (read_scores(place / name / "scores.csv") for name in "xy")
    np.testing.assert_equal([row.value for row in found], [row.value for row in wanted])
    assert any(row.metric == "nll" for row in found)


def test_one_folder_for_both_sides_is_refused(command: Type) -> None:
    code, _, err = command("prediction=refs", "reference=refs", "labels=[bg,a,b]")
    assert code == 1
    assert err.startswith("mlseg-score: prediction: must be another file than the reference, got refs/p1_ED_gt.nii.gz")


def test_label_maps_alone(place: Path, command: Type) -> None:
    code, out, err = command("prediction=preds", "reference=refs", "probs=none", "output=x", "labels=[bg,a,b]")
    assert (code, err) == (0, "")
    assert "judge calibration too" in out
    assert {row.metric for row in read_scores(place / "x/scores.csv")} == {
        *("dice", "hd", "hd95", "assd", "nsd", "missed", "invented")
    }
    assert "calibration is not judged" in (place / "x/summary.md").read_text()
    assert not (place / "x/figures/reliability.png").exists()


def test_settings_reach_the_protocol(place: Path, command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    for drawing in ("draw_calibration", "draw_cases"):  # which takes the time
        monkeypatch.setattr(f"mlseg.report.judgement.{drawing}", lambda *_, **__: [])
    command("prediction=preds", "reference=refs", "output=x")
    code, _, _ = command("prediction=preds", "reference=refs", "output=y", "bins=5", "tolerance_mm=0")
    assert code == 0
    first, second = (
        {(r.case_id, r.label, r.region, r.metric): r.value for r in read_scores(place / name / "scores.csv")}
        for name in ("x", "y")
    )
    changed = {key[3] for key in first if first[key] != second[key]}
    assert changed <= {"ece", "cece", "cece_t", "ace", "mce", "nsd"}
    assert {"ece", "nsd"} <= changed
    assert "over 5 equal bins" in (place / "y/summary.md").read_text()


def test_problems_of_all_files_are_told_and_nothing_is_written(place: Path, command: Type) -> None:
    (place / "preds/p1_ED.nii.gz").write_bytes(b"")
    (place / "refs/p2_ES_gt.nii.gz").write_bytes((place / "refs/p2_ES_gt.nii.gz").read_bytes()[:-20])
    code, _, err = command("prediction=preds", "reference=refs")
    assert code == 1
    assert err.splitlines()[0] == "mlseg-score: 2 problems:"
    assert [line.split(": ")[0].strip() for line in err.splitlines()[1:]] == [
        "preds/p1_ED.nii.gz",
        "refs/p2_ES_gt.nii.gz",
    ]
    assert not (place / "outputs").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["predict=a"], 2, "Did you mean prediction=...?"),
        (["prediction=nowhere", "reference=refs"], 1, "got nothing there for nowhere"),
        (["prediction=preds/p1*.nii.gz", "reference=refs"], 1, "got none for p2_ED_gt, p2_ES_gt"),
        (["prediction=preds", "reference=refs", "labels=[bg,a]"], 1, "12 problems:"),
        (["prediction=preds", "reference=refs", "bins=7"], 2, "bins must be a divisor of 300, got 7"),
        (["prediction=preds", "reference=refs", "merged={a: [b]}"], 2, "Correct merged."),
        (["prediction=preds", "reference=refs", "output=preds/p1_ED.npz"], 1, "must be a folder, got a file"),
    ],
)
def test_a_mistake_is_named(command: Type, words: list[str], code: int, message: str) -> None:
    found, _, err = command(*words)
    assert found == code
    assert err.startswith("mlseg-score: ")
    assert message in err


def test_a_run_is_never_written_into(place: Path, command: Type) -> None:
    (place / "run").mkdir()
    (place / "run/last.pt").touch()
    code, _, err = command("prediction=preds", "reference=refs", "output=run")
    assert code == 1
    assert "run: holds a training run (last.pt). Give another output" in err
    assert [path.name for path in (place / "run").iterdir()] == ["last.pt"]


def test_predictions_are_called_by_their_place() -> None:
    assert name_predictions({"prediction": "x/preds/"}) == "preds"
    assert name_predictions({"prediction": "x/a.b.nii.gz"}) == "a.b"
    assert name_predictions({"probs": "x/*/p_[12].npz"}) == "x"
    assert name_predictions({"prediction": "/*.nii"}) == "predictions"


def test_next_commands_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mlseg-score"])
    case = SavedFiles(case_id="a", subject_id="a", reference=Path("r.nii"))
    words = ["prediction=my preds", "reference=r", "evaluation=default"]
    options = {"prediction": "my preds", "reference": "r", "evaluation": ["default"]}
    commands = suggest_commands(options, SavedSet(cases=(case,)), words)
    assert commands["judge calibration too"].endswith("evaluation=default probs=FOLDER_OF_PROBABILITIES")
    assert commands["stand beside the MbLS paper's numbers"] == (
        "mlseg-score 'prediction=my preds' reference=r 'evaluation=[default,paper]'"
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlseg.cli.score import run; code = run(['--help']); "
        "sys.exit(code or bool({'numpy', 'torch', 'hydra', 'yaml', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "subject=(patient\\d+)" in done.stdout
    assert "{WT: [NCR, ED, ET]" in done.stdout
