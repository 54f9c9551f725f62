"""Saved predictions judged case by case: the same rows as from arrays, all problems at once, nothing replaced."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import mlseg
from mlseg.checks import DataError, RunError
from mlseg.data.grids import find_ras_steps
from mlseg.data.nifti import read_volume, write_volume
from mlseg.data.predictions import SavedReader
from mlseg.data.saved_files import SavedFiles
from mlseg.engine.saved_scoring import (
    CaseVerdict,
    SavedJudge,
    check_output,
    describe_probs,
    judge_cases,
    write_verdicts,
)
from mlseg.functional.bins_file import read_bins
from mlseg.functional.views_file import read_views
from mlseg.metrics.score import build_protocol
from mlseg.records import format_scores, read_scores

LABELS = ("background", "RV", "LV")
# Stored upside down.
AFFINE = np.diag([1.5, 1.5, 8.0, 1.0])
RECORD = {"prediction": "preds", "reference": "refs"}


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and reference."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(3, 2, 8, 7))
    return (np.exp(logits) / np.exp(logits).sum(0)).astype(np.float32), random.integers(0, 3, (2, 8, 7)).astype(
        np.uint8
    )


@pytest.fixture
def cases(tmp_path: Path) -> list[SavedFiles]:
    listed = []
    for seed in range(3):
        probs, target = draw(seed)
        parts = {"reference": target, "prediction": probs.argmax(0).astype(np.uint8), "probs": probs}
        paths = {role: tmp_path / f"{role}_{seed}.nii" for role in parts}
        for role, path in paths.items():
            write_volume(path, parts[role], affine=AFFINE)
        listed.append(SavedFiles(case_id=f"c{seed}", subject_id=f"s{seed // 2}", **paths))
    return listed


@pytest.fixture
def judge() -> SavedJudge:
    protocols = tuple(build_protocol(name, LABELS) for name in ("default", "paper"))
    return SavedJudge(reader=SavedReader(labels=LABELS), protocols=protocols)


def test_rows_are_those_of_the_arrays(cases: list[SavedFiles], judge: SavedJudge, tmp_path: Path) -> None:
    write_verdicts(tmp_path / "out", judge_cases(judge, cases), RECORD)
    wanted = []
    for seed, files in enumerate(cases):
        probs, target = draw(seed)
        for evaluation in ("default", "paper"):
            wanted += mlseg.score(
                probs,
                target,
                spacing_mm=(8.0, 1.5, 1.5),
                labels=LABELS,
                evaluation=evaluation,
                case_id=files.case_id,
                subject_id=files.subject_id,
            )
    assert format_scores(read_scores(tmp_path / "out/scores.csv")) == format_scores(wanted)
    bins = read_bins(tmp_path / "out/bins.npz")
    assert {(key.evaluation, key.region, key.label) for key in bins if key.case_id == "c1"} == {
        *(("default", region, "all") for region in ("image", "foreground", "boundary", "roi")),
        ("paper", "foreground", "all"),
    }
    view = read_views(tmp_path / "out/views.npz")["c1"]
    # Seen as radiologists do, whatever the order on disk: both in-plane axes are turned.
    slices = draw(1)[1][:, ::-1, ::-1]
    assert any(np.array_equal(view.target, plane) for plane in slices)


@pytest.mark.slow
def test_real_hearts_have_the_same_scores_however_they_were_saved(realdata_dir: Path, tmp_path: Path) -> None:
    labels = ("background", "RV", "Myo", "LV")
    judge = SavedJudge(reader=SavedReader(labels=labels), protocols=(build_protocol("default", labels),))
    references = sorted(realdata_dir.glob("acdc/training/patient00[1-3]/*_gt.nii.gz"))
    assert references
    for reference in references:
        volume = read_volume(reference)
        noise = np.random.default_rng(1).normal(size=(4, *volume.array.shape))
        probs = np.exp(4 * (np.roll(volume.array, 1, axis=2) == np.arange(4).reshape(4, 1, 1, 1)) + noise)
        probs = (probs / probs.sum(0)).astype(np.float32)
        # Version 1 saves a part of the image, and background outside.
        probs[:, :, :5], probs[0, :, :5] = 0, 1
        prediction = tmp_path / "a.nii.gz"
        write_volume(prediction, probs.argmax(0).astype(np.uint8), affine=volume.affine)
        write_volume(tmp_path / "probs.nii", probs, affine=volume.affine)
        np.savez(tmp_path / "two.npz", probabilities=find_ras_steps(volume.affine).apply(probs))
        np.savez(tmp_path / "one.npz", softmax=probs[:, :, 5:].astype(np.float16))
        box = [[0, probs.shape[1]], [5, probs.shape[2]], [0, probs.shape[3]]]
        properties = {"crop_bbox": box, "original_size_of_raw_data": np.array(probs.shape[1:])}
        (tmp_path / "one.pkl").write_bytes(pickle.dumps(properties))
        wanted = mlseg.score(probs, volume.array, spacing_mm=volume.spacing_mm, labels=labels)
        for name, tolerance in (("probs.nii", 0), ("two.npz", 0), ("one.npz", 1e-3)):
            files = SavedFiles(
                case_id="case", subject_id="case", reference=reference, prediction=prediction, probs=tmp_path / name
            )
            (verdict,) = judge_cases(judge, [files])
            for row, same in zip(verdict.rows, wanted, strict=True):
                # The mean and the maximum over bins jump where a bin comes or goes.
                if tolerance == 0 or row.metric not in ("ace", "mce"):
                    assert row.value == pytest.approx(same.value, abs=tolerance, rel=tolerance, nan_ok=True)
                assert (row.metric, row.label, row.region, row.n) == (same.metric, same.label, same.region, same.n)


def test_the_record_has_every_file(cases: list[SavedFiles], judge: SavedJudge, tmp_path: Path) -> None:
    write_verdicts(tmp_path / "out", judge_cases(judge, cases), RECORD)
    record = json.loads((tmp_path / "out/score.json").read_text())
    assert record["prediction"] == "preds"
    case = record["cases"]["c2"]
    assert (case["subject_id"], case["agreement"], case["axes"]) == ("s1", 1.0, "as its header says")
    assert case["files"]["probs"]["bytes"] == cases[2].probs.stat().st_size
    assert len({one["sha256"] for one in case["files"].values()}) == 3


def test_workers_and_a_second_time_change_no_byte(cases: list[SavedFiles], judge: SavedJudge, tmp_path: Path) -> None:
    write_verdicts(tmp_path / "one", judge_cases(judge, cases), RECORD)
    write_verdicts(tmp_path / "two", judge_cases(judge, cases, workers=2), RECORD)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["bins.npz", "score.json", "scores.csv", "views.npz"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_problems_of_all_cases_come_together(cases: list[SavedFiles], judge: SavedJudge) -> None:
    cases[0].prediction.write_bytes(b"")
    cases[2].probs.unlink()
    with pytest.raises(DataError) as caught:
        judge_cases(judge, cases)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{cases[0].prediction}: must be a whole NIfTI file")
    assert second.startswith(f"{cases[2].probs}: must exist")


def test_a_mistake_in_every_file_does_not_fill_the_screen(cases: list[SavedFiles], judge: SavedJudge) -> None:
    cases[0].reference.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        judge_cases(judge, [cases[0]] * 60)
    head, *lines = str(caught.value).splitlines()
    assert head == "60 problems, the first 50 of which are:"
    assert len(lines) == 50


def test_after_a_problem_cases_are_only_read(cases: list[SavedFiles], judge: SavedJudge) -> None:
    assert judge.judge(cases[1], only_read=True) == CaseVerdict(case_id="c1")
    cases[1].prediction.write_bytes(b"")
    assert "whole NIfTI" in judge.judge(cases[1], only_read=True).problem


def test_label_maps_alone_leave_no_histograms(cases: list[SavedFiles], judge: SavedJudge, tmp_path: Path) -> None:
    bare = [SavedFiles(**{**vars(files), "probs": None}) for files in cases]
    verdicts = judge_cases(judge, bare)
    write_verdicts(tmp_path / "out", verdicts, RECORD)
    assert read_bins(tmp_path / "out/bins.npz") == {}
    assert {row.metric for row in read_scores(tmp_path / "out/scores.csv")}.isdisjoint({"ece", "cece", "nll"})
    assert describe_probs(verdicts) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    check_output(tmp_path / "new", RECORD)
    check_output(tmp_path, RECORD)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file: must be a folder"):
        check_output(tmp_path / "file", RECORD)
    for name, message in (
        ("last.pt", "a training run"),
        ("run.json", "a training run"),
        ("scores.csv", "something else"),
    ):
        place = tmp_path / f"with_{name}"
        place.mkdir()
        (place / name).touch()
        with pytest.raises(RunError, match=rf"with_{name}: holds .*{message}.*Give another output"):
            check_output(place, RECORD)


def test_only_the_same_predictions_are_judged_again(tmp_path: Path) -> None:
    write_verdicts(tmp_path, [], RECORD)
    check_output(tmp_path, {**RECORD, "bins": 10, "probs": "x"})
    with pytest.raises(RunError, match="holds the scores of preds against refs, got others against refs"):
        check_output(tmp_path, {**RECORD, "prediction": "others"})


def test_notes_name_the_lowest_agreement_and_count_the_axes() -> None:
    facts = [
        {"agreement": 1.0, "axes": "a", "sum_error": 0.0},
        {"agreement": 0.9951, "axes": "b", "sum_error": 0.004},
        {"agreement": None, "axes": "a", "sum_error": 0.0},
    ]
    verdicts = [CaseVerdict(case_id=f"c{n}", facts=one) for n, one in enumerate(facts)]
    agreement, axes, sums = describe_probs(verdicts)
    assert "in at least 99.51 % (lowest: c1) of the foreground" in agreement
    assert axes == "Axes of the probabilities: a (2); b (1)."
    assert sums.startswith("In 1 of 3 cases")
    assert "in all of the foreground" in describe_probs(verdicts[:1])[0]


def test_a_case_without_foreground_has_no_agreement(cases: list[SavedFiles], judge: SavedJudge, tmp_path: Path) -> None:
    probs = np.full((3, 2, 8, 7), 0.1, dtype=np.float32)
    probs[0] = 0.8
    assert cases[1].prediction is not None
    assert cases[1].probs is not None
    write_volume(cases[1].prediction, np.zeros((2, 8, 7), dtype=np.uint8), affine=AFFINE)
    write_volume(cases[1].probs, probs, affine=AFFINE)
    verdicts = judge_cases(judge, cases)
    assert [verdict.facts["agreement"] for verdict in verdicts] == [1.0, None, 1.0]
    write_verdicts(tmp_path / "out", verdicts, RECORD)
    assert json.loads((tmp_path / "out/score.json").read_text())["cases"]["c1"]["agreement"] is None
    notes = describe_probs(verdicts)
    assert "in all of the foreground" in notes[0]
    assert notes[1] == "In 1 of 3 cases the label map and the most probable class have no foreground to agree in: c1."
    assert describe_probs(verdicts[1:2])[0].startswith("In 1 of 1 cases the label map")
