"""The table at the end of a sweep: what has become of each run, read from its directory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from mlseg.checks import MlsegError, RunError
from mlseg.cli.done_runs import DoneRuns
from mlseg.records import read_json, read_scores
from mlseg.run_state import read_state

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mlseg.cli.jobs import JobResult

DONE, ALREADY, FAILED = "done", "done already", "failed"
INTERRUPTED, ELSEWHERE, WAITING = "interrupted", "running elsewhere", "not started"
STYLES = {DONE: "green", ALREADY: "green", FAILED: "bold red", INTERRUPTED: "yellow", ELSEWHERE: "cyan", WAITING: "dim"}
NO_CELL = "-"
NOTE = (
    "Dice: mean over the foreground labels, ECE: foreground, both on the test cases under evaluation={}; "
    "time: training and validation of all epochs."
)


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """A run of a sweep.

    Args:
        folder: its directory.
        own: its overrides, without those that all have.
        cfg, choices: its configuration.
        result: how its job ended; None if the sweep ended before.
    """

    folder: Path
    own: str
    cfg: DictConfig
    choices: Mapping[str, str]
    result: JobResult | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table.

    Args:
        folder: the run directory.
        own: what sets the run apart in this sweep.
        state: one of STYLES.
        epochs: e.g. "3/12"; likewise all others are texts, "-" where there is nothing to say.
        error: why it failed, else "".
        evaluation: the protocol of the scores, "" without any.
    """

    folder: Path
    own: str
    state: str
    epochs: str = NO_CELL
    dice: str = NO_CELL
    ece: str = NO_CELL
    time: str = NO_CELL
    error: str = ""
    evaluation: str = ""


def describe_run(run: SweepRun, done: DoneRuns) -> Row:
    """What has become of a run."""
    status = _read_status(run.folder)
    state, error = _find_state(run, status, done)
    row: dict[str, Any] = {"folder": run.folder, "own": run.own, "state": state, "error": _shorten(error)}
    if state == WAITING:
        return Row(**row)
    if "epoch" in status:
        row["epochs"] = f"{status['epoch']}/{max(status.get('max_epochs') or 0, status['epoch'])}"
    if state in (DONE, ALREADY):
        try:
            row |= _read_results(run.folder)
        except (MlsegError, OSError) as problem:
            row["error"] = _shorten(str(problem))
    elif state != ELSEWHERE:
        row["time"] = _measure_session(status)
    return Row(**row)


def print_table(runs: Sequence[SweepRun], *, console: Console | None = None) -> None:
    """Print one line for each run of a sweep, and the errors of those that failed below.

    Args:
        console: where to print; None prints to the terminal, or as wide as needed to a pipe.
    """
    from rich.console import Console
    from rich.text import Text

    done = DoneRuns()
    rows = [describe_run(run, done) for run in runs]
    root = _find_root([row.folder for row in rows])
    console, names = console or Console(highlight=False), [_name(row.folder, root) for row in rows]
    table = _build_table(rows, names)
    width = console.measure(table, options=console.options.update(width=10_000)).maximum
    if not console.is_terminal:
        console.width = max(console.width, width)
    elif width > console.width:
        table = _build_table(rows, shorten_names(names))
    counts = Counter(row.state for row in rows)
    told = ", ".join(f"{counts[state]} {state}" for state in STYLES if counts[state])
    console.print()
    console.print(Text.assemble((f"Sweep of {len(rows)} runs in {root}", "bold cyan"), f": {told}"), soft_wrap=True)
    console.print()
    console.print(table)
    evaluations = list(dict.fromkeys(row.evaluation for row in rows if row.evaluation))
    if evaluations:
        console.print(Text(NOTE.format(" or ".join(evaluations)), "dim"), soft_wrap=True)
    for number, row in enumerate(rows, 1):
        if row.error:
            console.print(Text.assemble((f"{number} {row.state}", STYLES[row.state]), f": {row.error}"), soft_wrap=True)


