"""HD95 and calibration scores by mlseg and by other tools, on the same arrays, in turn, in one table.

"x ours" is a tool's median time in units of mlseg's. "equal" compares its values, to 1e-6, with mlseg's under the
tool's own definition (medpy pools both directions of HD95, the authors' bins have float32 edges); where it says by how
much they are off, float32 sums over many voxels are the reason. "extra MB" is how far one call raises the peak of the
memory, working copies included; memory that was freed before and is used again does not count. Run it on a quiet
machine: ratios on a busy one are rough.

For the other tools:  pip install medpy==0.5.2 "torchmetrics==1.9.*"
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np
import torch
from other_tools import AuthorsWay, install_hint, medpy_hd95, monai_cece, monai_hd95, torchmetrics_ece
from shapes import SPACING_MM, add_noise, draw_labels, draw_logits
from stopwatch import Way, compare, describe_machine
from torch import Tensor

from mlseg.functional.bins import compute_cece, compute_ece
from mlseg.functional.calibration import RegionCalibration, measure_calibration
from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.functional.surfaces import compute_hd95, compute_label_distances
from mlseg.metrics.regions import build_regions

LABELS = (1, 2, 3)
BRATS, ACDC = (155, 240, 240), (10, 256, 216)
QUICK_BRATS, QUICK_ACDC = (24, 40, 40), (6, 48, 40)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="timed calls of each tool (default 7; 3 of slow ones)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--only", choices=("hd95", "calibration"), help="one half of the table")
    parser.add_argument("--quick", action="store_true", help="small arrays and one call each, to see that it runs")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    repeats = 1 if options.quick else options.repeats
    brats, acdc = (QUICK_BRATS, QUICK_ACDC) if options.quick else (BRATS, ACDC)
    print(describe_machine())
    if options.only != "calibration":
        compare_hd95(brats, acdc, repeats=repeats)
    if options.only != "hd95":
        compare_calibration(brats, repeats=repeats)


def compare_hd95(brats: tuple[int, ...], acdc: tuple[int, ...], *, repeats: int) -> None:
    target, smooth = draw_labels(brats, 0), draw_labels(brats, 1)
    flat_target, flat = draw_labels(acdc, 0), draw_labels(acdc, 5)
    cases = (
        ("smooth", smooth, target, SPACING_MM["brats"]),
        ("noisy: 1 % of all voxels relabelled", add_noise(smooth, 0.01, 2), target, SPACING_MM["brats"]),
        ("smooth, thick slices", flat, flat_target, SPACING_MM["acdc"]),
    )
    for name, prediction, reference, spacing_mm in cases:
        overlap = count_overlap(torch.from_numpy(prediction), torch.from_numpy(reference), 4)
        dice = " ".join(f"{value:.3f}" for value in compute_dice(overlap)[1:].tolist())
        size = "x".join(map(str, reference.shape))
        arrays = (prediction, reference, spacing_mm)
        compare(
            f"HD95 of 3 classes, {size} voxels of {spacing_mm} mm, {name} (Dice {dice})",
            [
                Way(name="mlseg", run=lambda arrays=arrays: our_hd95(*arrays)),
                Way(
                    name="medpy",
                    run=medpy_hd95(*arrays),
                    install=install_hint("medpy"),
                    expected=our_hd95(*arrays, pooled=True),
                ),
                Way(
                    name="MONAI",
                    run=monai_hd95(*arrays),
                    install=install_hint("monai"),
                    expected=our_hd95(*arrays),
                    # Its float32 percentile rounds the rank.
                    tolerance=1e-5,
                ),
            ],
            repeats=repeats,
        )


def our_hd95(
    prediction: np.ndarray, target: np.ndarray, spacing_mm: tuple[float, ...], *, pooled: bool = False
) -> list[float]:
    found = compute_label_distances(prediction, target, labels=LABELS, spacing_mm=spacing_mm)
    return [compute_hd95(distances, pooled) for distances in found]


def compare_calibration(shape: tuple[int, ...], *, repeats: int) -> None:
    target = torch.from_numpy(draw_labels(shape, 0))
    logits = torch.from_numpy(draw_logits(draw_labels(shape, 1), 3))
    size = "x".join(map(str, shape))
    everywhere = torch.ones_like(target, dtype=torch.bool)
    for name, mask in (("foreground", target > 0), ("all voxels", everywhere)):
        share = mask.float().mean().item()
        some, classes = logits[:, mask], target[mask]
        title = f"ECE, CECE of {name} ({share:.1%}) of 4 classes, {size}"
        compare_one_region(title, logits, target, None if mask is everywhere else mask, some, classes, repeats=repeats)
    compare_regions(f"ECE, CECE, NLL, Brier of four regions of 4 classes, {size}", logits, target, repeats=repeats)


def compare_one_region(
    title: str, logits: Tensor, target: Tensor, mask: Tensor | None, some: Tensor, classes: Tensor, *, repeats: int
) -> None:
    def ours(values: Tensor, *, edges: str = "exact", from_logits: bool = True) -> list[float]:
        found = measure_calibration(values, target, {"region": mask}, edges=edges, from_logits=from_logits)
        counts = found.regions["region"].counts
        return [compute_ece(counts), compute_cece(counts)]

    probs = logits.softmax(0)
    theirs, some_probs = AuthorsWay(some, classes), some.softmax(0)
    exact, paper = ours(probs, from_logits=False), ours(probs, edges="paper", from_logits=False)
    compare(
        title,
        [
            Way(name="mlseg, from logits", run=lambda: ours(logits), expected=exact),
            Way(name="mlseg, from probabilities", run=lambda: ours(probs, from_logits=False)),
            Way(
                name="the authors' way, from logits",
                run=lambda: [theirs.ece(), theirs.cece()],
                expected=paper,
            ),
            Way(
                name="MONAI, CECE only, from probs",
                run=monai_cece(some_probs, classes),
                install=install_hint("monai"),
                expected=exact[1:],
            ),
            Way(
                name="torchmetrics, ECE only, from probs",
                run=torchmetrics_ece(some_probs, classes),
                install=install_hint("torchmetrics"),
                expected=exact[:1],
            ),
            Way(name="floor: the sum of the logits", run=lambda: [logits.sum().item()]),
        ],
        repeats=repeats,
    )


def compare_regions(title: str, logits: Tensor, target: Tensor, *, repeats: int) -> None:
    def find_regions() -> dict[str, Tensor | None]:
        return build_regions(target, SPACING_MM["brats"], boundary_mm=3.0, roi_margin_mm=10.0)

    def summarise(found: RegionCalibration) -> list[float]:
        return [compute_ece(found.counts), compute_cece(found.counts), found.nll, found.brier]

    def ours(regions: dict[str, Tensor | None], *, edges: str = "exact") -> list[float]:
        found = measure_calibration(logits, target, regions, edges=edges, from_logits=True)
        return [math.fsum(column) for column in zip(*map(summarise, found.regions.values()), strict=True)]

    regions = find_regions()
    theirs = [
        AuthorsWay(*((logits.flatten(1), target.flatten()) if mask is None else (logits[:, mask], target[mask])))
        for mask in regions.values()
    ]

    def run_theirs() -> list[float]:
        scores = [[way.ece(), way.cece(), way.nll(), way.brier()] for way in theirs]
        return [math.fsum(column) for column in zip(*scores, strict=True)]

    compare(
        f"{title} (values: sums over the regions)",
        [
            Way(name="mlseg", run=lambda: ours(regions)),
            Way(name="mlseg, finding the regions too", run=lambda: ours(find_regions())),
            Way(name="the authors' way", run=run_theirs, expected=ours(regions, edges="paper")),
            Way(name="floor: the sum of the logits", run=lambda: [logits.sum().item()]),
        ],
        repeats=repeats,
    )


if __name__ == "__main__":
    main()
