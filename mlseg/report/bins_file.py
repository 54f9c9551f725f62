"""The confidence histograms of a run, merged over cases for reliability diagrams and pooled scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlseg.functional.bins import BinCounts, compute_cece, compute_class_ece, compute_ece
from mlseg.functional.bins_file import BinsKey, read_bins
from mlseg.report.definitions import REGIONS

BINS_NAME = "bins.npz"
ALL_CLASSES = "all"
# Of a merged label, judged as a problem with two classes: 0 is what is not the label.
LABEL_CLASS = 1


def read_run_bins(run_dir: Path) -> dict[BinsKey, BinCounts]:
    """The histograms of every case of a run. Raises RunError if the run has none."""
    return read_bins(run_dir / BINS_NAME)


def list_bin_labels(bins: Mapping[BinsKey, BinCounts], *, evaluation: str, order: Sequence[str] = ()) -> list[str]:
    """Whose histograms a protocol has: "all" for all classes of the network together, or merged labels by name.

    Args:
        bins: what `read_run_bins` returned.
        evaluation: the protocol.
        order: names that come first, in this order.
    """
    found = list(dict.fromkeys(key.label for key in bins if key.evaluation == evaluation))
    return sorted(found, key=[*order, *found].index)


def group_cases(
    bins: Mapping[BinsKey, BinCounts], *, evaluation: str, label: str = ALL_CLASSES
) -> dict[str, dict[str, BinCounts]]:
    """Region -> case_id -> histograms, the regions in the order of REGIONS and others after them.

    Args:
        bins: what `read_run_bins` returned.
        evaluation: the protocol; another one's histograms are left out.
        label: "all", or the name of a merged label.
    """
    found: dict[str, dict[str, BinCounts]] = {}
    for key, counts in bins.items():
        if key.evaluation == evaluation and key.label == label:
            found.setdefault(key.region, {})[key.case_id] = counts
    order = [*REGIONS, *found]
    return {region: found[region] for region in sorted(found, key=order.index)}


def pool_bins(bins: Mapping[BinsKey, BinCounts], *, evaluation: str, label: str = ALL_CLASSES) -> dict[str, BinCounts]:
    """Region -> the histograms of all cases added up: each voxel weighs the same, whichever case it is from."""
    groups = group_cases(bins, evaluation=evaluation, label=label)
    return {region: add_bins(list(cases.values())) for region, cases in groups.items()}


def count_cases(bins: Mapping[BinsKey, BinCounts], *, evaluation: str, label: str = ALL_CLASSES) -> dict[str, int]:
    """Region -> cases that have a voxel in it, the n of a pooled score."""
    groups = group_cases(bins, evaluation=evaluation, label=label)
    return {region: sum(counts.voxels > 0 for counts in cases.values()) for region, cases in groups.items()}


def add_bins(parts: Sequence[BinCounts]) -> BinCounts:
    """The sum of at least one set of histograms."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@dataclass(frozen=True, kw_only=True)
class PooledScore:
    """Calibration of all test voxels of a region together, each voxel weighing the same.

    Args:
        label: "all" for the classes of the network, or a merged label.
        cece: of a merged label the class-wise error of the label alone.
    """

    region: str
    label: str = ALL_CLASSES
    ece: float
    cece: float
    n_cases: int
    n_voxels: int


def score_pooled(
    bins: Mapping[BinsKey, BinCounts], *, evaluation: str, count: int = 15, order: Sequence[str] = ()
) -> list[PooledScore]:
    """ECE and CECE of the merged histograms of a protocol, with `count` bins, one per label and region with voxels."""
    scores = []
    for label in list_bin_labels(bins, evaluation=evaluation, order=order):
        cases = count_cases(bins, evaluation=evaluation, label=label)
        for region, counts in pool_bins(bins, evaluation=evaluation, label=label).items():
            if counts.voxels:
                whole = label == ALL_CLASSES
                score = PooledScore(
                    region=region,
                    label=label,
                    ece=compute_ece(counts, count),
                    cece=compute_cece(counts, count) if whole else compute_class_ece(counts, LABEL_CLASS, count),
                    n_cases=cases[region],
                    n_voxels=counts.voxels,
                )
                scores.append(score)
    return scores
