"""Calibration from counts: histograms of confidence that add exactly, and the scores that follow from them (no torch).

Every voxel falls into one of 300 equal-width bins (lo, hi], so that any divisor of 300 as the number of bins (10, 15,
20, 25, 50, 100, ...) comes from the same counts by merging neighbours. The first bin is stored in two parts, cut at
p = 1e-3, for the thresholded CECE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlseg.checks import ConfigError, DataError

FINE_BINS = 300
THRESHOLD = 1e-3
# One confidence is stored as round(p * 2^28): off by at most 2^-29 = 1.9e-9, and so is any mean of confidences.
SCALE = 2**28
# 2^34 = 1.7e10 voxels: their sum is at most 2^62, and two such sums still fit an int64.
MAX_VOXELS = 2**34
MIN_MASS = 1e-3


def compute_edges(edges: str = "exact") -> np.ndarray:
    """The 302 float64 edges of the stored columns: 0, 1e-3, 1/300, 2/300, ..., 1.

    Args:
        edges: "exact" are multiples of 1/300. "paper" are float32 values whose every 20th is the authors'
            `torch.linspace(0, 1, 16)`; there p = 0 falls in no bin.

    Raises:
        ConfigError: if `edges` is neither.
    """
    fine = np.linspace(0.0, 1.0, FINE_BINS + 1)
    if edges == "paper":
        # What torch.linspace gives in float32 on a machine with fused multiply-add: up from 0, and down from 1.
        step, place = float(np.float32(1) / np.float32(15)), np.arange(16)
        fine[::20] = np.where(place < 8, step * place, 1 - step * (15 - place))
        fine = fine.astype(np.float32).astype(np.float64)
    elif edges != "exact":
        raise ConfigError(f'BinCounts: edges must be "exact" or "paper", got {edges!r}. Give edges one of the two.')
    return np.concatenate([fine[:1], [THRESHOLD], fine[1:]])


@dataclass(frozen=True, kw_only=True)
class BinCounts:
    """Histograms of confidence of one region, for the top label (row 0) and each class k (row k + 1).

    Args:
        counts: (K+1, 301) int64, voxels per column; columns 0 and 1 together are the first of the 300 bins.
        hits: (K+1, 301) int64, those of them whose reference is the class of the row (row 0: the top label).
        sums: (K+1, 301) int64, sum of round(p * 2^28).
        total: (K+1,) int64, all voxels of the region; with edges="paper" more than the counts, which lack p = 0.
        edges: see `compute_edges`.
        reference: (K+1,) int64, voxels whose reference is the class of the row (row 0: all of them), in whatever bin;
            None takes the hits, which are as many unless edges="paper".

    Raises:
        DataError: if a row holds more than 2^34 voxels, or when counts of other shapes or edges are added.
    """

    counts: np.ndarray
    hits: np.ndarray
    sums: np.ndarray
    total: np.ndarray
    edges: str = "exact"
    reference: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.reference is None:
            found = np.concatenate([self.total[:1], self.hits[1:].sum(axis=1)])
            object.__setattr__(self, "reference", found.astype(np.int64))
        if self.total.size and int(self.total.max()) > MAX_VOXELS:
            raise DataError(
                f"BinCounts: at most {MAX_VOXELS} voxels can be counted, got {int(self.total.max())}. "
                "Merge fewer cases at a time."
            )

    @property
    def num_classes(self) -> int:
        """K, background included."""
        return len(self.total) - 1

    @property
    def voxels(self) -> int:
        """All voxels of the region."""
        return int(self.total[0])

    @property
    def reference_voxels(self) -> np.ndarray:
        """`reference`, which is always there once the counts are."""
        assert self.reference is not None
        return self.reference

    def __add__(self, other: BinCounts) -> BinCounts:
        if self.counts.shape != other.counts.shape or self.edges != other.edges:
            raise DataError(
                f"BinCounts: only counts of one shape and kind of edges can be added, got {self.counts.shape} "
                f"{self.edges} and {other.counts.shape} {other.edges}. Merge regions and protocols apart."
            )
        return BinCounts(
            counts=self.counts + other.counts,
            hits=self.hits + other.hits,
            sums=self.sums + other.sums,
            total=self.total + other.total,
            edges=self.edges,
            reference=self.reference_voxels + other.reference_voxels,
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays for `numpy.savez`; `from_arrays` reads them back without pickle."""
        return {
            "counts": self.counts,
            "hits": self.hits,
            "sums": self.sums,
            "total": self.total,
            "reference": self.reference_voxels,
            "edges": np.array(self.edges),
            "scale": np.array(SCALE),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> BinCounts:
        """Counts from the arrays of `to_arrays`. Raises DataError if they were written with another scale."""
        if int(arrays["scale"]) != SCALE:
            raise DataError(f"BinCounts: scale must be {SCALE}, got {int(arrays['scale'])}. Evaluate the run again.")
        names = ("counts", "hits", "sums", "total", "reference")
        return cls(**{name: np.asarray(arrays[name]) for name in names}, edges=str(arrays["edges"]))


@dataclass(frozen=True)
class ReliabilityCurve:
    """One reliability diagram; NaN in bins without voxels.

    Args:
        mass: (bins,) share of the region's voxels in each bin.
        confidence: (bins,) mean confidence in each bin.
        accuracy: (bins,) share of hits in each bin.
    """

    mass: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability_curve(counts: BinCounts, bins: int = 15, row: int = 0) -> ReliabilityCurve:
    """Mass, mean confidence and accuracy per bin.

    Args:
        counts: the histograms of one region.
        bins: number of equal-width bins, a divisor of 300.
        row: 0 for the top label, k + 1 for class k.

    Raises:
        ConfigError: if `bins` does not divide 300.
    """
    voxels, hits, sums = (_merge(part[row], bins) for part in (counts.counts, counts.hits, counts.sums))
    with np.errstate(invalid="ignore", divide="ignore"):
        return ReliabilityCurve(voxels / counts.total[row], sums / SCALE / voxels, hits / voxels)


def compute_ece(counts: BinCounts, bins: int = 15) -> float:
    """Expected calibration error of the top label, sum_b (n_b / n) |accuracy_b - confidence_b|; NaN without voxels.

    Args:
        counts: the histograms of one region.
        bins: number of equal-width bins (lo, hi], a divisor of 300.

    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017, equation 3.
    """
    return _weighted_gap(counts, 0, bins)


def compute_cece(
    counts: BinCounts, bins: int = 15, *, threshold: bool = False, num_classes: int | None = None
) -> float:
    """Class-wise ECE: the mean over classes of sum_b (n_b / n) |frequency_b - confidence_b|; NaN without voxels.

    Args:
        counts: the histograms of one region.
        bins: number of equal-width bins (lo, hi], a divisor of 300.
        threshold: True takes only voxels with p_k > 1e-3, divides by their number, and leaves out classes without any.
        num_classes: takes the mean over classes 0..num_classes-1 only; None takes all.

    Source: Kull et al., NeurIPS 2019; the threshold as in Nixon et al., CVPR workshops 2019.
    """
    last = counts.num_classes if num_classes is None else num_classes
    gaps = [compute_class_ece(counts, index, bins, threshold=threshold) for index in range(last)]
    known = [gap for gap in gaps if not np.isnan(gap)]
    return float(np.mean(known)) if known else float("nan")


def compute_class_ece(counts: BinCounts, index: int, bins: int = 15, *, threshold: bool = False) -> float:
    """The part of one class in `compute_cece`; NaN without voxels.

    Args:
        counts: the histograms of one region.
        index: the class, 0..K-1.
        bins: number of equal-width bins (lo, hi], a divisor of 300.
        threshold: True takes only voxels with p_k > 1e-3, and divides by their number.
    """
    return _weighted_gap(counts, index + 1, bins, threshold=threshold)


def compute_ace(counts: BinCounts, bins: int = 15) -> float:
    """Mean over bins of the top label's |accuracy - confidence|, over bins with at least 0.1 % of the voxels.

    Source: Neumann et al., NeurIPS workshop 2018, as average calibration error; the floor keeps near-empty bins out.
    """
    gaps = _heavy_gaps(counts, bins)
    return float(gaps.mean()) if gaps.size else float("nan")


def compute_mce(counts: BinCounts, bins: int = 15) -> float:
    """Largest |accuracy - confidence| of the top label over bins with at least 0.1 % of the voxels.

    Source: Naeini et al., AAAI 2015; the floor keeps near-empty bins out.
    """
    gaps = _heavy_gaps(counts, bins)
    return float(gaps.max()) if gaps.size else float("nan")


def _merge(columns: np.ndarray, bins: int) -> np.ndarray:
    if isinstance(bins, bool) or bins < 1 or FINE_BINS % bins:
        raise ConfigError(f"BinCounts: bins must divide {FINE_BINS}, got {bins}. Take 10, 15, 20, 25, 50 or 100.")
    fine = columns[1:].copy()
    fine[0] += columns[0]
    return fine.reshape(bins, -1).sum(1)


def _weighted_gap(counts: BinCounts, row: int, bins: int, *, threshold: bool = False) -> float:
    voxels, hits, sums = counts.counts[row], counts.hits[row], counts.sums[row]
    total = int(counts.total[row])
    if threshold:
        # Column 0 is p <= 1e-3.
        hits, sums = (np.concatenate([[0], part[1:]]) for part in (hits, sums))
        total = int(voxels[1:].sum())
    if total == 0:
        return float("nan")
    return float(np.abs(_merge(hits, bins) - _merge(sums, bins) / SCALE).sum() / total)


def _heavy_gaps(counts: BinCounts, bins: int) -> np.ndarray:
    curve = reliability_curve(counts, bins)
    return np.abs(curve.accuracy - curve.confidence)[curve.mass >= MIN_MASS]
