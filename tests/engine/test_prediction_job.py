"""One scan after the other: which are predicted, which are left, and what the tables say."""

from __future__ import annotations

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError
from mlseg.data.nifti import read_volume, write_volume
from mlseg.data.preprocess import Preprocessing
from mlseg.engine.device import choose_compute
from mlseg.engine.ensemble import Member
from mlseg.engine.inference import Inference
from mlseg.engine.prediction_job import PredictionJob
from mlseg.engine.prediction_record import PredictionRecord
from mlseg.engine.prediction_writing import PredictionWriter
from mlseg.engine.settings import TrainerSettings
from mlseg.types import CaseFiles

AFFINE = np.diag([-2.0, -2.0, 5.0, 1.0])
LABELS = ("background", "RV", "LV")


class Threshold(nn.Module):
    """Class 2 where the normalised image is bright, class 0 elsewhere; counts its calls."""

    stride = (1, 1)

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return torch.cat([-5 * image, torch.full_like(image, -20), 5 * image], dim=1)


@pytest.fixture
def network():
    return Threshold()


@pytest.fixture
def job(tmp_path, network):
    inference = Inference(compute=choose_compute(TrainerSettings(device="cpu", amp="off")), crop=(4, 4))
    preprocessing = Preprocessing(clip_percentiles=(0, 100))
    member = Member(network=network, inference=inference, preprocessing=preprocessing, orientation="native")
    (tmp_path / "out").mkdir()
    return PredictionJob(
        members=[member],
        writer=PredictionWriter(values=(0, 1, 4)),
        record=PredictionRecord(path=tmp_path / "out" / "predict.json", settings={}),
        output=tmp_path / "out",
        ending="",
        save=("labels",),
        labels=LABELS,
        channels=("MR",),
        label_map={0: "background", 1: "RV", 4: "LV"},
    )


@pytest.fixture
def make_files(tmp_path):
    """A scan with `bright` voxels, and if asked for a reference with `voxels` of LV."""

    def call(name, bright, *, frame="", voxels=None):
        array = np.zeros((2, 4, 5), dtype=np.int16)
        array.ravel()[:bright] = 100
        write_volume(tmp_path / f"{name}.nii.gz", array, affine=AFFINE)
        if voxels is not None:
            target = np.zeros((2, 4, 5), dtype=np.uint8)
            target.ravel()[:voxels] = 4
            write_volume(tmp_path / f"{name}_gt.nii.gz", target, affine=AFFINE)
        images, target = (tmp_path / f"{name}.nii.gz",), tmp_path / f"{name}_gt.nii.gz"
        found = target if voxels is not None else None
        return CaseFiles(case_id=name, subject_id="p1", images=images, target=found, frame=frame)

    return call


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_predictions_volumes_and_ejection_fraction(job, make_files):
    cases = [make_files("ed", 20, frame="ED", voxels=16), make_files("es", 5, frame="ES", voxels=8)]
    assert job.run(cases) == []
    assert np.count_nonzero(read_volume(job.output / "ed.nii.gz").array == 4) == 20
    lines = job.write_tables()
    assert lines[0] == f"volumes of 2 cases: {job.output / 'volumes.csv'}"
    assert lines[-1].startswith("ejection fraction of the LV minus the reference's, in points: bias +25.00, ")
    rows = read_rows(job.output / "volumes.csv")
    assert [(row["case"], row["label"], row["voxels"], row["volume_ml"]) for row in rows] == [
        ("ed", "RV", "0", "0.0000"),
        ("ed", "LV", "20", "0.4000"),
        ("es", "RV", "0", "0.0000"),
        ("es", "LV", "5", "0.1000"),
    ]
    left, right = read_rows(job.output / "ejection_fraction.csv")
    assert (left["ef_percent"], left["reference_ef_percent"]) == ("75.0000", "50.0000")
    assert right["ef_percent"] == "nan"
    assert json.loads((job.output / "dataset.json").read_text())["labels"] == {"background": 0, "RV": 1, "LV": 4}


def test_whole_cases_are_left_but_references_are_read_again(job, make_files, network):
    files = make_files("a", 20)
    job.run([files])
    before, calls = (job.output / "a.nii.gz").stat().st_mtime_ns, network.calls
    again = dataclasses.replace(job, record=PredictionRecord(path=job.record.path, settings={}))
    again.run([make_files("a", 20, voxels=16)])
    assert network.calls == calls
    assert (job.output / "a.nii.gz").stat().st_mtime_ns == before
    again.write_tables()
    assert read_rows(job.output / "volumes.csv")[1]["reference_ml"] == "0.3200"
    again.run([make_files("a", 10)])
    assert network.calls > calls
    assert np.count_nonzero(read_volume(job.output / "a.nii.gz").array) == 10


def test_a_broken_file_is_told_and_the_others_go_on(job, make_files, tmp_path):
    cases = [make_files(name, 20) for name in ("a", "b")] + [make_files("c", 20, voxels=9)]
    (tmp_path / "a.nii.gz").write_bytes(b"\x1f\x8bnothing")
    (tmp_path / "c_gt.nii.gz").write_bytes(b"\x1f\x8bnothing")
    problems = job.run(cases)
    assert [line.split(":")[0] for line in problems] == [str(tmp_path / "a.nii.gz"), str(tmp_path / "c_gt.nii.gz")]
    assert {path.name for path in job.output.glob("*.nii.gz")} == {"b.nii.gz", "c.nii.gz"}
    job.write_tables()
    assert {row["case"] for row in read_rows(job.output / "volumes.csv")} == {"b", "c"}


def test_the_scan_itself_is_never_overwritten(job, make_files, tmp_path):
    files = make_files("a", 20)
    same = dataclasses.replace(job, output=tmp_path, record=PredictionRecord(path=tmp_path / "r.json", settings={}))
    before = files.images[0].read_bytes()
    with pytest.raises(ConfigError, match="must not overwrite what is read"):
        same.run([files])
    assert files.images[0].read_bytes() == before


def test_one_file_has_its_tables_beside_it(job, make_files, tmp_path):
    place = tmp_path / "out" / "seg.nii.gz"
    record = PredictionRecord(path=tmp_path / "out" / "seg_predict.json", settings={})
    one = dataclasses.replace(job, output=place, ending=".nii.gz", record=record, save=("labels", "entropy"))
    assert one.run([make_files("a", 20)]) == []
    one.write_tables()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("seg.nii.gz", "seg_entropy.nii.gz", "seg_predict.json", "seg_volumes.csv")
    }
