"""Time and memory of several ways to the same numbers, taken in turn on the same arrays, and a table of them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

# A way that takes longer than this is timed three times at most.
SLOW_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Way:
    """One contender.

    Args:
        name: as the table shows it.
        run: returns the numbers; None if its package is missing.
        install: how to get its package.
        expected: what the numbers must be under its own definition, computed by mlseg; None compares with nothing.
        tolerance: largest difference that counts as equal, of a value above 1 as a share of it.
    """

    name: str
    run: Callable[[], Sequence[float]] | None
    install: str = ""
    expected: Sequence[float] | None = None
    tolerance: float = 1e-6


def compare(title: str, ways: Sequence[Way], *, repeats: int) -> dict[str, float]:
    """Print a section of the table; the first way is the one that all others are measured by.

    Returns:
        name -> median seconds.
    """
    print(f"\n{title}")
    print(f"  {'':34} {'seconds':>9} {'x ours':>8} {'extra MB':>9}  {'equal':<18} values")
    found, megabytes, times = {}, {}, {way.name: [] for way in ways if way.run}
    for way in ways:
        if way.run:
            found[way.name], megabytes[way.name] = measure_memory(way.run)
    for turn in range(repeats):
        for way in ways:
            taken = times.get(way.name)
            if taken is None or (turn > 2 and statistics.median(taken) > SLOW_SECONDS):
                continue
            start = time.perf_counter()
            way.run()
            taken.append(time.perf_counter() - start)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for way in ways:
        if way.run is None:
            print(f"  {way.name:34} not installed ({way.install})")
            continue
        seconds, values = medians[way.name], found[way.name]
        ratio = "1" if way is ways[0] else f"{seconds / medians[ways[0].name]:.3g}"
        size = "-" if megabytes[way.name] is None else f"{megabytes[way.name]:.0f}"
        shown = " ".join(f"{value:.7g}" for value in values)
        print(f"  {way.name:34} {seconds:9.4f} {ratio:>8} {size:>9}  {judge(way, values):<18} {shown}")
    return medians


def judge(way: Way, values: Sequence[float]) -> str:
    """Whether the values are what mlseg finds under the same definition, or by how much they are off."""
    if way.expected is None:
        return "-"
    here, there = np.asarray(values, dtype=np.float64), np.asarray(way.expected, dtype=np.float64)
    gap = np.abs(here - there)
    if (gap <= way.tolerance * np.maximum(np.abs(there), 1)).all():
        return "yes"
    return f"off by {np.max(gap / np.maximum(np.abs(there), 1e-300)):.2g} of it"


def measure_memory(run: Callable[[], Sequence[float]]) -> tuple[Sequence[float], float | None]:
    """The numbers of one call, and by how many MB it raised the peak of the resident memory; None where unknown."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        reset.write_text("5")
        before = read_kilobytes(status, "VmRSS")
    except OSError:
        return run(), None
    values = run()
    return values, max(read_kilobytes(status, "VmHWM") - before, 0) / 1024


def read_kilobytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))


def describe_machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{platform.machine()}, {cores} cores, {torch.get_num_threads()} torch threads{load}; Python "
        f"{platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    )
