"""Fitting on some cases, and scoring on those left out."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.checks import DataError, RunError
from mlseg.engine.calibration_fit import FITS, CalibrationJob, describe_fit, list_folds
from mlseg.engine.calibration_scores import CaseScoring
from mlseg.engine.calibration_voxels import Sampling
from mlseg.engine.device import choose_compute
from mlseg.engine.inference import Inference
from mlseg.engine.settings import TrainerSettings
from mlseg.types import PreparedCase

COMPUTE = choose_compute(TrainerSettings(device="cpu", amp="off"))
SHAPE = (4, 32, 32)


class TooSure(nn.Module):
    """Three times the logits that the references were drawn from; the image holds those of two classes."""

    stride = (1, 1)

    def __init__(self, factor: float = 3.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: Tensor) -> Tensor:
        return self.factor * torch.cat([torch.zeros_like(image[:, :1]), image[:, :2]], dim=1)


def make_case(subject: str, frame: str = "ED", *, sharpness: float = 1.0) -> PreparedCase:
    random = np.random.default_rng(list(f"{subject}{frame}".encode()))
    image = 2 * random.standard_normal((SHAPE[0], 2, *SHAPE[1:])).astype(np.float32)
    logits = np.concatenate([np.zeros_like(image[:, :1]), sharpness * image], axis=1)
    target = (logits + random.gumbel(size=logits.shape)).argmax(axis=1).astype(np.uint8)
    return PreparedCase(
        case_id=f"{subject}_{frame}",
        subject_id=subject,
        image=image,
        target=target,
        spacing_mm=(10.0, 1.5, 1.5),
        native_target=target,
        native_spacing_mm=(10.0, 1.5, 1.5),
        affine=np.eye(4),
        frame=frame,
    )


def make_job(method: str = "temperature", **sampling) -> CalibrationJob:
    return CalibrationJob(
        method=method,
        inference=Inference(compute=COMPUTE, crop=(32, 32)),
        sampling=Sampling(**sampling),
        scoring=CaseScoring(labels=("background", "RV", "LV")),
    )


CASES = [make_case(subject, frame) for subject in "abc" for frame in ("ED", "ES")]


@pytest.mark.parametrize("method", FITS)
def test_overconfidence_is_taken_back(method):
    found = make_job(method).run(TooSure(), CASES)
    for key in (("nll", "image"), ("ece", "image"), ("brier", "image"), ("nll", "foreground")):
        assert found.after[key] < found.before[key], key
    found.check_nll("image")
    assert found.fit.nll < found.nll_before
    # In the sample, unregularised, the fit is what the scores say of all voxels but the first of each slice.
    assert found.nll_before == pytest.approx(found.before["nll", "image"], rel=5e-3)
    assert found.voxels == found.seen == 6 * 4 * (32 * 32 - 1)
    assert found.is_cross_fitted
    described = describe_fit(found)
    assert "parameters" not in described
    assert described["nll_before"] == found.nll_before


def test_the_temperature_is_the_factor_and_labels_stay():
    found = make_job().run(TooSure(), CASES)
    assert found.fit.parameters["temperature"] == pytest.approx(3, rel=0.05)
    assert found.after["dice", "image"] == found.before["dice", "image"]
    inference = make_job().inference
    calibrated = dataclasses.replace(inference, calibrator=found.calibrator)
    for case in CASES:
        before, after = (one.predict(TooSure(), case, grid="native").probs for one in (inference, calibrated))
        assert torch.equal(before.argmax(dim=0), after.argmax(dim=0))
        assert not torch.equal(before, after)


def test_scores_after_are_of_subjects_that_were_left_out():
    cases = [make_case("a"), make_case("b"), make_case("odd", sharpness=-1.0)]
    job = make_job()
    found = job.run(TooSure(), cases)
    assert set(found.folds) == {("a",), ("b",), ("odd",)}
    alone = job.run(TooSure(), cases[:2])
    assert found.folds["odd",]["temperature"] == pytest.approx(alone.fit.parameters["temperature"], rel=1e-9)
    assert found.folds["odd",]["temperature"] < found.folds["a",]["temperature"]
    # Each by the calibrator without it: computed here once more.
    expected = []
    for case in cases:
        temperature = found.folds[case.subject_id,]["temperature"]
        prediction = job.inference.predict(TooSure(3 / temperature), case, grid="native")
        expected.append(job.scoring.score(prediction)["nll", "image"])
    assert found.after["nll", "image"] == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_single_subject_is_scored_by_its_own_and_that_is_told():
    found = make_job().run(TooSure(), CASES[:2])
    assert not found.is_cross_fitted
    assert found.after["nll", "image"] == pytest.approx(found.fit.nll, rel=5e-3)


def test_a_worse_nll_is_refused():
    found = make_job().run(TooSure(), CASES)
    worse = dataclasses.replace(found, after={**found.after, ("nll", "image"): found.before["nll", "image"] + 1e-3})
    with pytest.raises(RunError, match=r"NLL of subjects that it was not fitted to must not get worse, got \d.* after"):
        worse.check_nll("image")
    worse.check_nll("foreground")
    with pytest.raises(RunError, match="Nothing was written"):
        dataclasses.replace(found, after={**found.after, ("nll", "image"): math.nan}).check_nll("image")
    same = dataclasses.replace(found, after=found.before)
    same.check_nll("image")


def test_a_region_without_voxels_is_refused():
    case = make_case("a")
    nothing = np.zeros_like(case.target)
    case = dataclasses.replace(case, target=nothing, native_target=nothing)
    with pytest.raises(DataError, match="region foreground must have voxels to fit to, got none in 1 cases"):
        make_job(region="foreground").run(TooSure(), [case])


def test_few_voxels_are_enough():
    found = make_job(limit=1000).run(TooSure(), CASES)
    assert found.voxels == 6000
    assert found.fit.parameters["temperature"] == pytest.approx(3, rel=0.1)


def test_subjects_are_left_out_one_by_one_below_ten_and_in_ten_groups_above():
    nine, many = [f"p{i}" for i in range(9)], [f"p{i:02d}" for i in range(23)]
    assert list_folds(nine) == [(subject,) for subject in nine]
    folds = list_folds(many)
    assert len(folds) == 10
    assert sorted(subject for fold in folds for subject in fold) == many
    assert {len(fold) for fold in folds} == {2, 3}
