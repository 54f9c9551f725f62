"""summary.md: every score of a run as Markdown tables, all frames together and frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mlseg.records import write_text
from mlseg.report.bins_file import ALL_CLASSES, PooledScore
from mlseg.report.definitions import FIGURES, PROTOCOLS, SETTINGS, describe_region, describe_score, get_title
from mlseg.report.summary import SummaryRow
from mlseg.report.tables import (
    TableLine,
    build_lines,
    describe_undefined,
    format_mean,
    format_missed,
    format_n,
    list_evaluations,
    list_labels,
)

NO_POOLED: Mapping[str, Sequence[PooledScore]] = MappingProxyType({})
NO_FIGURES: Mapping[str, Mapping[str, str]] = MappingProxyType({})


def write_summary(
    path: Path,
    rows: Sequence[SummaryRow],
    *,
    headline: str = "default",
    title: str = "Test scores",
    settings: Mapping[str, float] = SETTINGS,
    pooled: Mapping[str, Sequence[PooledScore]] = NO_POOLED,
    figures: Mapping[str, Mapping[str, str]] = NO_FIGURES,
    about: str = "",
) -> None:
    """Write summary.md in one step.

    Args:
        path: the file.
        rows: what `summarise` returned.
        headline: the protocol that comes first.
        title: the heading of the page.
        settings: bins, tolerance_mm, boundary_mm and roi_margin_mm of the run, for the definitions.
        pooled: protocol -> calibration over all voxels together, to stand beside the means over subjects.
        figures: protocol -> a key of FIGURES -> the file, relative to the page; the headline's are shown, others named.
        about: which run this is, a paragraph under the heading.
    """
    text = format_summary(
        rows, headline=headline, title=title, settings=settings, pooled=pooled, figures=figures, about=about
    )
    write_text(path, text)


def format_summary(
    rows: Sequence[SummaryRow],
    *,
    headline: str = "default",
    title: str = "Test scores",
    settings: Mapping[str, float] = SETTINGS,
    pooled: Mapping[str, Sequence[PooledScore]] = NO_POOLED,
    figures: Mapping[str, Mapping[str, str]] = NO_FIGURES,
    about: str = "",
) -> str:
    """The text of summary.md; the arguments are those of `write_summary`."""
    blocks = [f"# {title}", about]
    for evaluation in list_evaluations(rows, headline):
        lines = build_lines(rows, evaluation)
        role = "headline" if evaluation == headline else "for comparison"
        blocks.append(f"## `evaluation={evaluation}` ({role})")
        if evaluation in PROTOCOLS:
            blocks.append(f"{PROTOCOLS[evaluation]}.")
        blocks.append(_format_table(lines))
        blocks.append(_format_notes(lines))
        blocks.append(_format_pooled(pooled.get(evaluation, ())))
        blocks.append(_format_figures(figures.get(evaluation, {}), shown=evaluation == headline))
        for frame in dict.fromkeys(row.frame for row in rows if row.evaluation == evaluation and row.frame):
            of_frame = build_lines(rows, evaluation, frame=frame)
            blocks += [f"### {_escape(frame)} only", _format_table(of_frame)]
        blocks += ["### What the scores mean", _format_definitions(lines, settings)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _format_table(lines: Sequence[TableLine]) -> str:
    """One line for each score, one column for each label, padded so that the raw text reads well too."""
    labels = list_labels(lines)
    cells = [["Score", "Region", *labels, "Overall", "n", "Missed / invented"]]
    for line in lines:
        values = [format_mean(line.labels.get(label), spread="±") if line.labels else "" for label in labels]
        overall = f"**{format_mean(line.overall, spread='±')}**"
        cells.append([line.title, line.region, *values, overall, format_n(line.overall), format_missed(line.overall)])
    if not any(row[-1] for row in cells[1:]):
        cells = [row[:-1] for row in cells]
    cells = [[_escape(cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = [
        "| "
        + " | ".join(_pad(cell, width, place) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join(
        "-" * (width + 2) if place < 2 else "-" * (width + 1) + ":" for place, width in enumerate(widths)
    )
    return "\n".join([text[0], f"{rule}|", *text[1:]])


def _format_pooled(scores: Sequence[PooledScore]) -> str:
    """A table of pooled calibration with what sets it apart, or nothing."""
    if not scores:
        return ""
    named = any(score.label != ALL_CLASSES for score in scores)
    lines = ["| Region | ECE | CECE | Cases | Voxels |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {s.region} | {s.ece:.3f} | {s.cece:.3f} | {s.n_cases} | {s.n_voxels:,} |" for s in scores]
    if named:
        names = ["Label", "---", *(_escape(score.label) for score in scores)]
        lines = [
            f"| {name} {line}" if name != "---" else f"|---{line}" for name, line in zip(names, lines, strict=True)
        ]
    note = "Every voxel of the test set weighs the same here, so large structures and cases count for more than above."
    return "\n\n".join(["### Calibration pooled over all voxels", "\n".join(lines), note])


def _format_figures(files: Mapping[str, str], *, shown: bool) -> str:
    """The figures themselves with what they show, or only links to them."""
    if not files:
        return ""
    words = {name: FIGURES.get(name, name) for name in files}
    if shown:
        heads = {name: text[:1].upper() + text[1:] for name, text in words.items()}
        parts = [f"{heads[name]}:\n\n![{words[name]}]({file})" for name, file in files.items()]
        return "\n\n".join(["### Figures", *parts])
    return "\n".join(["### Figures", "", *(f"- [{file}]({file}): {words[name]}" for name, file in files.items())])


def _format_notes(lines: Sequence[TableLine]) -> str:
    """What the columns hold, and what is missing from them."""
    notes = (
        "Overall: mean over labels, or all classes together; ±: standard deviation over subjects; "
        "n: subjects (cases) with a value."
    )
    undefined = describe_undefined(lines)
    return f"{notes} Left out as undefined, in cases: {_escape(undefined)}." if undefined else notes


def _format_definitions(lines: Sequence[TableLine], settings: Mapping[str, float]) -> str:
    """The scores and regions of the tables in words, one bullet each."""
    bullets = []
    for evaluation, metric in dict.fromkeys((line.evaluation, line.metric) for line in lines):
        text = describe_score(evaluation, metric, settings)
        if text:
            bullets.append(f"- **{get_title(evaluation, metric)}**: {text}")
    for region in dict.fromkeys(line.region for line in lines):
        text = describe_region(region, settings)
        if text:
            bullets.append(f"- Region **{region}**: {text}.")
    return "\n".join(bullets)


def _pad(cell: str, width: int, place: int) -> str:
    """Names to the left, numbers to the right."""
    return cell.ljust(width) if place < 2 else cell.rjust(width)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
