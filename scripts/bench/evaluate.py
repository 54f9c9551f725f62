"""Evaluation speed: the test cases of a finished run judged the authors' way and ours, case by case in turn.

    python scripts/bench/evaluate.py --run outputs/acdc/unet/mbls/margin-5/seed1
    python scripts/bench/evaluate.py --phantom --quick           # trains a tiny network first, to see that it runs

The authors' way, rebuilt from what is known of it: float32 in channels-first order on the centre crop, four slices at a
time; Dice and HD95 by medpy, or, where it is not installed, by the same distance transforms; ECE and CECE in a pass for
each bin. Ours: evaluation=paper alone, which gives the same numbers, and with evaluation=default, which judges the
whole image on the grid of its file in four regions with more scores. "Metrics" leaves the network out. All in float32,
each case by every way before the next; ratios of one run count, seconds don't.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from other_tools import AuthorsWay, find_module
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from stopwatch import describe_machine
from torch import nn

from mlseg.cli.build import build, build_data, build_inference
from mlseg.cli.judged_network import load_network
from mlseg.data.framing import crop_or_pad
from mlseg.engine.device import Compute, choose_compute, full_float32
from mlseg.engine.inference import Inference
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.paper import PaperEvaluation
from mlseg.records import read_json
from mlseg.types import CasePrediction, CaseScores, PreparedCase

THEIRS, PAPER, BOTH = "theirs", "evaluation=paper", "paper and default"
SLICES = 4
# Enough to learn that there are hearts.
TRAINING = ["data.split=random", "trainer.max_epochs=8", "optimizer.lr=0.01", "model.norm=batch"]
QUICK = ["data.crop=[48,48]", "model.widths=[8,16]", "model.strides=[2]"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="the directory of a finished run of slices")
    parser.add_argument("--phantom", action="store_true", help="train on a phantom and judge that")
    parser.add_argument("--cases", type=int, help="the first ones only")
    parser.add_argument("--quick", action="store_true", help="with --phantom: small slices")
    arguments = parser.parse_args()
    if not (arguments.run or arguments.phantom):
        parser.error("give --run=FOLDER or --phantom")
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        run = arguments.run or train_on_phantom(Path(folder), quick=arguments.quick)
        print_table(*measure(run, arguments.cases))


def train_on_phantom(place: Path, *, quick: bool) -> Path:
    from mlseg.data.phantom import write_phantom

    write_phantom("acdc", place / "phantom", subjects=8, shape=(4, 48, 48) if quick else (10, 220, 210))
    words = [
        *TRAINING,
        *(QUICK if quick else []),
        "data=acdc",
        f"data.root={place / 'phantom'}",
        f"data.cache_dir={place / 'cache'}",
    ]
    script = Path(__file__).resolve().parents[2] / "train.py"
    command = [sys.executable, str(script), *words, f"run_dir={place / 'run'}", "trainer.progress=false"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return place / "run"


def measure(run: Path, cases: int | None) -> tuple[dict[str, dict[str, float]], dict[str, list[float]], int, int]:
    """Way -> stage -> seconds; way -> its mean scores; how many cases and slices there were."""
    record = read_json(run / "run.json")
    cfg = OmegaConf.create(record["config"])
    data = build_data(cfg).test
    compute = choose_compute(build(cfg.trainer)).in_precision("float32")
    network = load_network(cfg.model, run / "best.pt", compute=compute)[0].eval()
    plain = Compute(device=compute.device, amp="off", channels_last=False)
    other = load_network(cfg.model, run / "best.pt", compute=plain)[0].eval()
    inference = build_inference(cfg, compute)
    labels = list(cfg.data.source.labels)
    paper, default = PaperEvaluation(labels), DefaultEvaluation(labels)
    seconds: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    scores: dict[str, list[list[float]]] = defaultdict(list)
    chosen = [data[number] for number in range(min(cases or len(data), len(data)))]
    with full_float32():
        for number, case in enumerate(chosen[:1] + chosen):  # the first is judged twice, to warm up
            ours = judge_our_way(network, case, inference, [paper], seconds[PAPER])
            judge_our_way(network, case, inference, [paper, default], seconds[BOTH])
            theirs = judge_their_way(other, case, inference.crop, plain, seconds[THEIRS])
            if number == 0:
                seconds.clear()
                continue
            scores[PAPER].append(average(ours[0]))
            scores[THEIRS].append(theirs)
    means = {way: np.nanmean(values, axis=0).tolist() for way, values in scores.items()}
    return seconds, means, len(chosen), sum(len(case.image) for case in chosen)


def judge_our_way(
    network: nn.Module, case: PreparedCase, inference: Inference, protocols: Sequence[Any], seconds: dict[str, float]
) -> list[CaseScores]:
    start = time.perf_counter()
    grids = {protocol.grid for protocol in protocols}
    predictions: dict[str, CasePrediction] = {grid: inference.predict(network, case, grid=grid) for grid in grids}
    middle = time.perf_counter()
    found = [protocol.score_case(predictions[protocol.grid]) for protocol in protocols]
    seconds["network"] += middle - start
    seconds["metrics"] += time.perf_counter() - middle
    return found


def average(found: CaseScores) -> list[float]:
    """Mean Dice and HD95 over the labels, ECE and CECE of the foreground."""
    rows = {name: [row.value for row in found.rows if row.metric == name] for name in ("dice", "hd95", "ece", "cece")}
    return [float(np.mean(values)) for values in rows.values()]


def judge_their_way(
    network: nn.Module, case: PreparedCase, crop: tuple[int, ...], compute: Compute, seconds: dict[str, float]
) -> list[float]:
    start = time.perf_counter()
    image = torch.from_numpy(np.array(crop_or_pad(case.image, crop))).to(compute.device)
    target = torch.from_numpy(np.array(crop_or_pad(case.target, crop))).long()
    with torch.no_grad():
        logits = torch.cat([network(part).cpu() for part in image.split(SLICES)])
    middle = time.perf_counter()
    labels, reference = logits.argmax(1).numpy(), target.numpy()
    dice, distances = [], []
    for k in range(1, logits.shape[1]):
        one, two = labels == k, reference == k
        dice.append(1.0 if not two.any() else round(2 * (one & two).sum() / (one.sum() + two.sum()), 4))
        distances.append(find_hd95(one, two) if one.any() and two.any() else 0.0)
    inside = target > 0
    way = AuthorsWay(logits.movedim(1, 0)[:, inside], target[inside])
    calibration = [round(way.ece(), 4), round(way.cece(), 4)]
    seconds["network"] += middle - start
    seconds["metrics"] += time.perf_counter() - middle
    return [float(np.mean(dice)), float(np.mean(distances)), *calibration]


def find_hd95(one: np.ndarray, two: np.ndarray) -> float:
    """In voxels, both directions pooled: medpy's, or what it does where it is not installed."""
    binary = find_module("medpy.metric.binary")
    if binary is not None:
        return float(binary.hd95(one, two))
    shape = ndimage.generate_binary_structure(one.ndim, 1)
    edges = [mask ^ ndimage.binary_erosion(mask, shape) for mask in (one, two)]
    away = [ndimage.distance_transform_edt(~edge) for edge in edges]
    return float(np.percentile(np.hstack([away[1][edges[0]], away[0][edges[1]]]), 95))


def print_table(seconds: dict[str, dict[str, float]], scores: dict[str, list[float]], cases: int, slices: int) -> None:
    table = Table("", "network", "metrics", "both", "metrics: x theirs", "all: x theirs", "Dice, HD95, ECE, CECE")
    theirs = seconds[THEIRS]
    for way in (THEIRS, PAPER, BOTH):
        network, metrics = seconds[way]["network"], seconds[way]["metrics"]
        ratios = [theirs["metrics"] / metrics, sum(theirs.values()) / (network + metrics)]
        values = " ".join(f"{value:.4f}" for value in scores.get(way, []))
        cells = [f"{part:.2f} s" for part in (network, metrics, network + metrics)]
        table.add_row(way, *cells, *(f"{ratio:.2f}" for ratio in ratios), values)
    console = Console(width=130)
    console.print(table)
    tool = "medpy" if find_module("medpy.metric.binary") else "the distance transforms that medpy takes"
    console.print(f"{cases} cases of {slices} slices; theirs with {tool}.")


if __name__ == "__main__":
    main()
