"""Calibration errors against the number of bins: how much of a result is the choice of bins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlseg.checks import RunError
from mlseg.report.figure_grid import WIDE_COLUMNS, choose_grid, label_vertical, name_row
from mlseg.report.figure_style import (
    BLUE,
    GREY,
    SMALL,
    VERMILION,
    Sheet,
    format_count,
    format_error,
    name_region,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BIN_COUNTS = (10, 15, 20, 25, 30, 50, 60, 75, 100, 150, 300)
"""The divisors of 300 that are drawn: each follows from the same stored histograms."""
TICKS = (10, 15, 30, 60, 150, 300)
ASPECT = 0.72
HEADROOM = 1.18
# An error of 0 everywhere still needs an axis.
SMALLEST_TOP = 1e-3
CAPTION = (
    "The same histograms merged to other numbers of equal-width bins. More bins resolve more error, and pick up more "
    "chance where voxels are few; where the lines are flat, the choice hardly matters. Dotted: {bins} bins, as in the "
    "tables; over the panels the values there."
)


@dataclass(frozen=True, kw_only=True)
class BinsCurve:
    """One score in one region.

    Args:
        pooled: number of bins -> the score of all voxels together.
        means: number of bins -> its mean over subjects (or cases); NaN where it is undefined.
        n: subjects (or cases) with a value.
    """

    pooled: Mapping[int, float]
    means: Mapping[int, float]
    n: int


def build_ece_bins(
    rows: Mapping[tuple[str, str], Mapping[str, BinsCurve]], *, title: str, bins: int = 15, unit: str = "subject"
) -> Figure:
    """A panel per score and region: the score at every number of bins, of pooled voxels and as mean over subjects.

    Every vertical axis begins at 0 and has its own end, since regions differ many times over.

    Args:
        rows: (score, label) -> region -> curve; the label is "" for a score over all classes.
        title: what was judged.
        bins: the protocol's own number of bins.
        unit: what the means are over, "subject" or "case".

    Raises:
        RunError: if there is no region to draw.
    """
    regions = list(next(iter(rows.values()), {}))
    if not regions:
        raise RunError("build_ece_bins: at least one region is needed, got none. Evaluate the run again.")
    flat = len(regions) == 1
    columns = min(len(rows), WIDE_COLUMNS) if flat else len(regions)
    panels = [(score, region) for score in rows for region in regions]
    grid = choose_grid(
        math.ceil(len(panels) / columns), columns, strips=False, gap=0.6 if flat else 0.42, aspect=ASPECT
    )
    with styled():
        sheet = grid.start(title=title, caption=CAPTION.format(bins=bins), foot=0.24)
        for column, region in enumerate(regions):
            n = max(curves[region].n for curves in rows.values())
            grid.head_column(sheet, column, name_region(region), format_count(n, unit))
        for place, ((score, label), region) in enumerate(panels):
            row, column = divmod(place, columns)
            axes = grid.add_panel(sheet, row, column)
            _draw_curves(axes, rows[score, label][region], bins)
            _head(axes, rows[score, label][region], bins)
            last = place + columns >= len(panels)
            axes.tick_params(labelbottom=last)
            if last:
                axes.set_xlabel("Number of bins", labelpad=2)
            if column == 0 or flat:
                label_vertical(axes, f"{label} {score}" if flat and label else score)
            if column == 0 and label and not flat:
                name_row(axes, label)
        _draw_key(sheet, grid.left, unit)
    return sheet.figure


def _draw_curves(axes: Axes, curve: BinsCurve, bins: int) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    axes.set_xscale("log")
    axes.axvline(bins, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    for values, looks in ((curve.means, MEANS), (curve.pooled, POOLED)):
        axes.plot(list(values), list(values.values()), **looks)
    found = [value for values in (curve.pooled, curve.means) for value in values.values() if value == value]
    axes.set(xlim=(9, 335), ylim=(0, max([HEADROOM * value for value in found] + [SMALLEST_TOP])))
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(labelsize=SMALL)


POOLED: dict[str, Any] = {"color": BLUE, "linewidth": 1.0, "marker": "o", "markersize": 2.8, "zorder": 3}
MEANS: dict[str, Any] = {
    "color": VERMILION,
    "linewidth": 1.0,
    "linestyle": (0, (4, 1.5)),
    "marker": "s",
    "markersize": 2.8,
    "markerfacecolor": "white",
    "markeredgewidth": 0.8,
    "zorder": 2,
}


def _head(axes: Axes, curve: BinsCurve, bins: int) -> None:
    """The values at the protocol's own number of bins, in the lines' colours."""
    looks: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    axes.annotate(format_error(curve.pooled.get(bins, float("nan"))), (0, 1), (0, 3), color=BLUE, ha="left", **looks)
    means = format_error(curve.means.get(bins, float("nan")))
    axes.annotate(means, (1, 1), (0, 3), color=VERMILION, ha="right", **looks)


def _draw_key(sheet: Sheet, left: float, unit: str) -> None:
    """Which line is which, at the foot of the sheet."""
    height = sheet.figure.get_size_inches()[1]
    for place, (looks, words) in enumerate(((POOLED, "all voxels pooled"), (MEANS, f"mean over {unit}s"))):
        start = left + 1.5 * place
        axes = sheet.add_axes(start, height - 0.25, 0.3, 0.12)
        axes.plot([0, 0.5, 1], [0, 0, 0], **{**looks, "markevery": [1]})
        axes.set_axis_off()
        sheet.add_text(start + 0.36, height - 0.25, words, fontsize=SMALL)
