"""The tables of a paper's table as plain grids of text, which Markdown and LaTeX draw each in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlseg.report.paper_cells import MEASURES, PAIRED, RANKED, Block, Entry, TableResult
from mlseg.report.paper_words import (
    EMPTY,
    THEIRS,
    describe_block,
    format_difference,
    format_missed,
    format_number,
    format_spread,
    name_measure,
    number_runs,
)
from mlseg.report.published import ALL_DATA, RANK_SUM, find_published
from mlseg.report.ranks import describe_friedman
from mlseg.report.subject_values import Measure


@dataclass(frozen=True, kw_only=True)
class TextCell:
    """One cell.

    Args:
        text: the number.
        small: what stands behind it, e.g. an interval.
        bold: True if it can't be told from the best.
    """

    text: str = EMPTY
    small: str = EMPTY
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One table.

    Args:
        title: its heading.
        note: below the heading.
        columns: headings, the first of the row names.
        rows: a name and its cells.
        footnote: below the table.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[TextCell, ...]], ...]
    footnote: str = EMPTY


def build_grids(result: TableResult) -> list[Grid]:
    """All tables: per data set ours, ours beside theirs, and the differences; then the ranks."""
    grids = []
    blocks = {block.data: block for block in result.blocks}
    for data in result.spec.data:
        grids += [_build_ours(result, data, blocks.get(data)), _build_beside(result, data, blocks.get(data))]
        if data in blocks and blocks[data].pairs:
            grids.append(_build_pairs(blocks[data]))
    grids += [_build_ranks(result, measure) for measure in RANKED if any(measure in b.ranks for b in result.blocks)]
    return grids


def _build_ours(result: TableResult, data: str, block: Block | None) -> Grid:
    """Our definitions, with missed structures beside the distance and the number of the runs."""
    measures = [m for m in MEASURES if m.evaluation == "default"]
    entries = block.entries if block else {}
    numbers = number_runs(result)
    distance = next(m for m in measures if m.metric == "hd95")
    columns = ["Method"]
    for measure in measures:
        columns.append(name_measure(measure, _find_unit(entries, measure)))
        columns += ["Missed / invented"] if measure == distance else []
    rows = []
    for row in result.spec.rows:
        cells = []
        for measure in measures:
            cells.append(_show(entries.get((row, measure))))
            cells += [TextCell(text=format_missed(entries.get((row, measure))))] if measure == distance else []
        cells.append(TextCell(text=str(numbers[data, row]) if (data, row) in numbers else EMPTY))
        rows.append((row, tuple(cells)))
    note = describe_block(block) if block else f"No runs: {result.spec.cells[data, result.spec.rows[0]].reason}."
    return Grid(title=f"{data}, evaluation=default", note=note, columns=(*columns, "Runs"), rows=tuple(rows))


def _build_beside(result: TableResult, data: str, block: Block | None) -> Grid:
    """The authors' definitions, each number with the published one beside it."""
    measures = [m for m in MEASURES if m.evaluation == "paper"]
    entries = block.entries if block else {}
    columns, status = ["Method"], ""
    for measure in measures:
        columns += [name_measure(measure, _find_unit(entries, measure)), THEIRS]
    rows = []
    for row in result.spec.rows:
        cells = []
        for measure in measures:
            theirs = find_published(result.spec.name, data, row, measure.metric)
            status = f"{theirs.source}; {theirs.status}" if theirs else status
            text = format_number(theirs.value) if theirs else EMPTY
            cells += [_show(entries.get((row, measure))), TextCell(text=text)]
        rows.append((row, tuple(cells)))
    footnote = f"Theirs: {status}. What is not known stays empty." if status else "Theirs: not known."
    title = f"{data}, evaluation=paper, beside the published numbers"
    return Grid(title=title, note=EMPTY, columns=tuple(columns), rows=tuple(rows), footnote=footnote)


