"""The figures of a paper's table: a list of functions, each of which draws from the table's numbers what it can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlseg.report.figure_differences import DifferencePanel, build_differences, save_both
from mlseg.report.paper_cells import PAIRED, Block, TableResult
from mlseg.report.paper_hook import Hook, title_figure
from mlseg.report.paper_image_figures import IMAGE_HOOKS
from mlseg.report.paper_value_figures import VALUE_HOOKS
from mlseg.report.paper_words import name_measure
from mlseg.report.subject_values import Measure, subtract


def draw_differences(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_differences: the pairs of the table, subject by subject."""
    paths = []
    for block in result.blocks:
        measures = [measure for measure in PAIRED if any(key[2] == measure for key in block.pairs)]
        pairs = list(dict.fromkeys((a, b) for a, b, _ in block.pairs))
        if pairs and measures:
            panels = [_build_panel(block, pairs, measure) for measure in measures]
            figure = build_differences([f"{a} - {b}" for a, b in pairs], panels, title=title_figure(result, [block]))
            paths += save_both(figure, folder / f"{stem}_{block.data}_differences")
    return paths


HOOKS: list[Hook] = [draw_differences, *VALUE_HOOKS, *IMAGE_HOOKS]
"""A new figure of the tables is one more function here."""


def draw_figures(folder: Path, stem: str, result: TableResult, *, hooks: Sequence[Hook] | None = None) -> list[Path]:
    """Draw all figures of a table.

    Args:
        folder: where they go; made if it is not there.
        stem: of the files' names.
        result: the table's numbers.
        hooks: what to draw; None means HOOKS.

    Raises:
        RunError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [path for hook in (HOOKS if hooks is None else hooks) for path in hook(result, folder, stem)]


def _build_panel(block: Block, pairs: Sequence[tuple[str, str]], measure: Measure) -> DifferencePanel:
    unit = next(entry.values.unit for (_, m), entry in block.entries.items() if m == measure)
    rows = []
    for first, second in pairs:
        found = block.pairs.get((first, second, measure))
        values = [block.entries[row, measure].values for row in (first, second)] if found else []
        rows.append((subtract(*values), found) if found else None)
    better = "higher" if measure.higher else "lower"
    return DifferencePanel(heading=name_measure(measure, unit), unit=unit, better=better, rows=rows)
