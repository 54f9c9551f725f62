"""A paper's table as tidy CSV: one row per number, difference or rank, with the runs that it is from."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlseg.report.paper_cells import MEASURES, Block, Entry, TableCell, TableResult
from mlseg.report.published import PublishedValue, find_published
from mlseg.report.subject_values import Measure

CELL_COLUMNS = (
    *("table", "profile", "data", "method", "evaluation", "metric", "region", "unit", "mean", "low", "high"),
    *("interval", "level", "subject_values", "n_subjects", "n_cases", "n_labels", "n_seeds", "n_undefined"),
    *("n_missed", "n_invented", "with_best", "difference_to_best", "p_to_best", "p_to_best_holm"),
    *("theirs", "theirs_source", "theirs_status", "missing", "settings", "runs"),
)
DIFFERENCE_COLUMNS = (
    *("table", "profile", "data", "first", "second", "evaluation", "metric", "region", "n_subjects", "difference"),
    *("low", "high", "interval", "test", "p", "p_holm", "family", "d_z", "rank_biserial", "runs_first", "runs_second"),
)
RANK_COLUMNS = (
    *("table", "profile", "data", "method", "evaluation", "metric", "region", "n_subjects", "rank", "share_by_rank"),
    *("friedman_p", "sum", "mean", "weighted_mean", "first_share", "first_share_weighted"),
)
OVERALL = "all"


def format_cells(result: TableResult) -> str:
    """Every cell, the empty ones with the reason; `runs` lists run directories, separated by semicolons."""
    blocks = {block.data: block for block in result.blocks}
    rows = []
    for (data, method), cell in result.spec.cells.items():
        for measure in MEASURES:
            block = blocks.get(data)
            entry = block.entries.get((method, measure)) if block else None
            theirs = None
            if measure.evaluation == "paper":
                theirs = find_published(result.spec.name, data, method, measure.metric)
            rows.append([*_start(result, data), method, *_name(measure), *_describe(entry, cell, theirs)])
    return _write(CELL_COLUMNS, rows)


def format_differences(result: TableResult) -> str:
    """Every pair of interest; `family` is the number of comparisons that Holm's correction is over."""
    rows = []
    for block in result.blocks:
        for (first, second, measure), found in block.pairs.items():
            family = sum(key[2] == measure and not math.isnan(own.p) for key, own in block.pairs.items())
            interval = found.interval
            runs = [_list_runs(result.spec.cells[block.data, row]) for row in (first, second)]
            rows.append(
                [
                    *(*_start(result, block.data), first, second, *_name(measure), found.n, found.difference),
                    *(interval.low, interval.high, interval.kind, found.test, found.p, found.p_holm, family),
                    *(found.d_z, found.rank_biserial, *runs),
                ]
            )
    return _write(DIFFERENCE_COLUMNS, rows)


def format_ranks(result: TableResult) -> str:
    """Every rank with the share of bootstrap draws at rank 1, 2, ...; data "all" holds what is over data sets."""
    rows: list[Sequence[Any]] = []
    for block in result.blocks:
        rows += _list_ranks(result, block)
    for measure, summed in result.summed.items():
        for place, method in enumerate(result.spec.rows):
            over = (summed.sums, summed.means, summed.weighted, summed.first_share, summed.first_share_weighted)
            start = [*_start(result, OVERALL), method, *_name(measure)]
            rows.append([*start, "", "", "", "", *(values[place] for values in over)])
    return _write(RANK_COLUMNS, rows)


def _list_ranks(result: TableResult, block: Block) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    for measure, ranks in block.ranks.items():
        for place, method in enumerate(block.rows):
            shares = " ".join(f"{share:.4f}" for share in ranks.shares[place])
            start = [*_start(result, block.data), method, *_name(measure)]
            rows.append([*start, ranks.n, ranks.ranks[place], shares, ranks.friedman_p, "", "", "", "", ""])
    return rows


def _describe(entry: Entry | None, cell: TableCell, theirs: PublishedValue | None) -> list[Any]:
    """The columns from `unit` on."""
    known = [theirs.value, theirs.source, theirs.status] if theirs else ["", "", ""]
    end = [*known, cell.reason, " ".join(cell.words), _list_runs(cell)]
    if entry is None:
        return [""] * (len(CELL_COLUMNS) - len(end) - 7) + end
    values, interval, other = entry.values, entry.interval, entry.against_best
    points = " ".join(repr(float(value)) for value in values.per_subject if not math.isnan(value))
    against = [other.difference, other.p, other.p_holm] if other else ["", "", ""]
    with_best = {True: "yes", False: "no", None: "no test"}[entry.with_best]
    return [
        *(values.unit, values.mean, interval.low, interval.high, interval.kind, interval.level, points),
        *(values.n_subjects, values.n_cases, len(values.labels), values.n_seeds, values.n_undefined),
        *(values.n_missed, values.n_invented, with_best, *against, *end),
    ]


def _start(result: TableResult, data: str) -> list[str]:
    return [result.spec.name, result.spec.profile, data]


def _name(measure: Measure) -> list[str]:
    return [measure.evaluation, measure.metric, measure.region]


def _list_runs(cell: TableCell) -> str:
    return ";".join(run.path.as_posix() for run in cell.runs.runs) if cell.runs else ""


def _write(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        assert len(row) == len(columns), (columns, row)
        writer.writerow(["" if _is_undefined(cell) else cell for cell in row])
    return out.getvalue()


def _is_undefined(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
