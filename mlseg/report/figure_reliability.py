"""Reliability diagrams of all voxels pooled: of the predicted class, and of each class by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts, ReliabilityCurve, reliability_curve
from mlseg.report.bin_errors import compute_gaps
from mlseg.report.figure_grid import TICKS, WIDE_COLUMNS, choose_grid, head_panel, label_vertical, name_row
from mlseg.report.figure_style import (
    BLUE,
    GREY,
    SMALL,
    VERMILION,
    format_count,
    format_error,
    name_region,
    set_unit_ticks,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Bins with less than this share of the voxels are drawn hollow: they hardly touch the error.
LIGHT_BIN = 1e-3
SMALLEST_SHARE = 1e-5
TOP_LABEL = 0
CAPTIONS = {
    True: "Reliability of the predicted class: confidence against accuracy. ",
    False: "Reliability of each class: its probability against how often it is the class of the reference. "
    "The error is the class-wise calibration error, n the voxels of the class in the reference. ",
}
HOW_TO_READ = (
    "All voxels pooled, {bins} bins: a dot is a bin, the bar from it to the diagonal its error, the strip below its "
    "share of the voxels, by which errors are weighted. Hollow dots: under 0.1 % of the voxels."
)


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One row of panels.

    Args:
        name: what the row is about; "" for a single row that needs no name.
        counts: region -> histograms, merged over cases.
        row: which of their rows is drawn: 0 for the top label, k + 1 for class k.
    """

    name: str
    counts: Mapping[str, BinCounts]
    row: int = TOP_LABEL


def build_reliability(
    rows: Sequence[GridRow], *, title: str, bins: int = 15, n_cases: Mapping[str, int] | None = None
) -> Figure:
    """A panel per row and region: the mean confidence of each bin against its share of right voxels.

    A dot is a bin, the bar from it to the diagonal its error; the calibration error is the mean of these bars, weighted
    by the strip of voxel shares below. Hollow dots hold less than 0.1 % of the voxels. Several rows of a single region
    lie side by side.

    Args:
        rows: what to draw, all of the top label or all of classes; the first row's regions are the columns.
        title: what was judged.
        bins: number of equal-width bins, a divisor of 300.
        n_cases: region -> cases behind the counts; None leaves the number out.

    Raises:
        RunError: if there is no region to draw.
        ConfigError: if `bins` does not divide 300.
    """
    regions = list(rows[0].counts) if rows else []
    if not regions:
        raise RunError("build_reliability: at least one region is needed, got none. Evaluate the run again.")
    flat = len(regions) == 1 and len(rows) > 1
    columns = min(len(rows), WIDE_COLUMNS) if flat else len(regions)
    grid = choose_grid(math.ceil(len(rows) * len(regions) / columns), columns, names=flat)
    caption = CAPTIONS[rows[0].row == TOP_LABEL] + HOW_TO_READ.format(bins=bins)
    panels = [(row, region) for row in rows for region in regions]
    curves = [reliability_curve(row.counts[region], bins, row=row.row) for row, region in panels]
    lowest = _find_lowest_share(curves)
    with styled():
        sheet = grid.start(title=title, caption=caption)
        for column, region in enumerate(regions):
            grid.head_column(sheet, column, name_region(region), _count_region(rows, region, n_cases))
        for place, ((row, region), curve) in enumerate(zip(panels, curves, strict=True)):
            where = divmod(place, columns)
            upper, lower = grid.add_panel(sheet, *where), grid.add_strip(sheet, *where)
            _draw_curve(upper, curve)
            _draw_shares(lower, curve, lowest)
            head_panel(upper, *_describe_panel(row, region, bins), name=row.name if flat else "")
            _label(upper, lower, row, first=where[1] == 0, last=place + columns >= len(panels), named=not flat)
            # The first class is the background: on the foreground its bars would cover the words.
            if place == (len(panels) - 1 if flat else 0):
                _name_sides(upper)
    return sheet.figure


