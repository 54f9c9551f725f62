"""What calibration does to the scores: NLL, ECE, CECE and Brier by region, and Dice, before and after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mlseg.functional.bins import compute_cece, compute_ece
from mlseg.functional.calibration import measure_calibration
from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.metrics.regions import find_boundary
from mlseg.types import CasePrediction

REGIONS = ("image", "foreground", "boundary")
METRICS = ("nll", "ece", "cece", "brier")

Scores = Mapping[tuple[str, str], float]
"""(metric, region) -> value; ("dice", label) for the overlap of a foreground label, NaN where undefined."""


@dataclass(frozen=True, kw_only=True)
class CaseScoring:
    """How a case is scored, as in evaluation=default.

    Args:
        labels: class names, background first.
        bins: confidence bins, a divisor of 300.
        boundary_mm: half-width of the region "boundary".
    """

    labels: tuple[str, ...]
    bins: int = 15
    boundary_mm: float = 3.0

    def score(self, prediction: CasePrediction) -> dict[tuple[str, str], float]:
        """The scores of one case on the grid of its prediction.

        Raises:
            DataError: the probabilities are none.
        """
        probs, target = prediction.probs, prediction.target
        assert probs is not None
        regions: dict[str, Tensor | None] = {
            "image": None,
            "foreground": target > 0,
            "boundary": find_boundary(target, prediction.spacing_mm, boundary_mm=self.boundary_mm),
        }
        measured = measure_calibration(probs, target, regions, owner=f"case {prediction.case_id}")
        found: dict[tuple[str, str], float] = {}
        for name, part in measured.regions.items():
            found["nll", name], found["brier", name] = part.nll, part.brier
            found["ece", name] = compute_ece(part.counts, self.bins)
            found["cece", name] = compute_cece(part.counts, self.bins)
        dice = compute_dice(count_overlap(measured.label, target, len(self.labels))).tolist()
        return {**found, **{("dice", label): value for label, value in zip(self.labels[1:], dice[1:], strict=True)}}


def average_scores(scores: Sequence[Scores], subjects: Sequence[str]) -> dict[tuple[str, str], float]:
    """The mean over subjects of the mean over their cases, NaN left out at each step.

    Args:
        scores: of each case.
        subjects: whose each case is.

    Returns:
        (metric, region) -> mean; the labels' Dice are averaged to ("dice", "image").

    Example:
        >>> key = ("nll", "image")
        >>> average_scores([{key: 1.0}, {key: 3.0}, {key: 5.0}], ["a", "a", "b"])
        {('nll', 'image'): 3.5}
    """
    means = {}
    for key in scores[0]:
        owned: dict[str, list[float]] = {}
        for case, subject in zip(scores, subjects, strict=True):
            owned.setdefault(subject, []).append(case[key])
        means[key] = _mean(_mean(values) for values in owned.values())
    dice = [value for (metric, _), value in means.items() if metric == "dice"]
    kept = {key: value for key, value in means.items() if key[0] != "dice"}
    return {**kept, ("dice", "image"): _mean(dice)} if dice else kept


def nest_scores(scores: Scores) -> dict[str, dict[str, float]]:
    """metric -> region -> value, as JSON holds it.

    Example:
        >>> nest_scores({("nll", "image"): 0.5, ("nll", "boundary"): 1.0})
        {'nll': {'image': 0.5, 'boundary': 1.0}}
    """
    nested: dict[str, dict[str, float]] = {}
    for (metric, region), value in scores.items():
        nested.setdefault(metric, {})[region] = value
    return nested


def _mean(values: Iterable[float]) -> float:
    kept = [value for value in values if not math.isnan(value)]
    return float(np.mean(kept)) if kept else math.nan
