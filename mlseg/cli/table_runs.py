"""Trains what a paper's table lacks, by the same command that a user would type."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mlseg.checks import RunError, Stopped
from mlseg.cli import phantom
from mlseg.cli.errors import INTERRUPTED, REQUEUE
from mlseg.cli.programs import find_beside_python
from mlseg.cli.table_commands import Call
from mlseg.cli.table_plan import PlannedCell, TablePlan
from mlseg.cli.table_words import find_phantom
from mlseg.records import read_json

# Takes the words of a command line, returns the exit code.
Train = Callable[[Sequence[str]], int]


def train_missing(plans: Sequence[TablePlan], *, train: Train | None = None) -> int:
    """Train and evaluate all runs that are not done, one sweep over the seeds for each cell.

    A cell that several tables share is trained once. A sweep that fails does not stop the others.

    Args:
        plans: the tables.
        train: runs a command line of mlseg-train; None does so in this process.

    Returns:
        The number of sweeps that failed.
    """
    wanted: dict[tuple[str, ...], tuple[PlannedCell, TablePlan]] = {}
    for plan in plans:
        for cell in plan.cells.values():
            if cell.missing and not cell.reason:
                wanted.setdefault(cell.words, (cell, plan))
    failed = 0
    for number, (cell, plan) in enumerate(wanted.values(), start=1):
        _write_phantom(cell.data, plan)
        words = build_command(cell)
        print(f"mlseg-tables: sweep {number} of {len(wanted)}, {cell.data} {cell.row}:")
        print(f"  {shlex.join(['mlseg-train', *words])}", flush=True)
        code = (train or train_here)(words)
        _end_if_stopped(code)
        failed += code != 0
    return failed


def calibrate_missing(plans: Sequence[TablePlan], *, call: Call | None = None) -> int:
    """Calibrate and judge the trained runs of all rows that want it, where that is not done.

    A run that several tables share is calibrated once. One that fails does not stop the others.

    Args:
        plans: the tables, as they are after the training.
        call: runs mlseg-calibrate and mlseg-evaluate; None does so in this process.

    Returns:
        The number of runs for which it failed; a calibrator that makes things worse and is refused is no failure.
    """
    wanted: dict[tuple[Path, str], tuple[PlannedCell, TablePlan, int]] = {}
    for plan in plans:
        for cell in plan.cells.values():
            for seed in () if cell.reason else cell.uncalibrated:
                wanted.setdefault((cell.runs[seed], cell.method), (cell, plan, seed))
    failed = 0
    for number, (cell, plan, seed) in enumerate(wanted.values(), start=1):
        _write_phantom(cell.data, plan)
        print(f"mlseg-tables: calibration {number} of {len(wanted)}, {cell.data} {cell.row}, seed {seed}:", flush=True)
        posthoc = cell.find_posthoc(seed)
        assert posthoc is not None  # what is uncalibrated has a method
        code = posthoc.make(cell.later, call=call)
        _end_if_stopped(code)
        failed += code != 0
    return failed


def _end_if_stopped(code: int) -> None:
    """What ends one command on the way is meant for all of them."""
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code == REQUEUE:
        raise Stopped("SIGTERM")


def build_command(cell: PlannedCell) -> list[str]:
    """What is typed after mlseg-train for the missing runs of a cell.

    Example:
        >>> build_command(PlannedCell(data="acdc", row="CE", words=("data=acdc", "loss=ce"), missing=(1, 2)))
        ['-m', 'data=acdc', 'loss=ce', 'seed=1,2']
    """
    seeds = f"seed={','.join(map(str, cell.missing))}"
    return [*(["-m"] if len(cell.missing) > 1 else []), *cell.words, seeds]


def train_here(words: Sequence[str]) -> int:
    """`mlseg-train` in this process, so that its imports are paid for once.

    Args:
        words: what would be typed behind it.

    Returns:
        Its exit code.
    """
    from mlseg.cli.train import main

    typed = sys.argv
    sys.argv = [find_beside_python("mlseg-train"), *words]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = typed
    return 0


def list_shown(cell: PlannedCell) -> tuple[int, ...]:
    """The seeds that a cell shows: those that are ready.

    A calibrated cell shows none until all its trained seeds are ready: beside the row that it calibrates it would
    compare other seeds.

    Example:
        >>> list_shown(PlannedCell(data="acdc", row="CE", words=(), runs={1: Path("a"), 2: Path("b")}, missing=(2,)))
        (1,)
    """
    trained = len(cell.runs) - len(cell.missing)
    return cell.ready if not cell.method or len(cell.ready) == trained else ()


def describe_missing(cell: PlannedCell) -> str:
    """Why seeds of a cell are not there, after training; "" if all are.

    Example:
        >>> describe_missing(PlannedCell(data="acdc", row="CE", words=(), missing=(2,), reason="no data at raw/acdc"))
        'no data at raw/acdc'
    """
    lacking = [seed for seed in cell.runs if seed not in cell.ready]
    if cell.reason and (lacking or not cell.runs):
        return cell.reason
    reasons = {seed: _describe_training(cell.runs[seed]) for seed in lacking if seed in cell.missing}
    reasons |= {seed: cell.states[seed].reason for seed in lacking if seed not in cell.missing}
    if lacking == list(cell.runs) and len({*reasons.values()}) == 1 and not cell.missing:
        return reasons[lacking[0]]  # the same of all
    text = "; ".join(f"seed {seed} {reasons[seed]}" for seed in lacking)
    return f"{text}; empty until all trained seeds are calibrated" if cell.ready and not list_shown(cell) else text


def describe_refused(cells: Iterable[PlannedCell]) -> str:
    """Which seeds of calibrated cells are shown as they were trained, a sentence; "" if none is.

    Example:
        >>> from mlseg.cli.table_posthoc import PosthocState
        >>> state = PosthocState(done=True, as_trained=True, reason="no temperature helped, scores as trained")
        >>> cell = PlannedCell(data="acdc", row="CE+TS", words=(), runs={2: Path("a")}, method="x", states={2: state})
        >>> describe_refused([cell])
        'acdc CE+TS, seed 2: no temperature helped, scores as trained.'
    """
    parts = []
    for cell in cells:
        found = {
            seed: state.reason for seed in list_shown(cell) if (state := cell.states.get(seed)) and state.as_trained
        }
        if found:
            seeds = f"seed{'' if len(found) == 1 else 's'} {', '.join(map(str, found))}"
            parts.append(f"{cell.data} {cell.row}, {seeds}: {next(iter(found.values()))}.")
    return " ".join(parts)


def _describe_training(run: Path) -> str:
    status = read_json(run / "status.json") if (run / "status.json").is_file() else {}
    state = status.get("state", "not trained")
    error = str(status.get("error", "")).split(". ")[0]
    return f"{state}{f': {error}' if error and state == 'failed' else ''}"


def _write_phantom(data: str, plan: TablePlan) -> None:
    """Write the phantom of a data set beside its place and move it there, so that no half of one is ever used."""
    place = find_phantom(data, plan.settings)
    if place is None or place.is_dir():
        return
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    place.parent.mkdir(parents=True, exist_ok=True)
    if phantom.run([f"data={data}", f"root={temporary}", *plan.settings["phantoms"][data]]) != 0:
        raise RunError(f"{place}: the phantom could not be written, see above. Choose another $MLSEG_DATA.")
    os.replace(temporary, Path(place))
