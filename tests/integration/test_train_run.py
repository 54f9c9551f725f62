"""One run from the command line to its files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from matplotlib.image import imread

from mlseg.records import read_scores

Train = Callable[[Sequence[str]], int]


@pytest.fixture
def run_dir(place, mlseg_train: Train) -> Path:
    assert mlseg_train(place.words()) == 0
    found = list((place.folder / "outputs").glob("phantom/unet/mbls/*/seed1"))
    assert len(found) == 1
    return found[0]


def test_a_run_leaves_what_it_promises(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {path.name for path in run_dir.iterdir()}
    expected = {"last.pt", "best.pt", "scores.csv", "bins.npz", "run.json", "status.json", "summary.md", "train.log"}
    assert expected <= files
    assert imread(run_dir / "figures" / "reliability.png").shape[0] > 500
    figures = {path.name for path in (run_dir / "figures").iterdir()}
    assert {"reliability_classes.png", "reliability_subjects.png", "ece_bins_paper.png", "cases.png"} <= figures
    assert any(path.name.startswith("events.out") for path in (run_dir / "tensorboard").iterdir())
    status = json.loads((run_dir / "status.json").read_text())
    assert (status["state"], status["epoch"], status["max_epochs"]) == ("done", 2, 2)


def test_scores_stand_under_both_protocols_for_each_test_case(run_dir: Path) -> None:
    rows = read_scores(run_dir / "scores.csv")
    record = json.loads((run_dir / "run.json").read_text())
    assert {row.subject_id for row in rows} == set(record["split"]["test"])
    assert len({row.case_id for row in rows}) == 2 * len(record["split"]["test"])
    for evaluation in ("default", "paper"):
        metrics = {row.metric for row in rows if row.evaluation == evaluation}
        assert {"dice", "hd", "hd95", "ece", "cece"} <= metrics
    labels = {row.label for row in rows if row.metric == "dice"}
    assert labels == {"RV", "Myo", "LV"}
    assert {row.frame for row in rows} == {"ED", "ES"}
    assert {row.unit for row in rows if row.metric == "hd95"} == {"mm", "voxel"}


def test_the_record_traces_the_numbers(run_dir: Path) -> None:
    record = json.loads((run_dir / "run.json").read_text())
    assert record["config"]["loss"]["margin"] == 10.0
    assert record["choices"]["loss"] == "mbls"
    assert record["software"]["packages"]["torch"]
    assert record["split"]["fingerprint"]
    assert len(record["history"]) == 2
    parts = [record["split"][part] for part in ("train", "val", "test")]
    assert len({subject for part in parts for subject in part}) == 5 == sum(map(len, parts))


def test_typed_again_it_is_done_and_nothing_changes(run_dir: Path, place, mlseg_train: Train, capsys) -> None:
    before = {p.name: p.read_bytes() for p in run_dir.iterdir() if p.suffix in {".pt", ".csv", ".json", ".npz"}}
    capsys.readouterr()
    assert mlseg_train(place.words("data.residency=disk", "trainer.max_epochs=1")) == 0
    assert "done already (2 epochs)" in capsys.readouterr().out
    assert {p.name: p.read_bytes() for p in run_dir.iterdir() if p.name in before} == before


def test_more_epochs_go_on_from_there(run_dir: Path, place, mlseg_train: Train) -> None:
    assert mlseg_train(place.words("trainer.max_epochs=3")) == 0
    longer = (run_dir / "scores.csv").read_bytes()
    assert "resumed after epoch 2" in (run_dir / "train.log").read_text()
    assert mlseg_train(place.words("trainer.max_epochs=3", "run_name=unbroken")) == 0
    assert (run_dir.parent.parent / "unbroken" / "seed1" / "scores.csv").read_bytes() == longer


def test_another_configuration_is_refused_in_the_same_directory(
    run_dir: Path, place, mlseg_train: Train, capsys
) -> None:
    before = (run_dir / "scores.csv").read_bytes()
    assert mlseg_train(place.words("loss.margin=3", f"run_dir={run_dir}")) != 0
    message = capsys.readouterr().err
    assert "loss.margin (10.0 there, 3 now)" in message
    assert "Traceback" not in message
    assert (run_dir / "scores.csv").read_bytes() == before


def test_other_files_under_the_same_name_are_refused(
    run_dir: Path, place, mlseg_train: Train, tmp_path: Path, capsys
) -> None:
    from mlseg.data.phantom import write_phantom_acdc

    other = write_phantom_acdc(tmp_path / "other", subjects=5, seed=3, shape=(3, 48, 40))
    words = place.words(f"data.root={other}")
    assert mlseg_train(words) != 0
    assert "belongs to a run on other files or another split: fingerprint" in capsys.readouterr().err
    assert json.loads((run_dir / "status.json").read_text())["state"] == "done"
