"""Fits a calibrator to a network on some cases, and scores it on subjects that it was not fitted to."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from mlseg.checks import DataError, RunError
from mlseg.engine.calibration_scores import CaseScoring, Scores, average_scores
from mlseg.engine.calibration_voxels import CaseVoxels, Sampling, predict_and_draw, weigh_voxels
from mlseg.engine.calibrator import Calibrator
from mlseg.engine.device import full_float32
from mlseg.engine.inference import Inference
from mlseg.functional.posthoc import PosthocFit, compute_nll
from mlseg.functional.posthoc_isotonic import fit_isotonic
from mlseg.functional.posthoc_temperature import fit_class_temperature, fit_temperature
from mlseg.functional.posthoc_vector import fit_vector
from mlseg.types import CaseSet

FITS: dict[str, Callable[[Tensor, Tensor, Tensor], PosthocFit]] = {
    "temperature": fit_temperature,
    "class_temperature": fit_class_temperature,
    "vector": fit_vector,
    "isotonic": fit_isotonic,
}
# Below so many subjects each is left out in turn; from there on a tenth of them at a time.
FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A fitted calibrator with its scores.

    Args:
        calibrator: fitted to all subjects.
        fit: how its search ended.
        nll_before: of the fitted voxels, weighted as the fit weighs them.
        folds: subjects that were left out together -> the parameters without them; empty with one subject only.
        before, after: (metric, region) -> mean over subjects; after: each by a calibrator that has not seen it, but
            with one subject only.
        voxels, seen: that it was fitted to, and that these were drawn from.
    """

    calibrator: Calibrator
    fit: PosthocFit
    nll_before: float
    folds: Mapping[tuple[str, ...], dict[str, Any]]
    before: Scores
    after: Scores
    voxels: int
    seen: int

    @property
    def is_cross_fitted(self) -> bool:
        """True if the scores after are those of subjects that were not fitted."""
        return bool(self.folds)

    def check_nll(self, region: str) -> None:
        """Raise RunError if the NLL of a region is worse than before."""
        before, after = self.before["nll", region], self.after["nll", region]
        if not after <= before:
            left = "subjects that it was not fitted to" if self.is_cross_fitted else "the fitted subject"
            raise RunError(
                f"calibrator: NLL of {left} must not get worse, got {after:.5f} after {before:.5f} (region {region}). "
                "Nothing was written: leave the network as it is, or try another method=..."
            )


@dataclass(frozen=True, kw_only=True)
class CalibrationJob:
    """How a calibrator is fitted.

    Args:
        method: a key of FITS.
        inference: how predictions are made, without a calibrator.
        sampling: which voxels are fitted; its limit counts for each case.
        scoring: how cases are scored.
        show_progress: "auto" shows it on a terminal.
    """

    method: str
    inference: Inference
    sampling: Sampling
    scoring: CaseScoring
    show_progress: bool | str = "auto"

    def run(self, network: nn.Module, cases: CaseSet) -> Calibration:
        """Predict all cases twice: to draw voxels of them, and with what was fitted without their subject.

        Raises:
            DataError: no voxel to fit to.
            RunError: a prediction is not finite.
        """
        network.eval()
        drawn: list[CaseVoxels] = []
        before: list[Scores] = []
        with full_float32():
            for number in self._track(len(cases), "drawing voxels"):
                prediction, voxels = predict_and_draw(
                    network, cases[number], inference=self.inference, sampling=self.sampling
                )
                before.append(self.scoring.score(prediction))
                drawn.append(voxels)
        fit = self.fit(drawn)
        fitted = {fold: self.fit([v for v in drawn if v.subject_id not in fold]) for fold in self._list_folds(drawn)}
        calibrators = {subject: self.build(one) for fold, one in fitted.items() for subject in fold}
        whole, after = self.build(fit), []
        with full_float32():
            for number in self._track(len(cases), "scoring"):
                calibrator = calibrators.get(cases[number].subject_id, whole)
                inference = dataclasses.replace(self.inference, calibrator=calibrator)
                after.append(self.scoring.score(inference.predict(network, cases[number], grid="native")))
        subjects = [voxels.subject_id for voxels in drawn]
        return Calibration(
            calibrator=whole,
            fit=fit,
            nll_before=compute_nll(*weigh_voxels(drawn)),
            folds={fold: one.parameters for fold, one in fitted.items()},
            before=average_scores(before, subjects),
            after=average_scores(after, subjects),
            voxels=sum(len(voxels.target) for voxels in drawn),
            seen=sum(voxels.seen for voxels in drawn),
        )

    def fit(self, voxels: Sequence[CaseVoxels]) -> PosthocFit:
        """Fit to the voxels of some cases. Raises DataError if there are none."""
        if not any(len(case.target) for case in voxels):
            raise DataError(
                f"calibrator: the region {self.sampling.region} must have voxels to fit to, got none in "
                f"{len(voxels)} cases. Give region=image."
            )
        return FITS[self.method](*weigh_voxels(voxels))

    def build(self, fit: PosthocFit) -> Calibrator:
        """The calibrator of a fit, on the device of the inference."""
        calibrator = Calibrator(self.method, fit.parameters, labels=self.scoring.labels)
        return calibrator.to(self.inference.compute.device)

    def _list_folds(self, voxels: Sequence[CaseVoxels]) -> list[tuple[str, ...]]:
        """Subjects that are left out together; those without a voxel are not fitted to anyway."""
        return list_folds(sorted({case.subject_id for case in voxels if len(case.target)}))

    def _track(self, count: int, description: str) -> Iterator[int]:
        visible = sys.stderr.isatty() if self.show_progress == "auto" else bool(self.show_progress)
        console = Console(stderr=True)
        yield from track(range(count), description=description, console=console, disable=not visible, transient=True)


def list_folds(subjects: Sequence[str]) -> list[tuple[str, ...]]:
    """One subject at a time below 10 of them, else ten groups of nearly one size; none for a single subject.

    Example:
        >>> list_folds(["a", "b", "c"]), list_folds(["a"]), len(list_folds([str(i) for i in range(25)]))
        ([('a',), ('b',), ('c',)], [], 10)
    """
    if len(subjects) < 2:
        return []
    count = min(FOLDS, len(subjects))
    return [tuple(subjects[start::count]) for start in range(count)]


def describe_fit(found: Calibration) -> dict[str, Any]:
    """How the search ended, as calibrator.json holds it."""
    fit = dataclasses.asdict(found.fit)
    return {**{name: fit[name] for name in fit if name != "parameters"}, "nll_before": found.nll_before}
