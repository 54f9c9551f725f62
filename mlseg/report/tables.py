"""The summary of a run as lines of text cells, which the terminal and Markdown draw each in its way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlseg.report.definitions import get_title
from mlseg.report.summary import ALL_LABEL, MEAN_LABEL, SummaryRow

MAIN_METRICS = ("dice", "hd", "hd95", "ece", "cece")
NO_CELL = "-"
UNDEFINED = "n/a"
_DECIMALS = {"mm": 2, "voxel": 2}


@dataclass(frozen=True, kw_only=True)
class TableLine:
    """One score in one region under one protocol: a cell for each label and one for all of them.

    Args:
        labels: class name -> its row; empty for a score over all classes.
        overall: the row "all", or else the row "mean" over labels.
    """

    evaluation: str
    metric: str
    region: str
    labels: dict[str, SummaryRow]
    overall: SummaryRow

    @property
    def title(self) -> str:
        """Name and unit, e.g. "HD95 (mm)"."""
        title = get_title(self.evaluation, self.metric)
        return title if self.overall.unit == "1" else f"{title} ({self.overall.unit})"


def build_lines(
    rows: Sequence[SummaryRow], evaluation: str, *, frame: str = "", metrics: Sequence[str] | None = None
) -> list[TableLine]:
    """The lines of one protocol's table: the main scores in their usual order, then the others as they come.

    Args:
        rows: what `summarise` returned.
        evaluation: the protocol.
        frame: the frame to show, "" for all of them together.
        metrics: the scores to show; None shows all.
    """
    cells: dict[tuple[str, str], dict[str, SummaryRow]] = {}
    for row in rows:
        if row.evaluation == evaluation and row.frame == frame and (metrics is None or row.metric in metrics):
            cells.setdefault((row.metric, row.region), {})[row.label] = row
    lines = []
    for (metric, region), by_label in sorted(cells.items(), key=lambda item: _rank(item[0][0])):
        overall = by_label.get(ALL_LABEL) or by_label[MEAN_LABEL]
        labels = {label: row for label, row in by_label.items() if label not in (ALL_LABEL, MEAN_LABEL)}
        lines.append(TableLine(evaluation=evaluation, metric=metric, region=region, labels=labels, overall=overall))
    return lines


def list_evaluations(rows: Sequence[SummaryRow], headline: str) -> list[str]:
    """The protocols that have rows, the headline first."""
    return sorted(dict.fromkeys(row.evaluation for row in rows), key=lambda name: name != headline)


def list_labels(lines: Sequence[TableLine]) -> list[str]:
    """The class names of all lines, in order of first appearance."""
    return list(dict.fromkeys(label for line in lines for label in line.labels))


def format_mean(row: SummaryRow | None, *, spread: str = "") -> str:
    """A cell's mean, with the standard deviation over subjects behind it if `spread` is a sign such as "±".

    Example:
        >>> row = SummaryRow(evaluation="default", metric="hd", region="image", label="LV", mean=8.714, std=3.0,
        ...                  unit="mm", n_subjects=20, n_cases=40)
        >>> format_mean(row), format_mean(row, spread="±"), format_mean(None)
        ('8.71', '8.71 ± 3.00', '-')
    """
    if row is None:
        return NO_CELL
    if math.isnan(row.mean):
        return UNDEFINED
    decimals = _DECIMALS.get(row.unit, 3)
    mean = f"{row.mean:.{decimals}f}"
    return f"{mean} {spread} {row.std:.{decimals}f}" if spread and not math.isnan(row.std) else mean


def format_n(row: SummaryRow) -> str:
    """Subjects with a value, and cases in brackets where these are more: "20 (40)"."""
    return str(row.n_subjects) if row.n_cases == row.n_subjects else f"{row.n_subjects} ({row.n_cases})"


def format_missed(row: SummaryRow) -> str:
    """Structures missed and invented, "2 / 0"; "" for a score that is not a distance."""
    return "" if row.n_missed is None or row.n_invented is None else f"{row.n_missed} / {row.n_invented}"


def describe_undefined(lines: Sequence[TableLine]) -> str:
    """What was left out of the means as undefined, e.g. "Dice: RV 2, Myo 1"; "" if nothing was."""
    found = []
    metrics = [line.metric for line in lines]
    for line in lines:
        parts = line.labels or {line.region: line.overall}
        missing = [f"{name} {row.n_undefined}" for name, row in parts.items() if row.n_undefined]
        if missing:
            # Labels are told apart by their region where a score has several.
            where = f" ({line.region})" if line.labels and metrics.count(line.metric) > 1 else ""
            found.append(f"{get_title(line.evaluation, line.metric)}{where}: {', '.join(missing)}")
    return "; ".join(found)


def _rank(metric: str) -> int:
    return MAIN_METRICS.index(metric) if metric in MAIN_METRICS else len(MAIN_METRICS)
