"""The end of a run, for the person who started it: scores, what they mean, where everything is, what to type next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlseg.report.definitions import (
    FIGURES,
    FIGURES_FOLDER,
    PROTOCOLS,
    SETTINGS,
    describe_region,
    describe_score,
    get_title,
)
from mlseg.report.summary import SummaryRow
from mlseg.report.tables import (
    MAIN_METRICS,
    TableLine,
    build_lines,
    describe_undefined,
    format_mean,
    format_missed,
    format_n,
    list_evaluations,
    list_labels,
)

FILES = {
    "summary.md": "every score, also frame by frame",
    "scores.csv": "one row per case, label, region and score",
    "run.json": "configuration, versions and data",
    "score.json": "the files and settings behind the scores",
    **{f"{FIGURES_FOLDER}/{name}.png": text for name, text in FIGURES.items()},
    "best.pt": "the network that was judged",
    "last.pt": "the network after the last epoch",
    "train.log": "what happened when",
}


def print_summary(
    rows: Sequence[SummaryRow],
    *,
    headline: str,
    run_dir: Path,
    commands: Mapping[str, str],
    settings: Mapping[str, float] = SETTINGS,
    heading: str = "Test scores",
    console: Console | None = None,
) -> None:
    """Print the scores of a run under each protocol, what they mean, where things are and what to type next.

    Args:
        rows: what `summarise` returned.
        headline: the protocol that comes first.
        run_dir: the run directory, or another judged folder; its files are listed if they exist.
        commands: what to do next (open TensorBoard among it) -> the command line that does it.
        settings: bins, tolerance_mm, boundary_mm and roi_margin_mm of the run, for the definitions.
        heading: over each table.
        console: where to print; None prints to the terminal, or plain text of 80 columns to a pipe.
    """
    console = console or Console(highlight=False)
    for evaluation in list_evaluations(rows, headline):
        role = "headline" if evaluation == headline else "for comparison"
        console.print()
        console.print(Text.assemble((f"{heading}, evaluation={evaluation}", "bold cyan"), f" ({role})"))
        if evaluation in PROTOCOLS:
            console.print(Text(f"{PROTOCOLS[evaluation]}.", "dim"))
        lines = build_lines(rows, evaluation, metrics=MAIN_METRICS)
        console.print()
        console.print(_choose_table(lines, console))
        console.print(_build_notes(lines, _plus_minus(console)))
        console.print()
        console.print(_build_definitions(lines, settings))
    _print_places(run_dir, console)
    _print_commands(commands, console)


def _choose_table(lines: Sequence[TableLine], console: Console) -> Table:
    """The fullest table that fits: labels side by side with or without spread, or else one line for each label."""
    sign = _plus_minus(console)
    for table in (_build_wide(lines, sign), _build_wide(lines, "")):
        if console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width:
            return table
    return _build_long(lines, sign)


def _build_wide(lines: Sequence[TableLine], spread: str) -> Table:
    """One line for each score, one column for each label."""
    labels = list_labels(lines)
    counted = any(format_missed(line.overall) for line in lines)
    table = _start_table("Score", "Region")
    for name in (*labels, "Overall", "n", *(["Missed /\ninvented"] if counted else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for line, ends in zip(lines, _find_section_ends(lines), strict=True):
        cells = [format_mean(line.labels.get(label)) if line.labels else "" for label in labels]
        overall = Text(format_mean(line.overall, spread=spread), "bold")
        last = [format_missed(line.overall)] if counted else []
        table.add_row(line.title, line.region, *cells, overall, format_n(line.overall), *last, end_section=ends)
    return table


def _build_long(lines: Sequence[TableLine], spread: str) -> Table:
    """One line for each score and label, for many labels or a narrow terminal."""
    counted = any(format_missed(line.overall) for line in lines)
    table = _start_table("Score", "Region", "Label")
    for name in ("Mean", "n", *(["Missed /\ninvented"] if counted else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for line, ends in zip(lines, _find_section_ends(lines), strict=True):
        for label, row in {**line.labels, "overall": line.overall}.items():
            is_overall = row is line.overall
            mean = Text(format_mean(row, spread=spread), "bold" if is_overall else "")
            last = [format_missed(row)] if counted else []
            name = "all" if is_overall and not line.labels else label
            table.add_row(line.title, line.region, name, mean, format_n(row), *last, end_section=is_overall and ends)
    return table


def _start_table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def _find_section_ends(lines: Sequence[TableLine]) -> list[bool]:
    """True where a table leaves a gap: around each score that has several lines."""
    metrics = [line.metric for line in lines]
    gaps = [a != b and max(metrics.count(a), metrics.count(b)) > 1 for a, b in pairwise(metrics)]
    return [*gaps, False]


def _build_notes(lines: Sequence[TableLine], sign: str) -> Text:
    """What the columns hold, and what is missing from them."""
    notes = [f"Overall: mean over labels, or all classes together; {sign}: standard deviation over subjects; "]
    notes.append("n: subjects (cases). ")
    undefined = describe_undefined(lines)
    if undefined:
        notes.append(f"Left out as undefined, in cases: {undefined}.")
    return Text("".join(notes).rstrip(), "dim")


def _build_definitions(lines: Sequence[TableLine], settings: Mapping[str, float]) -> Table:
    """The scores and regions of a table in words, with hanging indents."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for evaluation, metric in dict.fromkeys((line.evaluation, line.metric) for line in lines):
        grid.add_row(get_title(evaluation, metric), describe_score(evaluation, metric, settings))
    regions = {line.region: describe_region(line.region, settings) for line in lines}
    known = [f"{name} = {text}" for name, text in regions.items() if text]
    grid.add_row("Regions", f"{'; '.join(known)}.")
    return grid


def _print_places(run_dir: Path, console: Console) -> None:
    """The run directory and those of its files that a person wants to open."""
    console.print()
    console.print(Text("Where everything is", "bold cyan"))
    console.print(Text(str(run_dir)), soft_wrap=True)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(style="dim")
    for pattern, meaning in FILES.items():
        for path in sorted(run_dir.glob(pattern)):
            grid.add_row(path.relative_to(run_dir).as_posix(), meaning)
    if grid.row_count:
        console.print(Padding(grid, (0, 0, 0, 2)))


def _print_commands(commands: Mapping[str, str], console: Console) -> None:
    """Command lines that are never wrapped, so that they can be copied."""
    if not commands:
        return
    console.print()
    console.print(Text("What to type next", "bold cyan"))
    for purpose, command in commands.items():
        console.print(Text(f"{purpose}:"))
        console.print(Text(f"  {command}", "green"), soft_wrap=True)


def _plus_minus(console: Console) -> str:
    return "+/-" if console.options.ascii_only else "±"
