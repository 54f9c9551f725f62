"""Scores against a numeric setting: the points of a sweep, or of those rows of a table that one number sets apart."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import RunError
from mlseg.report.run_set import RunSet
from mlseg.report.statistics import compute_interval
from mlseg.report.subject_values import Measure, SubjectValues
from mlseg.report.summary import compute_mean

COLUMNS = (
    *("setting", "value", "evaluation", "metric", "region", "unit", "mean", "low", "high", "interval", "level"),
    *("n_subjects", "n_cases", "n_seeds", "n_undefined", "runs"),
)


@dataclass(frozen=True, kw_only=True)
class TrendPoint:
    """The scores at one value of the setting.

    Args:
        x: the value.
        values: measure -> what the runs have of it.
        runs: the directories of the runs.
    """

    x: float
    values: Mapping[Measure, SubjectValues]
    runs: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrendSeries:
    """Points that differ in the setting alone.

    Args:
        name: in the legend.
        points: two or more, x rising.
    """

    name: str
    points: tuple[TrendPoint, ...]


@dataclass(frozen=True, kw_only=True)
class RowTrend:
    """Which rows of a table stand on a line.

    Args:
        setting: the key, e.g. "loss.margin".
        groups: for each line its rows, (value, row), values rising.
        others: all other rows.
    """

    setting: str
    groups: tuple[tuple[tuple[float, str], ...], ...]
    others: tuple[str, ...]


def collect_points(sets: Mapping[float, RunSet], measures: Sequence[Measure]) -> tuple[TrendPoint, ...]:
    """The points of sets of runs, values rising.

    Args:
        sets: value of the setting -> its runs, which differ in the seed alone.
        measures: scores that all runs have.

    Raises:
        RunError: the sets tested different cases, so that their subjects cannot be followed, or have different seeds,
            so that a change would be one of the seeds too.
    """
    ordered = sorted(sets.items())
    for value, other in ordered[1:]:
        if other.first.cases != ordered[0][1].first.cases:
            raise RunError(
                f"trend: all runs must have tested the same cases, got others in {ordered[0][1].first.path} and "
                f"{other.first.path} ({value:g}). Compare runs of the same split."
            )
        if other.seeds != ordered[0][1].seeds:
            raise RunError(
                f"trend: all values must have the same seeds, got {ordered[0][1].seeds} ({ordered[0][0]:g}) and "
                f"{other.seeds} ({value:g}). Leave out the seeds that not all have."
            )
    return tuple(
        TrendPoint(x=x, values={m: own.collect(m) for m in measures}, runs=tuple(run.path for run in own.runs))
        for x, own in ordered
    )


def find_trend(words: Mapping[str, Sequence[str]], *, fewest: int = 3) -> RowTrend | None:
    """The numeric setting that alone sets rows apart, by what is typed for them.

    Args:
        words: row -> its settings, e.g. ["loss=mbls", "loss.margin=3"].
        fewest: a line has so many values or more.

    Returns:
        The setting with the most rows on its lines; None if there is none.

    Example:
        >>> rows = {"CE": ["loss=ce"], **{f"m = {m}": ["loss=mbls", f"loss.margin={m}"] for m in (8, 3, 5)}}
        >>> found = find_trend(rows)
        >>> found.setting, found.groups, found.others
        ('loss.margin', (((3.0, 'm = 3'), (5.0, 'm = 5'), (8.0, 'm = 8')),), ('CE',))
    """
    settings = {row: dict(word.partition("=")[::2] for word in own) for row, own in words.items()}
    best: RowTrend | None = None
    for key in dict.fromkeys(key for own in settings.values() for key in own):
        lines: dict[frozenset[tuple[str, str]], dict[float, str]] = {}
        for row, own in settings.items():
            value = _read_number(own.get(key, ""))
            if value is not None:
                rest = frozenset((name, text) for name, text in own.items() if name != key)
                lines.setdefault(rest, {}).setdefault(value, row)
        groups = tuple(tuple(sorted(line.items())) for line in lines.values() if len(line) >= fewest)
        placed = {row for group in groups for _, row in group}
        if groups and (best is None or len(placed) > sum(map(len, best.groups))):
            best = RowTrend(setting=key, groups=groups, others=tuple(row for row in words if row not in placed))
    return best


def average_labels(values: SubjectValues) -> np.ndarray:
    """Each subject's own value: the mean over the labels that it has; NaN without any.

    `SubjectValues.per_subject` is for inference: where labels are undefined it holds influences on the mean, which may
    lie where no score can.

    Shape:
        (subjects,)
    """
    return np.array([compute_mean(row) for row in values.values], float)


def align_subjects(points: Sequence[TrendPoint], measure: Measure) -> np.ndarray:
    """One row per point, one column per subject of the first point: its own value, NaN where it has none.

    Shape:
        (points, subjects)
    """
    order = points[0].values[measure].subjects
    rows = []
    for point in points:
        values = point.values[measure]
        own = dict(zip(values.subjects, average_labels(values), strict=True))
        rows.append([own.get(subject, math.nan) for subject in order])
    return np.array(rows, float)


def format_points(setting: str, points: Iterable[TrendPoint]) -> str:
    """A CSV with a row per point and score; `runs` lists run directories, separated by semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for point in points:
        for measure, values in point.values.items():
            interval = compute_interval(values.per_subject)
            row: list[Any] = [
                *(setting, format_value(point.x), measure.evaluation, measure.metric, measure.region, values.unit),
                *(values.mean, interval.low, interval.high, interval.kind, interval.level),
                *(values.n_subjects, values.n_cases, values.n_seeds, values.n_undefined),
                ";".join(path.as_posix() for path in point.runs),
            ]
            writer.writerow(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row])
    return out.getvalue()


def format_value(x: float) -> str:
    """A value of the setting as one would type it.

    Example:
        >>> format_value(3.0), format_value(0.0003), format_value(1e-6)
        ('3', '0.0003', '1e-06')
    """
    return f"{x:.10g}"


def _read_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
