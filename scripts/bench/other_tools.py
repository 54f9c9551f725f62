"""The same numbers by medpy, MONAI and torchmetrics, and by the rules of the authors' code, written anew."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

VERSIONS = {"medpy": "medpy==0.5.2", "monai": "monai>=1.5", "torchmetrics": "torchmetrics==1.9.*"}

Run = Callable[[], Sequence[float]]


def install_hint(package: str) -> str:
    return f"pip install {VERSIONS[package]}"


def find_module(name: str) -> ModuleType | None:
    """The module, or None if its package is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            return None


def medpy_hd95(prediction: np.ndarray, target: np.ndarray, spacing_mm: tuple[float, ...]) -> Run | None:
    """Percentile of both directions pooled."""
    binary = find_module("medpy.metric.binary")
    if binary is None:
        return None
    return lambda: [binary.hd95(prediction == label, target == label, spacing_mm) for label in (1, 2, 3)]


def monai_hd95(prediction: np.ndarray, target: np.ndarray, spacing_mm: tuple[float, ...]) -> Run | None:
    """Larger of the directed percentiles; the one-hot masks it asks for are made beforehand."""
    metrics = find_module("monai.metrics")
    if metrics is None:
        return None
    masks = [torch.from_numpy(np.stack([each == label for label in (1, 2, 3)]))[None] for each in (prediction, target)]

    def run() -> Sequence[float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = metrics.compute_hausdorff_distance(
                *masks, include_background=True, percentile=95, spacing=spacing_mm
            )
        return found[0].tolist()

    return run


def monai_cece(probs: Tensor, target: Tensor) -> Run | None:
    """Class-wise only; the one-hot reference it asks for is made beforehand.

    Args:
        probs: (K,n).
        target: (n,).
    """
    metrics = find_module("monai.metrics")
    if metrics is None or not hasattr(metrics, "CalibrationErrorMetric"):
        return None
    one_hot = F.one_hot(target.long(), len(probs)).T.float()[None]

    def run() -> Sequence[float]:
        # Its bins are (lo, hi] when told not to be: the right edge of torch.bucketize has the other meaning.
        metric = metrics.CalibrationErrorMetric(num_bins=15, right=False)
        metric(y_pred=probs[None], y=one_hot)
        return [metric.aggregate().item()]

    return run


def torchmetrics_ece(probs: Tensor, target: Tensor) -> Run | None:
    """Of the top label only."""
    functional = find_module("torchmetrics.functional.classification")
    if functional is None:
        return None
    batch, labels = probs[None], target.long()[None]
    return lambda: [functional.multiclass_calibration_error(batch, labels, len(probs), n_bins=15).item()]


class AuthorsWay:
    """ECE, CECE, NLL and Brier of logits (n,K): a pass over all voxels for each bin, and for each bin of each class.

    Edges are float32; p = 0 is in no bin; CECE is the mean over the classes up to the largest in the reference.
    """

    def __init__(self, logits: Tensor, target: Tensor) -> None:
        # Theirs are (n,K) in memory; the rearrangement is not timed.
        self.logits = logits.T.contiguous()
        self.target = target.long()
        self.edges = torch.linspace(0, 1, 16).tolist()

    def ece(self) -> float:
        confidence, label = self.logits.softmax(1).max(1)
        return self._sum_gaps(confidence, label == self.target)

    def cece(self) -> float:
        probs = self.logits.softmax(1)
        classes = range(int(self.target.max()) + 1)
        return float(np.mean([self._sum_gaps(probs[:, index], self.target == index) for index in classes]))

    def nll(self) -> float:
        return F.cross_entropy(self.logits, self.target).item()

    def brier(self) -> float:
        one_hot = F.one_hot(self.target, self.logits.shape[1])
        return ((self.logits.softmax(1) - one_hot) ** 2).sum(1).mean().item()

    def _sum_gaps(self, confidence: Tensor, hit: Tensor) -> float:
        total = 0.0
        for low, high in zip(self.edges[:-1], self.edges[1:], strict=True):
            inside = (confidence > low) & (confidence <= high)
            share = inside.float().mean().item()
            if share > 0:
                total += share * (confidence[inside].mean() - hit[inside].float().mean()).abs().item()
        return total
