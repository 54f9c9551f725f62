"""Time and memory of every configs/loss/*.yaml, forward and backward, against torch's cross-entropy, in one table.

For each loss and each size of logits (N,K,*S): median time, that time in units of torch.nn.functional.cross_entropy,
which is timed in turn with it, and the peak of the memory beyond the logits, gradient included. The last column is the
share of the loss in a whole training step of configs/model/unet.yaml at batch 4 of 1x192x192, on its real logits.
Compiled rows are torch.compile's. Run it on a quiet machine: ratios on a busy one are rough.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# The profiler, which counts the memory, would write two lines for each measurement.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

import torch
from hydra.utils import instantiate
from torch import Tensor
from torch.nn import functional as F

from mlseg.cli.compose import compose_config, find_config_dir
from mlseg.engine.device import Compute, choose_compute, describe_device
from mlseg.engine.inference import forward
from mlseg.engine.settings import TrainerSettings

Loss = Callable[[Tensor, Tensor], Tensor]
BASELINE = "torch cross_entropy"
SIZES = ((4, 4, 192, 192), (1, 4, 128, 128, 128))
QUICK_SIZES = ((2, 4, 24, 24), (1, 4, 8, 8, 8))
LAYOUTS = {
    "contiguous": (torch.contiguous_format, torch.contiguous_format),
    "channels_last": (torch.channels_last, torch.channels_last_3d),
}
COMPILED = ("ce", "mbls")
UNAVAILABLE = float("nan")


@dataclass
class Row:
    """What was measured of one loss: milliseconds and peak megabytes by size, and its share of a step."""

    milliseconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    share: float = UNAVAILABLE


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="timed calls of each loss and size (default 15)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--layout", choices=LAYOUTS, default="contiguous", help="memory layout of the logits")
    parser.add_argument("--losses", nargs="+", metavar="NAME", help="stems of configs/loss/*.yaml (default: all)")
    parser.add_argument("--quick", action="store_true", help="small logits, to see that it runs")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled rows out")
    parser.add_argument("--no-step", action="store_true", help="leave the share of a training step out")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    # torch.compile speaks of devices that it was not asked about.
    warnings.filterwarnings("ignore", module="torch")
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    compute = choose_compute(TrainerSettings(device=options.device))
    losses = build_losses(options.losses, compiled=not options.no_compile)
    rows = {name: Row() for name in losses}
    sizes = QUICK_SIZES if options.quick else SIZES
    for size in sizes:
        layout = LAYOUTS[options.layout][len(size) - 4]
        measure(losses, rows, make_case(size, layout, compute.device), options.repeats)
        torch.compiler.reset()
    if not options.no_step:
        eager = {name: loss for name, loss in losses.items() if "compiled" not in name}
        for name, share in measure_shares(eager, compute, options.repeats).items():
            rows[name].share = share
    print(describe_run(options, compute, sizes), format_table(rows, sizes), sep="\n\n")


def build_losses(names: Sequence[str] | None, *, compiled: bool) -> dict[str, Loss]:
    """The baseline first, then each YAML's loss, then the compiled ones."""
    names = names or sorted(path.stem for path in (find_config_dir() / "loss").glob("*.yaml"))
    build = {name: instantiate(compose_config([f"loss={name}"]).cfg.loss, _convert_="all") for name in names}
    losses: dict[str, Loss] = {BASELINE: F.cross_entropy, **build}
    if compiled:
        losses[f"{BASELINE}, compiled"] = torch.compile(F.cross_entropy)
        losses |= {f"{name}, compiled": torch.compile(build[name]) for name in COMPILED if name in build}
    return losses


def make_case(size: tuple[int, ...], layout: torch.memory_format, device: torch.device) -> tuple[Tensor, Tensor]:
    """Logits spread so far that a margin of 10 is broken by some, and a target."""
    generator = torch.Generator().manual_seed(0)
    logits = (6 * torch.randn(size, generator=generator)).to(device).contiguous(memory_format=layout)
    target = torch.randint(0, size[1], (size[0], *size[2:]), generator=generator)
    return logits, target.to(device)


def call(loss: Loss, logits: Tensor, target: Tensor) -> Tensor:
    """Forward and backward; returns the gradient."""
    logits = logits.detach().requires_grad_()
    loss(logits, target).backward()
    assert logits.grad is not None
    return logits.grad


