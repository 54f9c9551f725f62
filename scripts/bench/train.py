"""Training speed: a whole epoch (loading, steps, validation, logging) the authors' way and ours, one after the other.

    python scripts/bench/train.py --data ../ACDC                 # real ACDC, 8 training and 2 validation patients
    python scripts/bench/train.py --phantom --quick              # seconds, to see that it runs

Same network (configs/model/unet.yaml), loss, data, crop and batch. The authors' way is rebuilt from what is known of
it: float32 in channels-first order, a volume opened and read whole for every slice, overlap computed in NumPy after
every step and in the validation. Each way has a process of its own, and so have ours at other batch sizes. Printed are
images/s of the epoch and of its training part, the share of time in each stage, the arithmetic against what a matrix
product of this machine reaches, how busy the GPU was (nvidia-smi), and peak memory. Ratios of one run count, seconds
don't.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from gpu_load import GpuLoad
from rich.console import Console
from rich.table import Table
from their_training import Clock, train_their_way

from mlseg.cli.build import Data, build, build_data, build_inference, build_loader, build_optimizer
from mlseg.cli.compose import compose_config
from mlseg.engine.device import Compute, choose_compute
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.trainer import Trainer

PATIENTS = {"train": 8, "val": 2, "test": 1}


def main() -> None:
    arguments = parse_arguments()
    if arguments.way:
        print(json.dumps(measure(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(arguments.folder or folder)
        words = prepare_words(arguments, place)
        ways = [("theirs", arguments.batch), ("ours", arguments.batch)]
        ways += [("ours", size) for size in arguments.batches if size != arguments.batch]
        results = [run_apart(way, batch, words, arguments) for way, batch in ways]
    print_table(results)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder of ACDC")
    parser.add_argument("--phantom", action="store_true", help="write and take a phantom instead")
    parser.add_argument("--batch", type=int, default=4, help="slices per step of both ways (default 4)")
    parser.add_argument("--batches", type=int, nargs="*", default=[8, 16, 32], help="further sizes of ours")
    parser.add_argument("--epochs", type=int, default=2, help="of ours; the last counts (default 2)")
    parser.add_argument("--compile", action="store_true", help="torch.compile for ours")
    parser.add_argument("--model", default="unet", help="a choice of configs/model")
    parser.add_argument("--loss", default="mbls", help="a choice of configs/loss")
    parser.add_argument("--folder", type=Path, help="where the phantom and the cache go (default: a temporary one)")
    parser.add_argument("--quick", action="store_true", help="small slices and a small network")
    parser.add_argument("--way", choices=["theirs", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--words", nargs="*", default=[], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not (arguments.data or arguments.phantom or arguments.way):
        parser.error("give --data=FOLDER or --phantom")
    return arguments


def prepare_words(arguments: argparse.Namespace, place: Path) -> list[str]:
    """The overrides of both ways: a few patients of one data set."""
    root = arguments.data
    if arguments.phantom:
        from mlseg.data.phantom import write_phantom

        shape = (4, 48, 48) if arguments.quick else (10, 220, 210)
        root = place / "phantom"
        if not root.exists():
            write_phantom("acdc", root, subjects=sum(PATIENTS.values()), shape=shape)
    words = ["data=acdc", f"data.root={root}", f"data.cache_dir={place / 'cache'}"]
    words += [f"model={arguments.model}", f"loss={arguments.loss}", f"data.split={write_split(root, place, words)}"]
    if arguments.quick:
        words += ["data.crop=[32,32]"]
        words += ["model.widths=[4,8]", "model.strides=[2]"] if arguments.model in ("unet", "attunet") else []
    return words


def write_split(root: Path, place: Path, words: list[str]) -> Path:
    """The first patients, as a split file."""
    cfg = compose_config(words).cfg
    subjects = sorted({case.subject_id for case in build(cfg.data.source).list_cases()})
    parts, first = {}, 0
    for part, count in PATIENTS.items():
        parts[part] = subjects[first : first + count]
        first += count
    path = place / "split.json"
    path.write_text(json.dumps(parts), encoding="utf-8")
    return path


def run_apart(way: str, batch: int, words: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own."""
    own = ["--way", way, "--batch", str(batch), "--epochs", str(arguments.epochs)]
    own += ["--compile"] if arguments.compile else []
    command = [sys.executable, __file__, *own, "--words", *words]
    print(f"measuring {way} at batch {batch}", file=sys.stderr)
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    compiled = str(arguments.compile).lower()
    words = [*arguments.words, f"data.batch_size={arguments.batch}", f"trainer.max_epochs={arguments.epochs}"]
    cfg = compose_config([*words, f"trainer.compile={compiled}", "trainer.image_every=0"]).cfg
    data = build_data(cfg)
    settings = build(cfg.trainer)
    compute = choose_compute(settings)
    clock = Clock()
    with GpuLoad() as load:
        if arguments.way == "theirs":
            compute = Compute(device=compute.device, amp="off", channels_last=False)
            images = train_their_way(cfg, data, compute, clock)
        else:
            images = train_our_way(cfg, data, compute, clock)
    record = {"way": arguments.way, "batch": arguments.batch, "images": images, "seconds": dict(clock.seconds)}
    record["load"] = load.share
    return record | count_arithmetic(cfg, compute, arguments.batch) | {"peak": measure_peak(compute.device)}


