"""Calibration errors of many cases at once, at any number of bins, and their means over subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlseg.functional.bins import SCALE, BinCounts
from mlseg.report.bins_file import ALL_CLASSES, LABEL_CLASS
from mlseg.report.summary import PLAIN_MEANS, compute_mean


def compute_case_errors(
    parts: Sequence[BinCounts], bins: int, *, evaluation: str, label: str = ALL_CLASSES
) -> tuple[np.ndarray, np.ndarray]:
    """ECE and CECE of every case, as the protocol defines them.

    Protocol "paper" takes CECE over the classes up to the largest in the reference of the case; of a merged label
    CECE is the class-wise error of the label alone.

    Args:
        parts: the histograms of one region, one per case.
        bins: number of equal-width bins, a divisor of 300.
        evaluation: the protocol.
        label: "all", or a merged label.

    Shape:
        Twice (parts,), NaN without voxels.
    """
    gaps = compute_gaps(parts, bins)
    if label != ALL_CLASSES:
        return gaps[:, 0], gaps[:, 1 + LABEL_CLASS]
    classes = gaps[:, 1:]
    counted = np.ones_like(classes, dtype=bool)
    if evaluation in PLAIN_MEANS:
        found = np.stack([part.reference_voxels[1:] > 0 for part in parts])
        largest = np.where(found, np.arange(classes.shape[1]), 0).max(axis=1)
        counted = np.arange(classes.shape[1]) <= largest[:, None]
    return gaps[:, 0], np.asarray(np.where(counted, classes, 0.0).sum(axis=1) / counted.sum(axis=1))


def average_subjects(values: Sequence[float], subjects: Sequence[str]) -> dict[str, float]:
    """Subject -> the mean of its cases' values, NaN left out; the order of first appearance is kept.

    Args:
        values: one per case.
        subjects: whose case it is.

    Example:
        >>> average_subjects([0.1, 0.3, float("nan"), 0.2], ["p1", "p1", "p2", "p2"])
        {'p1': 0.2, 'p2': 0.2}
    """
    own: dict[str, list[float]] = {}
    for value, subject in zip(values, subjects, strict=True):
        own.setdefault(subject, []).append(float(value))
    return {subject: compute_mean(found) for subject, found in own.items()}


def merge_subjects(cases: Mapping[str, BinCounts], subjects: Mapping[str, str]) -> dict[str, BinCounts]:
    """Subject -> the histograms of its cases added up; a case of nobody stands for itself.

    Args:
        cases: case_id -> histograms.
        subjects: case_id -> subject_id.
    """
    merged: dict[str, BinCounts] = {}
    for case_id, counts in cases.items():
        subject = subjects.get(case_id, case_id)
        merged[subject] = merged[subject] + counts if subject in merged else counts
    return merged


def compute_gaps(parts: Sequence[BinCounts], bins: int) -> np.ndarray:
    """The calibration error sum_b (n_b / n) |accuracy_b - confidence_b| of every row of every part at once.

    Args:
        parts: histograms with the same number of classes.
        bins: number of equal-width bins, a divisor of 300.

    Shape:
        (parts, K+1): column 0 is the ECE of the top label, column k+1 the class-wise error of class k; NaN without
        voxels.

    Source: Naeini et al., AAAI 2015; Kull et al., NeurIPS 2019.
    """
    hits, sums = (_merge_columns(np.stack([getattr(part, name) for part in parts]), bins) for name in ("hits", "sums"))
    total = np.stack([part.total for part in parts])
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(hits - sums / SCALE).sum(axis=-1) / total)


def compute_subject_accuracy(parts: Sequence[BinCounts], bins: int, *, min_voxels: int) -> np.ndarray:
    """The share of right voxels per bin of the top label, NaN where a part has fewer than `min_voxels` there.

    Args:
        parts: histograms, one per subject.
        bins: number of equal-width bins, a divisor of 300.
        min_voxels: at least 1.

    Shape:
        (parts, bins).
    """
    voxels, hits = (
        _merge_columns(np.stack([getattr(part, name)[0] for part in parts]), bins) for name in ("counts", "hits")
    )
    return np.where(voxels >= max(min_voxels, 1), hits / np.maximum(voxels, 1), np.nan)


def _merge_columns(columns: np.ndarray, bins: int) -> np.ndarray:
    """(..., 301) stored columns -> (..., bins)."""
    fine = columns[..., 1:].copy()
    fine[..., 0] += columns[..., 0]
    return np.asarray(fine.reshape(*fine.shape[:-1], bins, -1).sum(axis=-1))