def _find_state(run: SweepRun, status: Mapping[str, Any], done: DoneRuns) -> tuple[str, str]:
    """The state, and the error if there is one."""
    result = run.result
    if result is not None and result.code == 0:
        return (ALREADY if result.skipped else DONE), ""
    if result is not None:
        return (ELSEWHERE, "") if result.busy else (FAILED, result.error or f"exit code {result.code}")
    state = status.get("state")
    if state == "done":
        return (DONE if done.has(run.cfg, run.choices) else WAITING), ""
    if state == "failed":
        return FAILED, str(status.get("error") or "")
    return {"running": ELSEWHERE, "interrupted": INTERRUPTED, "dead": INTERRUPTED}.get(str(state), WAITING), ""


def _read_results(folder: Path) -> dict[str, str]:
    """The cells that a finished run fills: scores under its headline protocol, and its time."""
    from mlseg.report.summary import summarise
    from mlseg.report.tables import build_lines, format_mean

    record = read_json(folder / "run.json")
    if not record.get("protocols"):
        raise RunError(f"{folder / 'run.json'}: must hold protocols, got none. Restore it, or remove it and go on.")
    protocol = record["protocols"][0]
    wanted = [s for s in read_scores(folder / "scores.csv") if s.evaluation == protocol and s.metric in ("dice", "ece")]
    lines = build_lines(summarise(wanted), protocol, metrics=("dice", "ece"))
    rows = {(line.metric, line.region): line.overall for line in lines}
    dice = next((row for (metric, _), row in rows.items() if metric == "dice"), None)
    seconds = sum(epoch.get("seconds") or 0 for epoch in record.get("history", []))
    return {
        "dice": format_mean(dice),
        "ece": format_mean(rows.get(("ece", "foreground"))),
        "time": _format_time(seconds),
        "evaluation": protocol,
    }


def _read_status(folder: Path) -> dict[str, Any]:
    try:
        return read_state(folder)
    except (MlsegError, OSError):
        return {}


def _measure_session(status: Mapping[str, Any]) -> str:
    """How long the last process was at work."""
    try:
        started, updated = (datetime.fromisoformat(str(status[key])) for key in ("started", "updated"))
    except (KeyError, ValueError):
        return NO_CELL
    return _format_time((updated - started).total_seconds())


def _format_time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _shorten(error: str) -> str:
    """The first line of an error; of one that only counts problems, the first of these too."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        more = f" (and {len(lines) - 2} more)" if len(lines) > 2 else ""
        return f"{lines[0]} {lines[1]}{more}"
    return lines[0] if lines else ""


def _find_root(folders: Sequence[Path]) -> Path:
    """The folder that all runs have in common; of a single run its parent."""
    parents = [str(folder.parent) for folder in folders]
    try:
        return Path(os.path.commonpath(parents))
    except ValueError:  # absolute and relative ones
        return Path()


def _name(folder: Path, root: Path) -> str:
    return (folder.relative_to(root) if folder.is_relative_to(root) else folder).as_posix()


def shorten_names(names: Sequence[str]) -> list[str]:
    """Paths with * for each folder whose name is the same in all, as a shell takes them too.

    Example:
        >>> shorten_names(["mbls/amp-off+lr-0.01/seed1", "ce/amp-off+lr-0.01/seed1"])
        ['mbls/*/*', 'ce/*/*']
    """
    parts = [name.split("/") for name in names]
    if len({len(levels) for levels in parts}) > 1:
        return list(names)
    same = [len(set(level)) == 1 for level in zip(*parts, strict=True)]
    return ["/".join("*" if alike else part for part, alike in zip(levels, same, strict=True)) for levels in parts]


def _build_table(rows: Sequence[Row], names: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Run", overflow="fold")
    table.add_column("Differs by", overflow="fold")
    table.add_column("State", no_wrap=True)
    for name in ("Epochs", "Dice", "ECE", "Time"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, (row, name) in enumerate(zip(rows, names, strict=True), 1):
        # As Text, or brackets in a word would be read as a style.
        cells = [Text(cell) for cell in (str(number), name, row.own)]
        numbers = (row.epochs, row.dice, row.ece, row.time)
        table.add_row(*cells, Text(row.state, STYLES[row.state]), *numbers)
    return table
