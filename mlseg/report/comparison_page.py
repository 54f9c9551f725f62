"""The page, the CSV and the figure of a comparison of runs."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from mlseg.records import write_text
from mlseg.report.compared_runs import Compared
from mlseg.report.definitions import describe_region, describe_score
from mlseg.report.figure_differences import DifferencePanel, build_differences, save_both
from mlseg.report.paper_cells import Entry
from mlseg.report.paper_words import format_difference, format_missed, format_number, format_spread, name_measure
from mlseg.report.statistics import LEVEL
from mlseg.report.subject_values import Measure

COLUMNS = (
    *("set", "against", "evaluation", "metric", "region", "unit", "mean", "low", "high", "n_subjects", "n_seeds"),
    *("difference", "difference_low", "difference_high", "interval", "test", "p", "p_holm", "family", "d_z"),
    *("rank_biserial", "n_pairs", "runs"),
)
STEM = "comparison"


def write_comparison(folder: Path, found: Compared, *, command: str) -> list[Path]:
    """Write comparison.md, .csv, .png and .pdf.

    Args:
        folder: where they go; made if it is not there.
        found: what `compare_sets` returned.
        command: what makes them again.

    Raises:
        RunError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{STEM}.md", format_page(found, command=command))
    write_text(folder / f"{STEM}.csv", format_rows(found))
    figures = save_both(_build_figure(found), folder / STEM)
    return [folder / f"{STEM}.md", folder / f"{STEM}.csv", *figures]


def format_page(found: Compared, *, command: str) -> str:
    """The means of each set, the differences, what the scores mean, and the runs."""
    first = found.sets[0]
    blocks = [f"# {' and '.join(one.name for one in found.sets[1:])} against {first.name}", _describe(found)]
    blocks += [f"Made by `{command}`.", "## Means", format_means(found), "## Differences", format_differences(found)]
    blocks.append(
        f"Mean of the subjects' differences to {first.name} [{LEVEL:.0%} interval], p of the paired sign-flip test "
        f"after Holm over {len(found.sets) - 1} comparison(s) for each score, d_z: mean over standard deviation of the "
        "differences, r: matched-pairs rank-biserial. Below 6 subjects there is no test, below 3 no interval."
    )
    blocks += [f"![differences]({STEM}.png)", "## What the scores mean", _define(found), "## Runs"]
    blocks.append("\n".join(f"- {o.name}: {', '.join(f'`{run.path}`' for run in o.runs)}" for o in found.sets))
    return "\n\n".join(blocks) + "\n"


def format_means(found: Compared) -> str:
    """A table of each set's means with their intervals, and what was missed."""
    lines = [["Score", *(one.name for one in found.sets)]]
    for measure in found.measures:
        cells = []
        for one in found.sets:
            key = (one.name, measure)
            entry = Entry(values=found.values[key], interval=found.intervals[key])
            missed = format_missed(entry) if measure.metric == "hd95" else ""
            text = f"{format_number(entry.values.mean, entry.values.unit)} {format_spread(entry)}".strip()
            cells.append(f"{text}{f', missed / invented {missed}' if missed else ''}")
        lines.append([_head(found, measure), *cells])
    return _draw(lines)


def format_differences(found: Compared) -> str:
    """A table of the differences to the first set."""
    lines = [["Score", *(f"{one.name} - {found.sets[0].name}" for one in found.sets[1:])]]
    for measure in found.measures:
        unit = found.values[found.sets[0].name, measure].unit
        cells = [format_difference(found.comparisons[one.name, measure], unit) for one in found.sets[1:]]
        lines.append([_head(found, measure), *cells])
    return _draw(lines)


def format_rows(found: Compared) -> str:
    """One row per set and score; the first set has no difference."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found.sets:
        for measure in found.measures:
            values, interval = found.values[one.name, measure], found.intervals[one.name, measure]
            row: list[Any] = [
                one.name,
                found.sets[0].name,
                measure.evaluation,
                measure.metric,
                measure.region,
                values.unit,
            ]
            row += [values.mean, interval.low, interval.high, values.n_subjects, values.n_seeds]
            row += _describe_comparison(found, one.name, measure)
            row.append(";".join(run.path.as_posix() for run in one.runs))
            writer.writerow(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row])
    return out.getvalue()


def _describe_comparison(found: Compared, name: str, measure: Measure) -> list[Any]:
    own = found.comparisons.get((name, measure))
    if own is None:
        return [""] * 11
    family = sum(not math.isnan(c.p) for (_, m), c in found.comparisons.items() if m == measure)
    return [
        *(own.difference, own.interval.low, own.interval.high, own.interval.kind, own.test, own.p, own.p_holm, family),
        *(own.d_z, own.rank_biserial, own.n),
    ]


def _build_figure(found: Compared) -> Any:
    first = found.sets[0].name
    panels = [
        DifferencePanel(
            heading=_head(found, measure),
            unit=found.values[first, measure].unit,
            better="higher" if measure.higher else "lower",
            rows=[(found.differences[o.name, measure], found.comparisons[o.name, measure]) for o in found.sets[1:]],
        )
        for measure in found.measures
    ]
    names = [f"{one.name} - {first}" for one in found.sets[1:]]
    evaluations = ", ".join(dict.fromkeys(measure.evaluation for measure in found.measures))
    return build_differences(names, panels, title=f"Differences to {first}; evaluation={evaluations}")


def _describe(found: Compared) -> str:
    sets = "; ".join(f"{one.name}: {_list_seeds(one.seeds)}" for one in found.sets)
    data = found.sets[0].first
    text = f"{len(found.subjects)} test subjects of {data.choices.get('data', 'the data')}, "
    text += f"split {data.data.get('name')}; {sets}. Frames are averaged first, then seeds, subjects, labels."
    if found.left_out:
        text += f" Left out, tested by some only: {', '.join(found.left_out)}."
    undefined = [f"{n} {m.title} {v.n_undefined}" for (n, m), v in found.values.items() if v.n_undefined]
    return f"{text} Left out as undefined: {', '.join(undefined)}." if undefined else text


def _list_seeds(seeds: tuple[int, ...]) -> str:
    return f"seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"


def _define(found: Compared) -> str:
    settings = found.sets[0].first.settings
    lines = []
    for measure in found.measures:
        names = ("bins", "tolerance_mm", "boundary_mm", "roi_margin_mm")
        own = {n: float(v) for n in names if (v := settings.get(f"evaluation.{measure.evaluation}.{n}")) is not None}
        text = describe_score(measure.evaluation, measure.metric, own)
        lines.append(f"- **{measure.title}**: {text} Region: {describe_region(measure.region, own)}.")
    return "\n".join(lines)


def _head(found: Compared, measure: Measure) -> str:
    return name_measure(measure, found.values[found.sets[0].name, measure].unit)


def _draw(lines: list[list[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = [f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |" for line in cells]
    return "\n".join([rows[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *rows[1:]])