def train_our_way(cfg: Any, data: Data, compute: Compute, clock: Clock) -> int:
    """The trainer itself, its parts with a clock around them; the last epoch counts."""
    network = compute.place(build(cfg.model))
    optimizer, scheduler = build_optimizer(cfg, network.parameters())
    loader = build_loader(cfg, data.train, compute)
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        parts: dict[str, Any] = {"network": network, "loss": build(cfg.loss), "optimizer": optimizer}
        parts |= {"scheduler": scheduler, "loader": loader, "cases": data.val}
        inference = build_inference(cfg, compute)
        trainer = Trainer(**parts, inference=inference, settings=build(cfg.trainer), compute=compute, run=run)
        for name, stage in {"_accumulate": "step", "_update": "step", "_validate": "validation"}.items():
            setattr(trainer, name, timed(getattr(trainer, name), clock, stage))
        real = trainer._run_epoch

        def run_epoch(*given: Any) -> None:
            clock.seconds.clear()
            with clock.of("all"):
                real(*given)

        trainer._run_epoch = run_epoch  # type: ignore[method-assign]
        trainer.fit()
    return loader.num_samples


def timed(work: Any, clock: Clock, stage: str) -> Any:
    def run(*given: Any, **named: Any) -> Any:
        with clock.of(stage):
            return work(*given, **named)

    return run


def count_arithmetic(cfg: Any, compute: Compute, batch: int) -> dict[str, float]:
    """Floating-point operations of a step, and what a matrix product reaches per second in the same precision."""
    from torch.utils.flop_counter import FlopCounterMode

    network = build(cfg.model)
    image = torch.zeros(1, cfg.data.in_channels, *cfg.data.crop)
    with FlopCounterMode(display=False) as counter:
        network(image).sum().backward()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(compute.amp, torch.float32)
    size = 8192 if compute.device.type == "cuda" else 2048
    one = torch.randn(size, size, device=compute.device, dtype=dtype)
    clock, times = Clock(), 5
    one @ one
    with clock.of("product"):
        for _ in range(times):
            one @ one
    return {"flop": counter.get_total_flops() * batch, "ceiling": times * 2 * size**3 / clock.seconds["product"]}


def measure_peak(device: torch.device) -> float:
    """Bytes: of the GPU, or the most anonymous memory that this process had (resident, files left out)."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def print_table(results: list[dict[str, Any]]) -> None:
    table = Table(
        "",
        "batch",
        "images/s, epoch",
        "x theirs",
        "images/s, training",
        "step",
        "rest",
        "validation",
        "of ceiling",
        "GPU busy",
        "peak",
    )
    speeds = [r["images"] / r["seconds"]["all"] for r in results]
    for r, speed in zip(results, speeds, strict=True):
        seconds = r["seconds"]
        training = seconds["all"] - seconds["validation"]
        steps = r["images"] / r["batch"]
        rate = r["flop"] * steps / seconds["step"] / r["ceiling"]
        shares = [f"{seconds['step'] / training:.1%}", f"{1 - seconds['step'] / training:.1%}"]
        shares.append(f"{seconds['validation'] / seconds['all']:.0%}")
        cells = [r["way"], str(r["batch"]), f"{speed:.2f}", f"{speed / speeds[0]:.2f}", f"{r['images'] / training:.2f}"]
        busy = "-" if r["load"] is None else f"{r['load']:.0%}"
        table.add_row(*cells, *shares, f"{rate:.0%}", busy, f"{r['peak'] / 1e9:.2f} GB")
    console = Console(width=140)
    console.print(table)
    console.print("step and rest: shares of the training part, without validation; of ceiling: a step's arithmetic per")
    console.print(
        "second against a matrix product of the same precision; peak: memory, on a CPU resident with libraries."
    )


if __name__ == "__main__":
    main()
