"""Figures for a paper, from counts; the only file that knows matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts, ReliabilityCurve, compute_ece, reliability_curve
from mlseg.records import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("image", "foreground", "boundary")
DPI = 300
PANEL_WIDTH = 2.3
HEIGHT = 3.6
TITLE_CHARACTERS_PER_INCH = 12
# Blue and vermilion of Okabe and Ito's palette, which colour-blind readers tell apart.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#666666"
# Bins with less than this share of the voxels are drawn hollow: they hardly touch the ECE.
LIGHT_BIN = 1e-3
SMALLEST_SHARE = 1e-5
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.usetex": False,
    "axes.unicode_minus": False,
}


def draw_reliability(
    bins_by_region: Mapping[str, BinCounts],
    path: Path,
    *,
    title: str,
    bins: int = 15,
    n_cases: Mapping[str, int] | None = None,
) -> None:
    """Write a reliability diagram as PNG with 300 dots per inch: a panel per region, confidence against accuracy.

    A dot is a bin: its mean confidence and its share of right voxels. The bar from it to the diagonal is the bin's
    error; ECE is the mean of these bars, weighted by the strip of voxel shares below. Hollow dots hold less than 0.1 %
    of the voxels.

    Args:
        bins_by_region: region -> histograms, merged over cases; "image", "foreground" and "boundary" are drawn if there
            are any of them, else whatever is there.
        path: the PNG file, written in one step.
        title: a line above the panels.
        bins: number of equal-width bins, a divisor of 300.
        n_cases: region -> cases behind the counts; None leaves the number out.

    Raises:
        RunError: if there is no region to draw.
        ConfigError: if `bins` does not divide 300.
    """
    import matplotlib

    figure = build_reliability(bins_by_region, title=title, bins=bins, n_cases=n_cases)
    with replacing(path) as temporary, matplotlib.rc_context(STYLE):
        figure.savefig(temporary, format="png", dpi=DPI)


def build_reliability(
    bins_by_region: Mapping[str, BinCounts], *, title: str, bins: int = 15, n_cases: Mapping[str, int] | None = None
) -> Figure:
    """The figure that `draw_reliability` writes, for a notebook; the arguments are the same."""
    import matplotlib
    from matplotlib.figure import Figure

    regions = [region for region in PANELS if region in bins_by_region] or list(bins_by_region)
    if not regions:
        raise RunError("draw_reliability: at least one region is needed, got none. Evaluate the run again.")
    with matplotlib.rc_context(STYLE):
        width = PANEL_WIDTH * len(regions) + 0.3
        figure = Figure(figsize=(width, HEIGHT), dpi=DPI, layout="constrained")
        lines = textwrap.fill(title, int(TITLE_CHARACTERS_PER_INCH * width))
        figure.suptitle(lines, fontsize=9, parse_math=False)
        grid = figure.add_gridspec(2, len(regions), height_ratios=[4, 1])
        curves = [reliability_curve(bins_by_region[region], bins) for region in regions]
        lowest = _find_lowest_share(curves)
        for column, (region, curve) in enumerate(zip(regions, curves, strict=True)):
            counts = bins_by_region[region]
            upper = figure.add_subplot(grid[0, column])
            lower = figure.add_subplot(grid[1, column], sharex=upper)
            _draw_curve(upper, curve)
            _draw_shares(lower, curve, lowest)
            cases = None if n_cases is None else n_cases.get(region)
            heading, size = _describe_panel(region, counts, bins, cases)
            upper.set_title(heading, loc="left", pad=15, fontsize=8, fontweight="bold", parse_math=False)
            upper.annotate(size, (0, 1), (0, 6), "axes fraction", "offset points", fontsize=6.5, color=GREY)
            upper.tick_params(labelbottom=False, labelleft=column == 0)
            lower.tick_params(labelleft=column == 0)
            lower.set_xlabel("Confidence")
            if column == 0:
                upper.set_ylabel("Accuracy")
                lower.set_ylabel("Voxels (%)")
    return figure


def _draw_curve(axes: Axes, curve: ReliabilityCurve) -> None:
    """Diagonal, the bins' errors as bars to it, and the bins as dots."""
    filled = ~np.isnan(curve.confidence)
    confidence, accuracy, mass = curve.confidence[filled], curve.accuracy[filled], curve.mass[filled]
    # Drawn for 15 bins; more of them share the same room.
    size = min(1.0, 15 / len(filled))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.vlines(confidence, confidence, accuracy, color=VERMILION, linewidth=2.2 * size, alpha=0.55, zorder=2)
    # Empty bins are NaN and break the line, which would claim something about them otherwise.
    axes.plot(curve.confidence, curve.accuracy, color=BLUE, linewidth=1.0, zorder=3)
    faces = [BLUE if share >= LIGHT_BIN else "white" for share in mass]
    axes.scatter(
        confidence, accuracy, s=14 * size, c=faces, edgecolors=BLUE, linewidths=0.9 * size**0.5, zorder=4, clip_on=False
    )
    ticks = np.linspace(0, 1, 5)
    names = [f"{tick:g}" for tick in ticks]
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, xticklabels=names, yticks=ticks, yticklabels=names)
    zone: dict[str, Any] = {"fontsize": 6.5, "color": GREY, "style": "italic", "zorder": 0}
    axes.text(0.97, 0.03, "overconfident", ha="right", va="bottom", **zone)
    axes.text(0.03, 0.97, "underconfident", ha="left", va="top", **zone)


def _draw_shares(axes: Axes, curve: ReliabilityCurve, lowest: float) -> None:
    """The share of voxels in each bin, in percent on a logarithmic scale: most voxels sit in the last bin."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    width = 1 / len(curve.mass)
    left = np.arange(len(curve.mass)) * width
    axes.set_yscale("log")
    axes.bar(left, 100 * curve.mass, width * 0.9, align="edge", color=BLUE, alpha=0.6, linewidth=0)
    axes.set_ylim(100 * lowest, 100)
    axes.yaxis.set_major_locator(FixedLocator([100.0 * lowest, 1.0, 100.0]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _find_lowest_share(curves: Sequence[ReliabilityCurve]) -> float:
    """The foot of the strips, the same in all panels: the power of ten below the smallest share, at most 0.1 %."""
    shares = np.concatenate([curve.mass for curve in curves])
    shares = shares[shares > 0]
    smallest = max(float(shares.min()), SMALLEST_SHARE) if shares.size else 1.0
    return min(1e-3, 10.0 ** math.floor(math.log10(smallest)))


def _describe_panel(region: str, counts: BinCounts, bins: int, n_cases: int | None) -> tuple[str, str]:
    """Name with ECE, and what the ECE rests on."""
    ece = compute_ece(counts, bins)
    heading = f"{region.capitalize()}: ECE " + ("n/a" if math.isnan(ece) else f"{ece:.3f}")
    of_cases = "" if n_cases is None else f" over {n_cases} {'case' if n_cases == 1 else 'cases'}"
    return heading, f"pooled{of_cases}, {_format_voxels(counts.voxels)}"


def _format_voxels(voxels: int) -> str:
    if voxels == 1:
        return "1 voxel"
    return f"{voxels / 1e6:,.1f} million voxels" if voxels >= 1e6 else f"{voxels:,} voxels"
