"""Kills runs at random instants and types them again until they end: nothing may be lost, and every byte must agree.

    python scripts/faults.py --kills 100 --folder faults      # about ten minutes on 2 cores
    python scripts/faults.py --kills 5 --folder faults        # the short form, which the tests run

Small phantom runs with everything on that draws or remembers (augmentation, shuffling, dropout, accumulation, clipping,
a schedule, a new best in most epochs), each killed with SIGKILL at instants drawn evenly over the time that the
unbroken one took to its scores, and a little more. A fresh process imports what a run needs and then forks the runs, so
that a kill costs a second and not ten.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

WORDS = (
    "data=phantom",
    "loss=mbls",
    "augment=standard",
    "model.widths=[8,16]",
    "model.strides=[2]",
    "model.norm=batch",
    "data.crop=[48,48]",
    "data.batch_size=2",
    "data.workers=1",
    "trainer.max_epochs=8",
    "trainer.accumulate_steps=2",
    "trainer.clip_norm=1",
    "trainer.amp=off",
    "trainer.log_every=3",
    "scheduler.step_size=4",
    "optimizer.lr=0.01",
)


@dataclass
class Tally:
    """What happened to the runs of one way of interrupting them."""

    signals: int = 0
    runs: int = 0
    resumed: int = 0
    within: int = 0
    identical: int = 0
    lost: int = 0
    most_lost: int = 0
    problems: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="SIGKILLs in all (default 100)")
    parser.add_argument("--stops", type=int, default=None, help="SIGTERMs in all (default: a fifth of the kills)")
    parser.add_argument("--folder", type=Path, required=True, help="where phantom and runs go; emptied first")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    prepare(arguments.folder)
    whole = arguments.folder / "whole"
    duration, code = time_unbroken(arguments.folder, whole)
    if code != 0:
        sys.exit(f"the unbroken run failed ({code}): {(whole / 'output.txt').read_text()}")
    draw = random.Random(arguments.seed)
    stops = arguments.kills // 5 if arguments.stops is None else arguments.stops
    tallies = {
        "SIGKILL": torment(arguments.folder, whole, duration, draw, arguments.kills, signal.SIGKILL),
        "SIGTERM": torment(arguments.folder, whole, duration, draw, stops, signal.SIGTERM),
    }
    report(tallies, duration)
    sys.exit(any(tally.problems for tally in tallies.values()))


def prepare(folder: Path) -> None:
    """Write the phantom, and import all that a run needs, so that forks of this process begin at once."""
    import torch

    import mlseg.cli.build
    import mlseg.engine.evaluator
    import mlseg.engine.trainer
    import mlseg.report.run_report
    from mlseg.data.phantom import write_phantom

    del mlseg
    torch.set_num_threads(1)
    write_phantom("acdc", folder / "phantom", subjects=8, shape=(10, 64, 64))


def start(folder: Path, run: Path) -> int:
    """Fork a process that trains in `run`; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        run.mkdir(exist_ok=True)
        output = os.open(run / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = ["train.py", *WORDS, f"data.root={folder / 'phantom'}", f"run_dir={run}"]
        sys.argv += [f"data.cache_dir={folder / 'cache'}"]
        from mlseg.cli.train import main as train

        train()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(99)


def time_unbroken(folder: Path, run: Path) -> tuple[float, int]:
    """Seconds until a run has its scores (figures are drawn after that), and its exit code."""
    started = time.perf_counter()
    pid = start(folder, run)
    scores = run / "scores.csv"
    while not scores.exists() and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.01)
    return time.perf_counter() - started, wait(pid)


def wait(pid: int) -> int:
    """The exit code of a process; minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def torment(
    folder: Path, whole: Path, duration: float, draw: random.Random, signals: int, number: signal.Signals
) -> Tally:
    """Interrupt runs until `signals` signals have hit, and let each run end in the end."""
    tally = Tally()
    while tally.signals < signals:
        run = folder / f"{number.name}-{tally.runs}"
        tally.runs += 1
        for _ in range(draw.randint(2, 8)):
            if tally.signals >= signals:
                break
            before = count_epochs(run)
            pid = start(folder, run)
            time.sleep(draw.uniform(0, 1.1 * duration))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            code = wait(pid)
            if code == 0:
                break
            tally.signals += 1
            after = count_epochs(run)
            tally.lost += after < before
            tally.most_lost = max(tally.most_lost, before - after)
            expected = (-number,) if number == signal.SIGKILL else (85, -number)
            if code not in expected:
                tally.problems.append(f"{run.name}: exit code {code}, not among {expected}")
        finish(folder, run, whole, tally)
        if not tally.problems:
            shutil.rmtree(run)
    return tally


def finish(folder: Path, run: Path, whole: Path, tally: Tally) -> None:
    """Type the run a last time, undisturbed, and compare what it leaves."""
    had = count_epochs(run)
    code = wait(start(folder, run))
    if code != 0:
        tally.problems.append(f"{run.name}: exit code {code} when left alone")
        return
    log = (run / "train.log").read_text()
    tally.resumed += "resumed after epoch" in log
    tally.within += ", batch " in log
    if had and "resumed after epoch" not in log and count_epochs(whole) != had:
        tally.problems.append(f"{run.name}: had {had} epochs and began anew")
    same = all(digest(run / name) == digest(whole / name) for name in ("scores.csv", "bins.npz"))
    same = same and losses(run) == losses(whole)
    tally.identical += same
    if not same:
        tally.problems.append(f"{run.name}: other scores than the unbroken run")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def losses(run: Path) -> list[float]:
    """The mean loss of each epoch, to the last bit."""
    return [record["loss"] for record in json.loads((run / "run.json").read_text())["history"]]


def count_epochs(run: Path) -> int:
    """Whole epochs that the run's checkpoints hold, read by a process of its own so that this one stays clean."""
    from mlseg.checks import RunError
    from mlseg.engine.checkpoint import load_checkpoint

    for name in ("last.pt", "previous.pt"):
        try:
            return int(load_checkpoint(run / name)["progress"]["epoch"])
        except RunError:
            continue
    return 0


def report(tallies: dict[str, Tally], duration: float) -> None:
    table = Table("", *tallies, title=f"runs of {duration:.1f} s interrupted at random instants")
    rows = {
        "signals sent": "signals",
        "runs": "runs",
        "of them went on from a checkpoint": "resumed",
        "of them within an epoch": "within",
        "ended byte-identical to the unbroken run": "identical",
        "signals that cost a checkpoint": "lost",
        "most epochs lost by one": "most_lost",
    }
    for words, name in rows.items():
        table.add_row(words, *(str(getattr(tally, name)) for tally in tallies.values()))
    Console().print(table)
    for tally in tallies.values():
        for problem in tally.problems:
            print(f"PROBLEM {problem}", file=sys.stderr)


if __name__ == "__main__":
    main()