def _label(upper: Axes, lower: Axes, row: GridRow, *, first: bool, last: bool, named: bool) -> None:
    """Words on the outer axes only: of the first column, and of the last panel of each column."""
    of_top_label = row.row == TOP_LABEL
    upper.tick_params(labelbottom=False, labelleft=first)
    lower.tick_params(axis="y", labelleft=first, labelsize=SMALL)
    lower.tick_params(axis="x", labelbottom=last)
    if last:
        lower.set_xlabel("Confidence" if of_top_label else "Probability of the class", labelpad=2)
    if first:
        label_vertical(upper, "Accuracy" if of_top_label else "Share of the class")
        label_vertical(lower, "Voxels (%)", small=True)
        if named and row.name:
            name_row(upper, row.name)


def _draw_curve(axes: Axes, curve: ReliabilityCurve) -> None:
    """Diagonal, the bins' errors as bars to it, and the bins as dots."""
    filled = ~np.isnan(curve.confidence)
    confidence, accuracy, mass = curve.confidence[filled], curve.accuracy[filled], curve.mass[filled]
    # Drawn for 15 bins; more of them share the same room.
    size = min(1.0, 15 / len(filled))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.vlines(confidence, confidence, accuracy, color=VERMILION, linewidth=2.2 * size, alpha=0.55, zorder=2)
    # Empty bins are NaN and break the line, which would claim something about them otherwise.
    axes.plot(curve.confidence, curve.accuracy, color=BLUE, linewidth=0.9, zorder=3)
    faces = [BLUE if share >= LIGHT_BIN else "white" for share in mass]
    axes.scatter(
        confidence, accuracy, s=11 * size, c=faces, edgecolors=BLUE, linewidths=0.8 * size**0.5, zorder=4, clip_on=False
    )
    set_unit_ticks(axes)


def _name_sides(axes: Axes) -> None:
    """What it means to lie below and above the diagonal."""
    zone: dict[str, Any] = {"fontsize": SMALL - 0.5, "color": GREY, "style": "italic", "zorder": 0}
    axes.text(0.97, 0.03, "overconfident", ha="right", va="bottom", **zone)
    axes.text(0.03, 0.97, "underconfident", ha="left", va="top", **zone)


def _draw_shares(axes: Axes, curve: ReliabilityCurve, lowest: float) -> None:
    """The share of voxels in each bin, in percent on a logarithmic scale: most voxels sit in the last bin."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    width = 1 / len(curve.mass)
    left = np.arange(len(curve.mass)) * width
    # Limits come first: a class without probability has no bar that a logarithmic axis could be fitted to.
    axes.set(yscale="log", xlim=(0, 1), ylim=(100 * lowest, 100))
    axes.set(xticks=TICKS, xticklabels=[f"{tick:g}" for tick in TICKS])
    axes.bar(left, 100 * curve.mass, width * 0.9, align="edge", color=BLUE, alpha=0.6, linewidth=0)
    axes.yaxis.set_major_locator(FixedLocator([100.0 * lowest, 1.0, 100.0]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _find_lowest_share(curves: Sequence[ReliabilityCurve]) -> float:
    """The foot of the strips, the same in all panels: the power of ten below the smallest share, at most 0.1 %."""
    shares = np.concatenate([curve.mass for curve in curves])
    shares = shares[shares > 0]
    smallest = max(float(shares.min()), SMALLEST_SHARE) if shares.size else 1.0
    return min(1e-3, 10.0 ** math.floor(math.log10(smallest)))


def _describe_panel(row: GridRow, region: str, bins: int) -> tuple[str, str]:
    """The panel's error, and for a class what it rests on."""
    counts = row.counts[region]
    error = format_error(compute_gaps([counts], bins)[0, row.row])
    if row.row == TOP_LABEL:
        return f"ECE {error}", ""
    own = int(counts.reference_voxels[row.row])
    return f"error {error}", f"n = {own / 1e6:.1f} million" if own >= 1e6 else f"n = {own:,}"


def _count_region(rows: Sequence[GridRow], region: str, n_cases: Mapping[str, int] | None) -> str:
    """Cases and voxels of a region."""
    voxels = format_count(rows[0].counts[region].voxels, "voxel")
    cases = None if n_cases is None else n_cases.get(region)
    return voxels if cases is None else f"{format_count(cases, 'case')}, {voxels}"
