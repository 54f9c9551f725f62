"""Scores against a numeric setting: means with intervals, the subjects behind them, and the paired change below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.report.definitions import describe_region
from mlseg.report.figure_axis import set_limits, set_values
from mlseg.report.figure_style import BLUE, GREY, NORMAL, SMALL, VERMILION, Sheet, start_sheet, styled
from mlseg.report.paper_words import name_measure
from mlseg.report.statistics import FEWEST, LEVEL, MANY, compute_interval
from mlseg.report.subject_values import Measure, SubjectValues, subtract
from mlseg.report.summary import DISTANCES
from mlseg.report.trends import TrendSeries, align_subjects, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
LEFT, GAP, WIDTH, HEAD = 0.5, 0.48, 1.32, 0.34
UPPER, LOWER, BETWEEN, TICKS, LEGEND = 1.3, 0.72, 0.16, 0.36, 0.26
COLOURS = (BLUE, VERMILION, "#009E73")
MOST_SERIES, MOST_REFERENCES = 3, 3
REFERENCE_STYLES = ((0, (4, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
# More subjects are drawn as a band from the lower to the upper quartile; so many are where there are several lines.
MOST_LINES, FEWEST_BANDED = 40, 5
SUBJECT: dict[str, Any] = {"linewidth": 0.5, "alpha": 0.3, "zorder": 1}
BAR: dict[str, Any] = {"linewidth": 1.2, "marker": "o", "markersize": 3.2, "elinewidth": 1.2, "zorder": 4}


def build_trend(
    series: Sequence[TrendSeries],
    measures: Sequence[Measure],
    *,
    setting: str,
    title: str,
    about: str = "",
    references: Mapping[str, Mapping[Measure, SubjectValues]] | None = None,
) -> Figure:
    """A column for each score: above the means, below the subjects' change against the reference.

    The change is against the only reference, or without one against the smallest value of the only series; with more of
    either there is no lower row.

    Args:
        series: one to three lines.
        measures: from left to right, in every point.
        setting: under the horizontal axis.
        title: what was judged.
        about: who was tested, at the end of the caption.
        references: name -> values that do not depend on the setting, e.g. of cross-entropy; three at most.

    Raises:
        RunError: there is nothing to draw, or too much.
    """
    references = references or {}
    if not series or not measures or any(len(one.points) < 2 for one in series):
        raise RunError("build_trend: at least two values and one score are needed, got fewer. Train more values.")
    if len(series) > MOST_SERIES or len(references) > MOST_REFERENCES:
        raise RunError(
            f"build_trend: at most {MOST_SERIES} lines and {MOST_REFERENCES} references, got more. Draw fewer."
        )
    base = _find_base(series, references, setting)
    with styled():
        width = LEFT + len(measures) * (WIDTH + GAP) - GAP + 0.15
        legend = LEGEND if len(series) > 1 or references else 0.06
        height = HEAD + UPPER + (BETWEEN + LOWER if base else 0.0) + TICKS + legend
        caption = _write_caption(series, measures, references, base, about)
        sheet = start_sheet(max(width, 3.4), height, title=title, caption=caption)
        for place, measure in enumerate(measures):
            _draw_column(sheet, measure, LEFT + place * (WIDTH + GAP), series, references, base, setting)
        _draw_legend(sheet, series, references)
    return sheet.figure


def _find_base(
    series: Sequence[TrendSeries], references: Mapping[str, Mapping[Measure, SubjectValues]], setting: str
) -> tuple[str, Mapping[Measure, SubjectValues]] | None:
    """What changes are measured from: its name and values."""
    if len(references) == 1:
        return next(iter(references.items()))
    if not references and len(series) == 1:
        first = series[0].points[0]
        return f"{setting.partition(' ')[0]} = {format_value(first.x)}", first.values
    return None


def _write_caption(
    series: Sequence[TrendSeries],
    measures: Sequence[Measure],
    references: Mapping[str, Any],
    base: tuple[str, Any] | None,
    about: str,
) -> str:
    most = max(_count(series, measure) for measure in measures)
    parts = [
        f"Bars: mean over subjects with its {LEVEL:.0%} interval (t below {MANY} subjects, BCa bootstrap from {MANY})."
    ]
    if most < FEWEST:
        parts = [f"Dots: mean over subjects; fewer than {FEWEST} have no interval."]
    if _is_banded(series, most):
        parts.append(
            "Band: from the lower to the upper quartile of the subjects, the labels that the subject has averaged."
        )
    else:
        parts.append("Thin lines: the subjects; frames, seeds and the labels that the subject has averaged.")
    parts += ["Dashed, shaded: the reference and its interval."] if references else []
    parts += [_describe_regions(measures), _describe_missed(series, measures)]
    if base is not None:
        parts.append(f"Below: mean of the subjects' differences to {base[0]}, with the interval of that mean")
        parts[-1] += ", not corrected for their number." if most >= FEWEST else "; too few subjects for one."
    return " ".join(part for part in [*parts, about] if part)


def _is_banded(series: Sequence[TrendSeries], subjects: int) -> bool:
    return subjects > MOST_LINES or (len(series) > 1 and subjects >= FEWEST_BANDED)


def _describe_regions(measures: Sequence[Measure]) -> str:
    regions = dict.fromkeys(m.region for m in measures if m.metric not in ("dice", *DISTANCES))
    texts = [f"{region} = {describe_region(region)}" for region in regions]
    return f"Regions: {'; '.join(texts)}." if texts else ""


def _describe_missed(series: Sequence[TrendSeries], measures: Sequence[Measure]) -> str:
    """What a few far values come from."""
    found = [point.values[m] for one in series for point in one.points for m in measures if m.metric == "hd95"]
    number = sum((values.n_missed or 0) + (values.n_invented or 0) for values in found)
    return f"Structures missed or invented over all runs, in HD95 the image diagonal: {number}." if number else ""


def _count(series: Sequence[TrendSeries], measure: Measure) -> int:
    return max(point.values[measure].n_subjects for one in series for point in one.points)


def _draw_column(
    sheet: Sheet,
    measure: Measure,
    left: float,
    series: Sequence[TrendSeries],
    references: Mapping[str, Mapping[Measure, SubjectValues]],
    base: tuple[str, Mapping[Measure, SubjectValues]] | None,
    setting: str,
) -> None:
    unit = series[0].points[0].values[measure].unit
    sheet.add_text(left, sheet.body, name_measure(measure, unit), fontsize=NORMAL + 0.5, fontweight="bold")
    word = "higher is better" if measure.higher else "lower is better"
    sheet.add_text(left, sheet.body + 0.14, word, fontsize=SMALL, color=GREY)
    axes = [sheet.add_axes(left, sheet.body + HEAD, WIDTH, UPPER)]
    _draw_means(axes[0], measure, series, references)
    if base is not None:
        axes.append(sheet.add_axes(left, sheet.body + HEAD + UPPER + BETWEEN, WIDTH, LOWER))
        _draw_changes(axes[1], measure, series, base[1])
        # In the first column only: the axis's own room is too narrow for it elsewhere.
        if left == LEFT:
            label = f"minus {base[0]}" if references else f"change from {base[0].rpartition(' ')[2]}"
            axes[1].set_ylabel(label, fontsize=SMALL, labelpad=2)
    xs = [point.x for line in series for point in line.points]
    for one in axes:
        one.tick_params(labelsize=SMALL)
        one.locator_params(axis="y", nbins=5 if one is axes[0] else 3)
        set_values(one, xs, width=WIDTH, named=one is axes[-1])
    axes[-1].set_xlabel(setting, labelpad=2)


def _draw_means(
    axes: Axes,
    measure: Measure,
    series: Sequence[TrendSeries],
    references: Mapping[str, Mapping[Measure, SubjectValues]],
) -> None:
    kept: list[float] = []
    spread: list[np.ndarray] = []
    for (name, found), style in zip(references.items(), REFERENCE_STYLES, strict=False):
        values = found[measure]
        interval = compute_interval(values.per_subject)
        axes.axhline(values.mean, color=GREY, linewidth=0.9, linestyle=style, zorder=2, label=name)
        if interval.kind != "none":
            axes.axhspan(interval.low, interval.high, color=GREY, alpha=0.12, linewidth=0, zorder=0)
        kept += [values.mean, interval.low, interval.high]
    for place, one in enumerate(series):
        own = align_subjects(one.points, measure)
        xs = [point.x for point in one.points]
        if _is_banded(series, own.shape[1]):
            known = ~np.isnan(own).all(axis=1)
            low, high = np.nanquantile(own[known], (0.25, 0.75), axis=1)
            places = np.array(xs)[known]
            axes.fill_between(places, low, high, color=COLOURS[place], alpha=0.13, linewidth=0, zorder=1)
            spread += [low, high]
        else:
            axes.plot(xs, own, color=COLOURS[place], marker=".", markersize=1.5, **SUBJECT)
            spread.append(own)
        kept += _draw_bars(axes, xs, [point.values[measure].per_subject for point in one.points], place, len(series))
    set_limits(axes, kept, np.concatenate([part.ravel() for part in spread]))


def _draw_changes(
    axes: Axes, measure: Measure, series: Sequence[TrendSeries], base: Mapping[Measure, SubjectValues]
) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    for place, one in enumerate(series):
        xs = [point.x for point in one.points]
        differences = [subtract(point.values[measure], base[measure]) for point in one.points]
        _draw_bars(axes, xs, differences, place, len(series))
    axes.margins(y=0.15)


def _draw_bars(axes: Axes, xs: Sequence[float], parts: Sequence[np.ndarray], place: int, lines: int) -> list[float]:
    """Means of the parts with their intervals, joined by a line; returns what was drawn, NaN for what was not."""
    means = np.array([float(np.nanmean(part)) if (~np.isnan(part)).any() else np.nan for part in parts])
    intervals = [compute_interval(part) for part in parts]
    low, high = (np.array([getattr(found, end) for found in intervals]) for end in ("low", "high"))
    # Lines at the same values stand a little beside each other.
    shift = (place - (lines - 1) / 2) * 2.5
    looks = {**BAR, "color": COLOURS[place]}
    container = axes.errorbar(xs, means, yerr=np.maximum([means - low, high - means], 0), **looks)
    if shift:
        from matplotlib.transforms import ScaledTranslation

        moved = ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
        for artist in (container[0], *container[2]):
            artist.set_transform(artist.get_transform() + moved)
    return [*means, *low, *high]


def _draw_legend(
    sheet: Sheet, series: Sequence[TrendSeries], references: Mapping[str, Mapping[Measure, SubjectValues]]
) -> None:
    from matplotlib.lines import Line2D

    handles = []
    if len(series) > 1 or (references and series[0].name):
        looks = [{"color": COLOURS[place], "marker": "o", "markersize": 3.2} for place in range(len(series))]
        handles = [Line2D([], [], linewidth=1.2, label=o.name, **own) for o, own in zip(series, looks, strict=True)]  # type: ignore[arg-type]
    for name, style in zip(references, REFERENCE_STYLES, strict=False):
        handles.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=style, label=name))
    if handles:
        width = sheet.figure.get_size_inches()[0]
        place = (LEFT / width, 0.0)
        sheet.figure.legend(
            handles=handles, loc="lower left", bbox_to_anchor=place, ncol=len(handles), frameon=False, fontsize=SMALL
        )
