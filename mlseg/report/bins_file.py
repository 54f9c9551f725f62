"""The confidence histograms of a run, merged over cases for reliability diagrams and pooled scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlseg.functional.bins import BinCounts, compute_cece, compute_ece
from mlseg.functional.bins_file import BinsKey, read_bins

BINS_NAME = "bins.npz"


def read_run_bins(run_dir: Path) -> dict[BinsKey, BinCounts]:
    """The histograms of every case of a run. Raises RunError if the run has none."""
    return read_bins(run_dir / BINS_NAME)


def pool_bins(bins: Mapping[BinsKey, BinCounts], *, evaluation: str) -> dict[str, BinCounts]:
    """Region -> the histograms of all cases added up: each voxel weighs the same, whichever case it is from.

    Args:
        bins: what `read_run_bins` returned.
        evaluation: the protocol; another one's histograms are left out.
    """
    pooled: dict[str, BinCounts] = {}
    for key, counts in bins.items():
        if key.evaluation == evaluation:
            pooled[key.region] = pooled[key.region] + counts if key.region in pooled else counts
    return pooled


def count_cases(bins: Mapping[BinsKey, BinCounts], *, evaluation: str) -> dict[str, int]:
    """Region -> cases that have a voxel in it, the n of a pooled score."""
    cases: dict[str, int] = {}
    for key, counts in bins.items():
        if key.evaluation == evaluation:
            cases[key.region] = cases.get(key.region, 0) + (counts.voxels > 0)
    return cases


@dataclass(frozen=True, kw_only=True)
class PooledScore:
    """Calibration of all test voxels of a region together, each voxel weighing the same."""

    region: str
    ece: float
    cece: float
    n_cases: int
    n_voxels: int


def score_pooled(bins: Mapping[BinsKey, BinCounts], *, evaluation: str, count: int = 15) -> list[PooledScore]:
    """ECE and CECE of the merged histograms of a protocol, with `count` bins, one per region that has voxels."""
    pooled, cases = pool_bins(bins, evaluation=evaluation), count_cases(bins, evaluation=evaluation)
    return [
        PooledScore(
            region=region,
            ece=compute_ece(counts, count),
            cece=compute_cece(counts, count),
            n_cases=cases[region],
            n_voxels=counts.voxels,
        )
        for region, counts in pooled.items()
        if counts.voxels
    ]