def _build_pairs(block: Block) -> Grid:
    measures = [m for m in PAIRED if any(key[2] == m for key in block.pairs)]
    units = {m: _find_unit(block.entries, m) for m in measures}
    rows = []
    for first, second in dict.fromkeys((a, b) for a, b, _ in block.pairs):
        cells = []
        for measure in measures:
            found = block.pairs.get((first, second, measure))
            text = format_difference(found, units[measure]) if found else EMPTY
            cells.append(TextCell(text=text, bold=bool(found and found.tells_apart)))
        rows.append((f"{first} - {second}", tuple(cells)))
    footnote = (
        "Mean of the subjects' differences [interval], p of the paired sign-flip test after Holm over the pairs of "
        "this column, d_z: mean over standard deviation of the differences, r: matched-pairs rank-biserial. "
        "Bold: told from 0."
    )
    columns = ("Pair", *(name_measure(m, units[m]) for m in measures))
    return Grid(title=f"{block.data}, differences", note=EMPTY, columns=columns, rows=tuple(rows), footnote=footnote)


def _build_ranks(result: TableResult, measure: Measure) -> Grid:
    """Ranks by one score: per data set with the share of draws at rank 1, then over data sets, then theirs."""
    blocks = [block for block in result.blocks if measure in block.ranks]
    summed = result.summed.get(measure)
    own = f"{RANK_SUM}{measure.metric}"
    theirs = {row: find_published(result.spec.name, ALL_DATA, row, own) for row in result.spec.rows}
    columns = ["Method", *(b.data for b in blocks)]
    columns += ["Sum", "Mean rank", "Weighted mean", "First", "First, weighted"] if summed else []
    columns += ["Sum, theirs"] if any(theirs.values()) else []
    rows = []
    for row in result.spec.rows:
        cells = [_show_rank(block, row, measure) for block in blocks]
        if summed:
            place = result.spec.rows.index(row)
            cells += [
                TextCell(text=str(summed.sums[place])),
                TextCell(text=f"{summed.means[place]:.2f}"),
                TextCell(text=f"{summed.weighted[place]:.2f}"),
                TextCell(text=f"{summed.first_share[place]:.0%}"),
                TextCell(text=f"{summed.first_share_weighted[place]:.0%}"),
            ]
        if any(theirs.values()):
            found = theirs[row]
            cells.append(TextCell(text=f"{found.value:g}" if found else EMPTY))
        rows.append((row, tuple(cells)))
    tests = "; ".join(f"{block.data}: {describe_friedman(block.ranks[measure])}" for block in blocks)
    footnote = (
        "1 = best, ties share the best rank; in brackets the share of bootstrap draws over subjects with rank 1. "
    )
    footnote += f"{tests}."
    if summed:
        footnote += (
            f" Sum, mean and weighted mean (by test subjects) over {', '.join(result.ranked_data)}; First: share of "
            "draws with the lowest sum, or weighted mean, ties included."
        )
    if any(theirs.values()):
        footnote += " Theirs: sum over the five data sets of the figure notebook, pre-submission, not checked."
    return Grid(
        title=f"Ranks by {measure.title}", note=EMPTY, columns=tuple(columns), rows=tuple(rows), footnote=footnote
    )


def _show(entry: Entry | None) -> TextCell:
    if entry is None:
        return TextCell()
    text = format_number(entry.values.mean, entry.values.unit)
    return TextCell(text=text, small=format_spread(entry), bold=bool(entry.with_best))


def _show_rank(block: Block, row: str, measure: Measure) -> TextCell:
    if row not in block.rows:
        return TextCell()
    ranks, place = block.ranks[measure], block.rows.index(row)
    return TextCell(text=str(ranks.ranks[place]), small=f"({ranks.shares[place, 0]:.0%})")


def _find_unit(entries: Mapping[tuple[str, Measure], Entry], measure: Measure) -> str:
    return next((e.values.unit for (_, m), e in entries.items() if m == measure), "1")
