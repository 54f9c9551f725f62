"""The definitions to trust: native grid, millimetres, every region named, nothing missed scored as perfect."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.bins import compute_ace, compute_cece, compute_ece, compute_mce
from mlseg.functional.calibration import RegionCalibration
from mlseg.functional.surfaces import compute_assd, compute_hd, compute_hd95, compute_nsd
from mlseg.metrics.prediction import check_labels, check_prediction, choose_segmentation, measure_case
from mlseg.metrics.regions import build_regions
from mlseg.metrics.rows import Found, LabelComparison, build_rows, score_labels
from mlseg.types import CasePrediction, CaseScores


class DefaultEvaluation:
    """Overlap and surface scores per foreground label, calibration scores per region, for one case on its native grid.

    Per label (region "image"): `dice`; `hd`, `hd95`, `assd` in mm; `nsd`; `missed` and `invented`, 0 or 1. A missed or
    invented structure has Dice 0, NSD 0 and the image diagonal as every distance. Where prediction and reference are
    both empty, all but `missed` and `invented` (0) are NaN. n counts the voxels of either mask.

    Per region (label "all"): `ece`, `cece`, `cece_t`, `ace`, `mce`, `nll`, `brier`, NaN where the region is empty.
    n counts the voxels of the region.

    Args:
        labels: class names, background first.
        bins: equal-width confidence bins, a divisor of 300.
        tolerance_mm: surface distance that NSD takes as agreement.
        boundary_mm: half-width of the region "boundary".
        roi_margin_mm: margin around the reference's bounding box for the region "roi".

    Raises:
        ConfigError: if an argument is out of its range.

    Example:
        >>> import torch
        >>> target = torch.zeros(2, 8, 8, dtype=torch.int64)
        >>> target[:, 2:5, 2:5] = 1
        >>> probs = torch.stack([1 - target, target]).float()
        >>> prediction = CasePrediction(
        ...     case_id="a", subject_id="a", probs=probs, target=target, spacing_mm=(10.0, 1.5, 1.5)
        ... )
        >>> rows = DefaultEvaluation(["background", "LV"]).score_case(prediction).rows
        >>> [(row.metric, row.value) for row in rows[:2]]
        [('dice', 1.0), ('hd', 0.0)]
    """

    name = "default"
    grid = "native"

    def __init__(
        self,
        labels: Sequence[str],
        *,
        bins: int = 15,
        tolerance_mm: float = 2.0,
        boundary_mm: float = 3.0,
        roi_margin_mm: float = 10.0,
    ) -> None:
        settings = {
            "bins": bins,
            "tolerance_mm": tolerance_mm,
            "boundary_mm": boundary_mm,
            "roi_margin_mm": roi_margin_mm,
        }
        check_arguments("mlseg.metrics.default.DefaultEvaluation", **settings)
        self.labels = check_labels("DefaultEvaluation", labels)
        self.bins = int(bins)
        self.tolerance_mm = tolerance_mm
        self.boundary_mm = boundary_mm
        self.roi_margin_mm = roi_margin_mm

    def score_case(self, prediction: CasePrediction) -> CaseScores:
        """Judge one case; a prediction without probabilities gets no calibration scores and no histograms.

        Raises:
            DataError: if the probabilities are not probabilities or do not fit the target, naming the case.
        """
        owner = type(self).__name__
        check_prediction(owner, prediction, self.labels)
        found = measure_case(owner, prediction, self.build_regions(prediction.target, prediction.spacing_mm))
        rows = score_labels(
            prediction,
            self.name,
            segmented=choose_segmentation(prediction, found),
            labels=self.labels,
            spacing=prediction.spacing_mm,
            judge=self.build_judge(prediction),
        )
        if found is None:
            return CaseScores(rows=rows)
        for region, calibration in found.regions.items():
            scores = {**self.score_top_label(calibration), **self.score_classes(calibration)}
            n = calibration.counts.voxels
            rows += build_rows(prediction, self.name, label="all", region=region, found=scores, n=n)
        return CaseScores(rows=rows, bins={(region, "all"): part.counts for region, part in found.regions.items()})

    def build_regions(self, target: Tensor, spacing_mm: Sequence[float]) -> dict[str, Tensor | None]:
        """The masks (D,H,W) in which calibration is measured."""
        return build_regions(target, spacing_mm, boundary_mm=self.boundary_mm, roi_margin_mm=self.roi_margin_mm)

    def build_judge(self, prediction: CasePrediction) -> Callable[[LabelComparison], Found]:
        """What is said of one label: its overlap, its distances, and whether it was missed or invented."""
        # The farthest that two voxels of this image can be apart: a miss is never cheaper than a bad segmentation.
        shape, spacing_mm = prediction.target.shape, prediction.spacing_mm
        worst = math.hypot(*(size * step for size, step in zip(shape, spacing_mm, strict=True)))

        def judge(label: LabelComparison) -> Found:
            distances = label.distances
            hd, hd95, assd = compute_hd(distances), compute_hd95(distances), compute_assd(distances)
            nsd = compute_nsd(distances, self.tolerance_mm)
            if label.missed or label.invented:
                hd = hd95 = assd = worst
                nsd = 0.0
            return {
                "dice": (label.dice, "1"),
                "hd": (hd, "mm"),
                "hd95": (hd95, "mm"),
                "assd": (assd, "mm"),
                "nsd": (nsd, "1"),
                "missed": (float(label.missed), "case"),
                "invented": (float(label.invented), "case"),
            }

        return judge

    def score_top_label(self, found: RegionCalibration) -> dict[str, tuple[float, str]]:
        """What is said of the confidence in the predicted class, and the proper scores."""
        return {
            "ece": (compute_ece(found.counts, self.bins), "1"),
            "ace": (compute_ace(found.counts, self.bins), "1"),
            "mce": (compute_mce(found.counts, self.bins), "1"),
            "nll": (found.nll, "nat"),
            "brier": (found.brier, "1"),
        }

    def score_classes(self, found: RegionCalibration) -> dict[str, tuple[float, str]]:
        """What is said of each class's probability, averaged over the classes."""
        return {
            "cece": (compute_cece(found.counts, self.bins), "1"),
            "cece_t": (compute_cece(found.counts, self.bins, threshold=True), "1"),
        }
