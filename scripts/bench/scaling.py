"""What grows how: time and memory against the number of cases, of classes, and of voxels.

    python scripts/bench/scaling.py                    # 10, 100 and 1000 phantom cases; 4, 20 and 100 classes; 3 sizes
    python scripts/bench/scaling.py --quick            # small ones, to see that it runs

Cases: one epoch of a tiny network on a phantom of small slices, from nothing to the report, in a process of its own:
what is left is what the number of cases costs. Classes: loss and backward on logits (4,K,192,192), and judging one
volume. Voxels: judging one volume of 4 classes. Extra memory is by how far the peak rose; a process's own, libraries
included, stands in the table of cases.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from stopwatch import describe_machine, measure_memory
from torch.nn import functional as F

from mlseg.losses.mbls import MbLSLoss
from mlseg.metrics.default import DefaultEvaluation
from mlseg.types import CasePrediction

SHAPE, CROP = (6, 64, 64), "[64,64]"
ACDC, BRATS, BODY = (10, 256, 216), (155, 240, 240), (300, 384, 384)
SMALL, SMALLER = (4, 32, 32), (3, 24, 24)
STEP, QUICK_STEP = (4, 192, 192), (2, 16, 16)
CONSOLE = Console(width=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, nargs="*", default=[10, 100, 1000], help="phantom cases, two a subject")
    parser.add_argument("--classes", type=int, nargs="*", default=[4, 20, 100], help="classes, background included")
    parser.add_argument("--quick", action="store_true", help="16 cases, 4 and 6 classes, small arrays")
    parser.add_argument("--job", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(JOBS[arguments.job](arguments.classes[0], tuple(arguments.shape))))
        return
    print(describe_machine())
    if arguments.quick:
        arguments.cases, arguments.classes = [16], [4, 6]
    sizes = (SMALLER, SMALL) if arguments.quick else (ACDC, BRATS, BODY)
    show_cases(arguments.cases)
    show_classes(arguments.classes, QUICK_STEP if arguments.quick else STEP, sizes[0])
    show_sizes(sizes)


def show_cases(counts: Sequence[int]) -> None:
    table = Table("cases", "prepare", "train an epoch", "judge", "report", "peak memory", "cache", "run directory")
    for count in sorted(counts):
        with tempfile.TemporaryDirectory() as folder:
            table.add_row(str(count), *train(Path(folder), count))
    CONSOLE.print(table)


def train(place: Path, cases: int) -> list[str]:
    """Seconds of each part of a run, by its own records, and what it left."""
    from mlseg.data.phantom import write_phantom

    write_phantom("acdc", place / "phantom", subjects=cases // 2, shape=SHAPE)
    words = ["data=acdc", f"data.root={place / 'phantom'}", f"data.cache_dir={place / 'cache'}", f"data.crop={CROP}"]
    words += ["data.split=random", "model.widths=[4,8]", "model.strides=[2]", "trainer.max_epochs=1"]
    words += [f"run_dir={place / 'run'}", "trainer.progress=false", "trainer.image_every=0", "data.batch_size=16"]
    script = Path(__file__).resolve().parents[2] / "train.py"
    start = time.time()
    subprocess.run([sys.executable, str(script), *words], check=True, stdout=subprocess.DEVNULL)
    end = time.time()
    lines = [line.split(" INFO ") for line in (place / "run" / "train.log").read_text().splitlines()]
    moments = {text.split()[0]: datetime.fromisoformat(when).timestamp() for when, text in lines}
    record = json.loads((place / "run" / "run.json").read_text())
    judged = record["evaluated"]["seconds"]
    epoch = moments["epoch"] - moments["split"]
    parts = [moments["split"] - start, epoch, judged, end - moments["epoch"] - judged]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9  # of the largest so far: counts rise
    return [*(f"{part:.1f} s" for part in parts), f"{peak:.2f} GB", *(weigh(place / name) for name in ("cache", "run"))]


def weigh(folder: Path) -> str:
    return f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.0f} MB"


def show_classes(counts: Sequence[int], step: tuple[int, ...], shape: tuple[int, ...]) -> None:
    size = f"{step[0]}x{step[1]}x{step[2]}"
    volume = "x".join(map(str, shape))
    table = Table("classes", f"MbLS, {size}", "extra memory", f"judge {volume}", "extra memory", "rows of scores")
    for count in counts:
        loss, judged = run_apart("loss", count, step), run_apart("judge", count, shape)
        table.add_row(str(count), *describe(loss), *describe(judged), str(judged["rows"]))
    CONSOLE.print(table)


def show_sizes(shapes: Sequence[tuple[int, ...]]) -> None:
    table = Table("volume, 4 classes", "voxels", "judge", "extra memory", "of which probabilities")
    for shape in shapes:
        judged = run_apart("judge", 4, shape)
        voxels = float(np.prod(shape))
        name = "x".join(map(str, shape))
        table.add_row(name, f"{voxels / 1e6:.2f} million", *describe(judged), f"{voxels * 16 / 1e6:.0f} MB")
    CONSOLE.print(table)


def describe(found: dict[str, float]) -> list[str]:
    return [f"{found['seconds']:.3g} s", f"{found['megabytes']:.0f} MB"]


def run_apart(job: str, classes: int, shape: tuple[int, ...]) -> dict[str, float]:
    """In a process of its own, so that memory that was freed before does not hide what is taken."""
    words = ["--job", job, "--classes", str(classes), "--shape", *map(str, shape)]
    result = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def time_loss(classes: int, shape: tuple[int, ...]) -> dict[str, float]:
    torch.manual_seed(0)
    target = torch.randint(classes, shape)
    loss = MbLSLoss(margin=10.0)

    def run() -> list[float]:
        logits = torch.randn(shape[0], classes, *shape[1:], requires_grad=True)
        loss(logits, target).backward()
        return []

    return clock(run)


def time_judging(classes: int, shape: tuple[int, ...]) -> dict[str, float]:
    """A reference of blocks, every class somewhere, and a prediction that is wrong at their borders."""
    rng = np.random.default_rng(0)
    target = torch.from_numpy(draw_blocks(classes, shape))
    logits = torch.from_numpy(rng.standard_normal((classes, *shape), dtype=np.float32))
    logits += 6 * F.one_hot(target.roll(1, -1), classes).movedim(-1, 0)
    probs = logits.softmax(0)
    del logits
    prediction = CasePrediction(
        case_id="a", subject_id="a", probs=probs, target=target, spacing_mm=(5.0, 1.5, 1.5), group="", frame=""
    )
    protocol = DefaultEvaluation(["background", *(f"class {k}" for k in range(1, classes))])
    rows: list[int] = []

    def run() -> list[float]:
        rows.append(len(protocol.score_case(prediction).rows))
        return []

    return {**clock(run), "rows": rows[0]}


def draw_blocks(classes: int, shape: tuple[int, ...]) -> np.ndarray:
    """(d,h,w) int64: the middle third of each axis in as many stripes as there are classes, 0 around them."""
    labels = np.zeros(shape, dtype=np.int64)
    inner = tuple(slice(size // 6, size - size // 6) for size in shape)
    stripes = labels[inner]
    stripes[:] = 1 + np.arange(stripes.shape[1])[None, :, None] * (classes - 1) // stripes.shape[1]
    return labels


def clock(run: Callable[[], Sequence[float]]) -> dict[str, float]:
    """Seconds of the second call, and megabytes that the first added to the peak."""
    _, megabytes = measure_memory(run)
    start = time.perf_counter()
    run()
    return {"seconds": time.perf_counter() - start, "megabytes": megabytes or 0.0}


JOBS: dict[str, Callable[[int, tuple[int, ...]], dict[str, Any]]] = {"loss": time_loss, "judge": time_judging}


if __name__ == "__main__":
    main()
