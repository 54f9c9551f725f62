"""A paper's table as files: Markdown to read, LaTeX to include, CSV with the runs behind every cell."""

from __future__ import annotations

import shlex
from pathlib import Path

from mlseg.records import write_text
from mlseg.report.latex import format_latex
from mlseg.report.paper_cells import TableResult
from mlseg.report.paper_csv import format_cells, format_differences, format_ranks
from mlseg.report.paper_grids import Grid, TextCell, build_grids
from mlseg.report.paper_words import describe_table, number_runs


def write_table(folder: Path, stem: str, result: TableResult) -> list[Path]:
    """Write <stem>.md, .tex, .csv, and <stem>_differences.csv and <stem>_ranks.csv.

    Args:
        folder: where they go; made if it is not there.
        stem: of the files' names.
        result: what `analyse` returned.

    Returns:
        The files.

    Raises:
        RunError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        f"{stem}.md": format_markdown(result),
        f"{stem}.tex": format_latex(result),
        f"{stem}.csv": format_cells(result),
        f"{stem}_differences.csv": format_differences(result),
        f"{stem}_ranks.csv": format_ranks(result),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def format_markdown(result: TableResult) -> str:
    """The page: caption, tables, and which runs each number is from."""
    spec = result.spec
    blocks = [f"# {spec.title}", " ".join(describe_table(result))]
    blocks += [f"Made by `{spec.command}`."] if spec.command else []
    for grid in build_grids(result):
        blocks += [f"## {grid.title}", grid.note, _draw(grid), grid.footnote]
    blocks += ["## Runs", _list_runs(result)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _draw(grid: Grid) -> str:
    cells = [[_escape(name) for name in grid.columns]]
    cells += [[_escape(name), *(_format(cell) for cell in row)] for name, row in grid.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]) for row in cells]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([lines[0], f"|{rule}|", *lines[1:]])


def _join(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format(cell: TextCell) -> str:
    text = f"**{_escape(cell.text)}**" if cell.bold and cell.text else _escape(cell.text)
    return f"{text} {_escape(cell.small)}".strip()


def _list_runs(result: TableResult) -> str:
    lines = []
    for (data, row), number in number_runs(result).items():
        runs = result.spec.cells[data, row].runs
        assert runs is not None  # only cells with runs have a number
        places = ", ".join(f"`{run.path.as_posix()}`" for run in runs.runs)
        words = shlex.join(result.spec.cells[data, row].words)
        lines.append(f"{number}. {data}, {row}: {places}{f' ({words})' if words else ''}")
    return "\n".join(lines) if lines else "None yet."


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
