"""The definitions of the authors' code, quirks included, so that numbers can stand beside theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlseg.functional.bins import compute_cece, compute_ece
from mlseg.functional.surfaces import compute_hd, compute_hd95
from mlseg.metrics.prediction import check_labels, check_prediction, choose_segmentation, measure_case
from mlseg.metrics.rows import Found, LabelComparison, build_rows, score_labels
from mlseg.types import CasePrediction, CaseScores

BINS = 15
DIGITS = 4
VOXEL_SPACING = (1.0, 1.0, 1.0)


class PaperEvaluation:
    """Dice and HD per foreground label, ECE and CECE of one case, as the authors compute them on the training crop.

    The quirks, each of which can make a prediction look better than it is:

    * `ece` and `cece` look at voxels with reference > 0 only; predicting foreground with p = 1 everywhere scores 0.
    * `cece` is the mean over classes 0..max(label in this volume), although the foreground has no voxel of class 0.
    * Bins have float32 edges, and a probability of exactly 0 falls in none of them.
    * `hd` and `hd95` are in voxels, whatever the spacing; `hd95` pools both directions.
    * A class absent from the reference has Dice 1 and distance 0, whatever was predicted.
    * A class of the reference that was not predicted has Dice 0, and distance 0.
    * Dice, ECE and CECE are rounded to 4 digits per case; the mean over cases comes later.

    A case without foreground has ECE and CECE NaN. n counts the voxels of either mask, or of the foreground.

    Args:
        labels: class names, background first.

    Raises:
        ConfigError: if there are fewer than 2 labels.

    Source: the code of Murugesan et al., Medical Image Analysis 2023 (github.com/Bala93/MarginLoss at 5466662).

    Example:
        >>> import torch
        >>> target = torch.zeros(1, 4, 4, dtype=torch.int64)
        >>> probs = torch.stack([target, 1 - target]).float()
        >>> prediction = CasePrediction(
        ...     case_id="a", subject_id="a", probs=probs, target=target, spacing_mm=(10.0, 1.5, 1.5)
        ... )
        >>> [(row.metric, row.value) for row in PaperEvaluation(["background", "LV"]).score_case(prediction).rows]
        [('dice', 1.0), ('hd', 0.0), ('hd95', 0.0), ('ece', nan), ('cece', nan)]
    """

    name = "paper"
    grid = "crop"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = check_labels("PaperEvaluation", labels)

    def score_case(self, prediction: CasePrediction) -> CaseScores:
        """Judge one case; a prediction without probabilities gets no calibration scores and no histograms.

        Raises:
            DataError: if the probabilities are not probabilities or do not fit the target, naming the case.
        """
        owner, target = type(self).__name__, prediction.target
        check_prediction(owner, prediction, self.labels)
        measured = measure_case(owner, prediction, {"foreground": target > 0}, edges="paper")
        segmented = choose_segmentation(prediction, measured)
        rows = score_labels(
            prediction,
            self.name,
            segmented=segmented,
            labels=self.labels,
            spacing=VOXEL_SPACING,
            judge=_apply_rules,
        )
        if measured is None:
            return CaseScores(rows=rows)
        counts = measured.regions["foreground"].counts
        found = {
            "ece": (round(compute_ece(counts, BINS), DIGITS), "1"),
            "cece": (round(compute_cece(counts, BINS, num_classes=int(target.max()) + 1), DIGITS), "1"),
        }
        rows += build_rows(prediction, self.name, label="all", region="foreground", found=found, n=counts.voxels)
        return CaseScores(rows=rows, bins={("foreground", "all"): counts})


def _apply_rules(label: LabelComparison) -> Found:
    # Where either mask is empty there are no distances.
    known = label.distances.voxels > 0
    hd = compute_hd(label.distances) if known else 0.0
    hd95 = compute_hd95(label.distances, pooled=True) if known else 0.0
    absent = label.invented or math.isnan(label.dice)
    dice = 1.0 if absent else label.dice
    return {"dice": (round(dice, DIGITS), "1"), "hd": (hd, "voxel"), "hd95": (hd95, "voxel")}
