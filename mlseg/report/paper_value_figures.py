"""The figures of a table's values: against a numeric setting, box plots of subjects, radars and heat-maps of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlseg.report.figure_boxes import BoxGroup, BoxPanel, build_boxes
from mlseg.report.figure_differences import save_both
from mlseg.report.figure_radar import FEWEST_AXES, MOST_METHODS, RadarAxis, build_radar
from mlseg.report.figure_ranks import RankColumn, build_ranks
from mlseg.report.figure_trend import MOST_REFERENCES, MOST_SERIES, build_trend
from mlseg.report.paper_cells import MEASURES, Block, TableResult
from mlseg.report.paper_hook import Hook, title_figure
from mlseg.report.paper_words import describe_block, name_measure
from mlseg.report.subject_values import Measure
from mlseg.report.trends import TrendPoint, TrendSeries, average_labels, find_trend

DICE, HD95, ECE, CECE, ECE_IMAGE = MEASURES[:5]
# An axis of a radar each; the order puts what is alike side by side.
RADAR = (DICE, HD95, ECE_IMAGE, ECE, CECE)


def draw_trend(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_trend: scores against the numeric setting that sets rows apart, such as the margin."""
    paths = []
    for block in result.blocks:
        words = {row: result.spec.cells[block.data, row].words for row in block.rows}
        found = find_trend(words)
        if found is None or len(found.groups) > MOST_SERIES:
            continue
        measures = [m for m in (DICE, HD95, ECE, ECE_IMAGE) if all((row, m) in block.entries for row in block.rows)]
        if not measures:
            continue
        rows = [[row for _, row in group] for group in found.groups]
        series = [
            TrendSeries(
                name=_name_line(own) or _name_loss(result, block, own[0]),
                points=tuple(_build_point(block, x, row, measures) for x, row in group),
            )
            for own, group in zip(rows, found.groups, strict=True)
        ]
        few = found.others if len(found.others) <= MOST_REFERENCES else ()
        figure = build_trend(
            series,
            measures,
            setting=_name_setting(rows[0], found.setting),
            title=title_figure(result, [block]),
            about=describe_block(block),
            references={row: {m: block.entries[row, m].values for m in measures} for row in few},
        )
        paths += save_both(figure, folder / f"{stem}_{block.data}_trend")
    return paths


def draw_boxes(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_boxes: the subjects of each method, by network where the table has several."""
    paths = []
    for block in result.blocks:
        measures = [m for m in (DICE, ECE) if all((row, m) in block.entries for row in block.rows)]
        if len(block.rows) < 2 or not measures:
            continue
        groups = _group_rows(result, block)
        rows = [row for own in groups.values() for row in own]
        panels = [
            BoxPanel(
                heading=name_measure(measure, block.entries[rows[0], measure].values.unit),
                better="higher" if measure.higher else "lower",
                rows=[average_labels(block.entries[row, measure].values) for row in rows],
                means=[block.entries[row, measure].values.mean for row in rows],
            )
            for measure in measures
        ]
        named = [BoxGroup(name=name, rows=_shorten(name, own)) for name, own in groups.items()]
        figure = build_boxes(named, panels, title=title_figure(result, [block]), about=describe_block(block))
        paths += save_both(figure, folder / f"{stem}_{block.data}_boxes")
    return paths


def draw_radar(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_radar: the means of two to eight methods, an axis for each score that all have."""
    paths = []
    for block in result.blocks:
        axes = []
        for measure in RADAR:
            entries = [block.entries.get((row, measure)) for row in block.rows]
            means = {row: e.values.mean for row, e in zip(block.rows, entries, strict=True) if e is not None}
            if len(means) == len(block.rows) and all(mean == mean for mean in means.values()):
                unit = block.entries[block.rows[0], measure].values.unit
                heading = name_measure(measure, unit)
                axes.append(RadarAxis(heading=heading, unit=unit, higher=measure.higher, values=means))
        if len(axes) >= FEWEST_AXES and 2 <= len(block.rows) <= MOST_METHODS:
            figure = build_radar(block.rows, axes, title=title_figure(result, [block]), about=describe_block(block))
            paths += save_both(figure, folder / f"{stem}_{block.data}_radar")
    return paths


def draw_ranks(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_ranks, and <stem>_ranks over the data sets that have runs of every method."""
    paths = []
    for block in result.blocks:
        columns = _list_columns(block)
        if columns:
            title, about = title_figure(result, [block]), describe_block(block)
            paths += save_both(
                build_ranks(block.rows, columns, title=title, about=about), folder / f"{stem}_{block.data}_ranks"
            )
    whole = [block for block in result.blocks if block.data in result.ranked_data and block.ranks]
    if len(whole) > 1:
        columns = [column for block in whole for column in _list_columns(block)]
        about = " ".join(f"{block.data}: {describe_block(block)}" for block in whole)
        figure = build_ranks(result.spec.rows, columns, title=title_figure(result, whole), about=about)
        paths += save_both(figure, folder / f"{stem}_ranks")
    return paths


VALUE_HOOKS: list[Hook] = [draw_trend, draw_boxes, draw_radar, draw_ranks]


def _build_point(block: Block, x: float, row: str, measures: Sequence[Measure]) -> TrendPoint:
    return TrendPoint(x=x, values={measure: block.entries[row, measure].values for measure in measures})


def _list_columns(block: Block) -> list[RankColumn]:
    return [
        RankColumn(
            group=block.data,
            heading=measure.title,
            methods=block.rows,
            ranks=ranks,
            tested=len(block.entries[block.rows[0], measure].values.subjects),
        )
        for measure, ranks in block.ranks.items()
    ]


def _group_rows(result: TableResult, block: Block) -> dict[str, list[str]]:
    """Rows by network, under the words that begin all rows of one; all under "" if there is one network only."""
    groups: dict[str, list[str]] = {}
    for row in block.rows:
        words = dict(word.partition("=")[::2] for word in result.spec.cells[block.data, row].words)
        groups.setdefault(words.get("model", ""), []).append(row)
    if len(groups) == 1:
        return {"": list(block.rows)}
    named = {
        row.partition(", ")[0] if ", " in row else model: rows for model, rows in groups.items() for row in rows[:1]
    }
    return named if len(named) == len(groups) else groups


def _shorten(name: str, rows: Sequence[str]) -> tuple[str, ...]:
    """The names of rows without the words that all of them begin with and that stand before them anyway."""
    start = f"{name}, "
    return tuple(row.removeprefix(start) if all(one.startswith(start) for one in rows) else row for row in rows)


def _name_line(rows: Sequence[str]) -> str:
    """What all names of a line begin with, up to the last comma: "linear" of "linear, m = 3" and "linear, m = 5"."""
    starts = {row.rpartition(", ")[0] for row in rows}
    return starts.pop() if len(starts) == 1 else ""


def _name_loss(result: TableResult, block: Block, row: str) -> str:
    runs = result.spec.cells[block.data, row].runs
    return str(runs.first.choices.get("loss", "")) if runs is not None else ""


def _name_setting(rows: Sequence[str], key: str) -> str:
    """The symbol of a setting with its key, "m (loss.margin)" of rows like "m = 3"; the key alone without one."""
    symbols = {row.rpartition(", ")[2].partition(" = ")[0] for row in rows if " = " in row}
    return f"{symbols.pop()} ({key})" if len(symbols) == 1 else key
