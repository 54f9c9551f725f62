"""Labels made of several classes, such as BraTS's whole tumour, each judged as a problem of two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mlseg.checks import ConfigError, find_merged_problems
from mlseg.functional.bins import BinCounts, compute_class_ece
from mlseg.functional.calibration import CaseCalibration, check_probabilities
from mlseg.functional.counting import find_top_label
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.prediction import check_prediction, measure_case
from mlseg.metrics.rows import build_rows, score_labels
from mlseg.records import Score
from mlseg.types import CasePrediction, CaseScores


class MergedEvaluation(DefaultEvaluation):
    """The scores of `DefaultEvaluation` for merged labels; they may overlap, as WT, TC and ET do.

    For each merged label the mask is the union of the predicted classes, and the probability p the sum of theirs:

    * overlap and distances as for any label;
    * `ece`, `ace`, `mce`, `nll`, `brier` (label: the merged one) of the problem (1 - p, p), confidence max(p, 1 - p);
    * `cece`, `cece_t` (label "all"): the mean over the merged labels of the class-wise error of p.

    The regions are those of the reference's merged labels together: `foreground` is their union, BraTS's whole tumour.

    Args:
        labels: class names, background first.
        merged: name -> the classes that it is made of; none may be the background.
        bins, tolerance_mm, boundary_mm, roi_margin_mm: see `DefaultEvaluation`.

    Raises:
        ConfigError: if an argument is out of its range, or a merged label names a class that is not there.

    Source: the regions of the BraTS challenge (Menze et al., IEEE TMI 2015).

    Example:
        >>> target = torch.zeros(1, 8, 8, dtype=torch.int64)
        >>> target[:, 2:5, 2:5], target[:, 3, 3] = 1, 2
        >>> probs = torch.stack([(target == k).float() for k in range(3)])
        >>> prediction = CasePrediction(
        ...     case_id="a", subject_id="a", probs=probs, target=target, spacing_mm=(10.0, 1.5, 1.5)
        ... )
        >>> protocol = MergedEvaluation(["background", "edema", "core"], {"tumour": ["edema", "core"]})
        >>> row = protocol.score_case(prediction).rows[0]
        >>> row.label, row.metric, row.value, row.n
        ('tumour', 'dice', 1.0, 9)
    """

    name = "merged"

    def __init__(
        self,
        labels: Sequence[str],
        merged: Mapping[str, Sequence[str]],
        *,
        bins: int = 15,
        tolerance_mm: float = 2.0,
        boundary_mm: float = 3.0,
        roi_margin_mm: float = 10.0,
    ) -> None:
        super().__init__(
            labels, bins=bins, tolerance_mm=tolerance_mm, boundary_mm=boundary_mm, roi_margin_mm=roi_margin_mm
        )
        self.merged = _check_merged(merged, self.labels)

    def score_case(self, prediction: CasePrediction) -> CaseScores:
        """Judge one case.

        Raises:
            DataError: if the probabilities are not probabilities or do not fit the target, naming the case.
        """
        owner = type(self).__name__
        check_prediction(owner, prediction, self.labels)
        regions = self.build_regions(self._separate(prediction.target), prediction.spacing_mm)
        if prediction.probs is not None:  # sums of classes would look like probabilities whatever they are
            check_probabilities(f"{owner}: case {prediction.case_id}", prediction.probs)
        segmented = prediction.segmentation
        if segmented is None:
            assert prediction.probs is not None
            segmented = find_top_label(prediction.probs)[1]
        rows: list[Score] = []
        found: dict[str, CaseCalibration] = {}
        for name, classes in self.merged.items():
            problem = replace(
                prediction,
                probs=None if prediction.probs is None else _merge_probs(prediction.probs, classes),
                target=_select(prediction.target, classes).to(torch.uint8),
                segmentation=_select(segmented, classes).to(torch.uint8),
            )
            rows += self._score_masks(problem, name)
            measured = measure_case(owner, problem, regions)
            if measured is not None:
                found[name] = measured
        rows += self._score_calibration(prediction, found)
        bins = {(region, name): part.counts for name, one in found.items() for region, part in one.regions.items()}
        return CaseScores(rows=rows, bins=bins)

    def _separate(self, target: Tensor) -> Tensor:
        """A map that differs where merged labels do: its regions have their borders, and no others."""
        table = torch.zeros(len(self.labels), dtype=torch.int64)
        for bit, classes in enumerate(self.merged.values()):
            table[list(classes)] += 1 << bit
        # Classes that are in the same merged labels get the same number.
        _, numbers = table.unique(return_inverse=True)
        numbers = torch.where(table > 0, numbers + 1, 0)
        return numbers.to(target.device)[target.long()]

    def _score_masks(self, problem: CasePrediction, name: str) -> list[Score]:
        assert problem.segmentation is not None
        return score_labels(
            problem,
            self.name,
            segmented=problem.segmentation,
            labels=("background", name),
            spacing=problem.spacing_mm,
            judge=self.build_judge(problem),
        )

    def _score_calibration(self, prediction: CasePrediction, found: Mapping[str, CaseCalibration]) -> list[Score]:
        rows: list[Score] = []
        for region in next(iter(found.values())).regions if found else ():
            parts = {name: one.regions[region] for name, one in found.items()}
            n = next(iter(parts.values())).counts.voxels
            for name, part in parts.items():
                scores = self.score_top_label(part)
                rows += build_rows(prediction, self.name, label=name, region=region, found=scores, n=n)
            overall = {
                metric: (self._average_classes([p.counts for p in parts.values()], threshold=threshold), "1")
                for metric, threshold in (("cece", False), ("cece_t", True))
            }
            rows += build_rows(prediction, self.name, label="all", region=region, found=overall, n=n)
        return rows

    def _average_classes(self, counts: Sequence[BinCounts], *, threshold: bool) -> float:
        """Mean over the merged labels that have a voxel of the class-wise error of p; NaN if none has."""
        gaps = [compute_class_ece(one, 1, self.bins, threshold=threshold) for one in counts]
        known = [gap for gap in gaps if not np.isnan(gap)]
        return float(np.mean(known)) if known else float("nan")


def _check_merged(merged: Mapping[str, Sequence[str]], labels: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Name -> class indices."""
    problems = find_merged_problems(merged, labels)
    if problems:
        raise ConfigError(" ".join(f"MergedEvaluation: merged {problem}" for problem in problems))
    return {str(name): tuple(labels.index(one) for one in classes) for name, classes in merged.items()}


def _select(classes: Tensor, members: Sequence[int]) -> Tensor:
    """True where the class is one of the members."""
    inside = torch.zeros_like(classes, dtype=torch.bool)
    for member in members:
        inside |= classes == member
    return inside


def _merge_probs(probs: Tensor, members: Sequence[int]) -> Tensor:
    """(K,D,H,W) -> (2,D,H,W): 1 - p and p, the members' sum."""
    wide = probs.to(torch.promote_types(probs.dtype, torch.float32))
    merged = wide[members[0]].clone()
    for member in members[1:]:
        merged += wide[member]
    return torch.stack([1 - merged, merged])