def measure(losses: Mapping[str, Loss], rows: Mapping[str, Row], case: tuple[Tensor, Tensor], repeats: int) -> None:
    """Append the median time and the peak memory of each loss to its row; the losses take turns."""
    usable = {}
    for name, loss in losses.items():
        try:
            call(loss, *case)
            usable[name] = loss
        except RuntimeError as error:  # no compiler, or too little memory
            print(f"{name}: left out for {tuple(case[0].shape)} ({str(error).splitlines()[0][:100]})")
    times: dict[str, list[float]] = {name: [] for name in usable}
    for _ in range(repeats):
        for name, loss in usable.items():
            started = now(case[0].device)
            call(loss, *case)
            times[name].append(1e3 * (now(case[0].device) - started))
    for name, row in rows.items():
        known = name in usable
        row.milliseconds.append(statistics.median(times[name]) if known else UNAVAILABLE)
        row.megabytes.append(measure_peak(usable[name], *case) / 2**20 if known else UNAVAILABLE)


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def measure_peak(loss: Loss, logits: Tensor, target: Tensor) -> float:
    """The most bytes that one call holds at a time beyond what was there before it."""
    if logits.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(logits.device)
        before = torch.cuda.memory_allocated(logits.device)
        call(loss, logits, target)
        return torch.cuda.max_memory_allocated(logits.device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call(loss, logits, target)
    results = profile.profiler.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in results if event.name() == "[memory]"]
    held = peak = 0
    for _, change in sorted(changes, key=lambda pair: pair[0]):
        held += change
        peak = max(peak, held)
    return peak


def measure_shares(losses: Mapping[str, Loss], compute: Compute, repeats: int) -> dict[str, float]:
    """Median share of each loss, forward and backward, in a training step of the UNet; the losses take turns."""
    config = compose_config(["model=unet", "data=acdc"]).cfg
    torch.manual_seed(0)
    network = compute.place(instantiate(config.model))
    optimizer = torch.optim.Adam(network.parameters())
    image = torch.randn(4, config.data.in_channels, 192, 192)
    target = torch.randint(0, config.data.num_classes, (4, 192, 192)).to(compute.device)

    def share_of(loss: Loss) -> float:
        started = now(compute.device)
        logits = forward(network, image, compute)
        before = now(compute.device)
        gradient = call(loss, logits, target)
        after = now(compute.device)
        logits.backward(gradient)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return (after - before) / (now(compute.device) - started)

    share_of(losses[BASELINE])
    shares: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(max(3, repeats // 3)):
        for name, loss in losses.items():
            shares[name].append(share_of(loss))
    return {name: statistics.median(values) for name, values in shares.items()}


def describe_run(options: argparse.Namespace, compute: Compute, sizes: Sequence[tuple[int, ...]]) -> str:
    """What the numbers rest on."""
    logits = " and ".join("x".join(map(str, size)) for size in sizes)
    return (
        f"torch {torch.__version__}, {describe_device(compute.device)}. "
        f"float32 logits {logits}, {options.layout}; median of {options.repeats}. "
        f"Step: amp {compute.amp}, channels_last {compute.channels_last}."
    )


def format_table(rows: Mapping[str, Row], sizes: Sequence[tuple[int, ...]]) -> str:
    """The rows as text, times and memory also in units of the baseline."""
    heads = ["loss"]
    for size in sizes:
        heads += [f"{len(size) - 2}D ms", "x CE", "peak MB", "x CE"]
    lines = [[*heads, "share of step"]]
    baseline = rows[BASELINE]
    for name, row in rows.items():
        cells = [name]
        for place in range(len(sizes)):
            time_ms, peak = row.milliseconds[place], row.megabytes[place]
            cells += [f"{time_ms:.2f}", f"{time_ms / baseline.milliseconds[place]:.2f}"]
            cells += [f"{peak:.1f}", f"{peak / baseline.megabytes[place]:.2f}"]
        lines.append([cell.replace("nan", "-") for cell in [*cells, f"{100 * row.share:.1f} %"]])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    first, *rest = widths
    padded = [[line[0].ljust(first), *(c.rjust(w) for c, w in zip(line[1:], rest, strict=True))] for line in lines]
    return "\n".join("  ".join(line) for line in padded)


if __name__ == "__main__":
    main()
