"""Differences between methods, subject by subject, with the mean and its interval: what a paired test looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.records import replacing
from mlseg.report.comparisons import Comparison
from mlseg.report.figure_style import (
    BLUE,
    GREY,
    NORMAL,
    SMALL,
    VERMILION,
    Sheet,
    save_figure,
    start_sheet,
    styled,
)
from mlseg.report.paper_words import format_number, format_p

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, HEAD, FOOT, GAP, WIDTH = 0.42, 0.2, 0.42, 0.22, 1.75
# Roughly, of DejaVu Sans at its normal size.
CHARACTERS_PER_INCH = 15.0
CAPTION = (
    "Dots: subjects, frames and seeds averaged first. Bar: mean of the differences with its 95% interval, where there "
    "is one; above it the mean, and p of the paired sign-flip test after Holm over the rows of the panel."
)


@dataclass(frozen=True, kw_only=True)
class DifferencePanel:
    """One score.

    Args:
        heading: the score with its unit.
        unit: of the differences.
        better: "higher" or "lower": which side speaks for the first method.
        rows: for each row of the figure its subjects' differences and what they say; None where there is nothing.
    """

    heading: str
    unit: str
    better: str
    rows: Sequence[tuple[np.ndarray, Comparison] | None]


def build_differences(names: Sequence[str], panels: Sequence[DifferencePanel], *, title: str) -> Figure:
    """A row for each pair of methods, a panel for each score.

    Args:
        names: of the rows, e.g. "MbLS - CE".
        panels: from left to right.
        title: over the figure.

    Raises:
        RunError: there is nothing to draw.
    """
    if not names or not panels:
        raise RunError("build_differences: at least one pair and one score are needed, got none. Compare two sets.")
    left = 0.25 + max(map(len, names)) / CHARACTERS_PER_INCH
    with styled():
        width = left + len(panels) * (WIDTH + GAP)
        height = HEAD + ROW * len(names)
        sheet = start_sheet(max(width, 3.4), height + FOOT, title=title, caption=CAPTION)
        for place, panel in enumerate(panels):
            _draw_panel(sheet, panel, names if place == 0 else (), left=left + place * (WIDTH + GAP), height=height)
    return sheet.figure


def save_both(figure: Figure, stem: Path) -> list[Path]:
    """Write <stem>.png and <stem>.pdf, each in one step; the folder is made. Raises RunError if one is not written."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    save_figure(figure, png)
    # The same figure gives the same bytes, whenever it is drawn.
    with replacing(pdf) as temporary, styled():
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    return [png, pdf]


def _draw_panel(sheet: Sheet, panel: DifferencePanel, names: Sequence[str], *, left: float, height: float) -> None:
    sheet.add_text(left, sheet.body, panel.heading, fontsize=NORMAL + 0.5, fontweight="bold")
    axes = sheet.add_axes(left, sheet.body + HEAD, WIDTH, height - HEAD)
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    for row, drawn in enumerate(panel.rows):
        if drawn is not None:
            _draw_row(axes, row, *drawn)
    rows = len(panel.rows)
    axes.set(ylim=(rows - 0.5, -0.5), yticks=range(rows), yticklabels=names if names else [""] * rows)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.08)
    for row, drawn in enumerate(panel.rows):
        if drawn is not None:
            _name_row(axes, row, drawn[1], unit=panel.unit)
    axes.spines["left"].set_visible(False)
    side = "right" if panel.better == "higher" else "left"
    axes.set_xlabel(f"difference; {side} of 0: the first is better", fontsize=SMALL, labelpad=2)


def _draw_row(axes: Axes, row: int, differences: np.ndarray, found: Comparison) -> None:
    # A fixed pattern of heights keeps dots apart, and the same in each drawing.
    offsets = 0.1 + 0.06 * (np.arange(len(differences)) % 4 - 1.5)
    axes.plot(differences, row + 0.1 + offsets, ".", color=BLUE, markersize=3, alpha=0.6, linewidth=0, zorder=2)
    if found.interval.kind != "none":
        axes.plot([found.interval.low, found.interval.high], [row, row], color=VERMILION, linewidth=1.6, zorder=3)
    axes.plot([found.difference], [row], "o", color=VERMILION, markersize=4, zorder=4)


def _name_row(axes: Axes, row: int, found: Comparison, *, unit: str) -> None:
    """Mean and p over the bar, shifted inwards near the edges of the panel."""
    p = format_p(found.p_holm)
    p = p if p == "no test" else f"p {p}" if p.startswith("<") else f"p = {p}"
    low, high = axes.get_xlim()
    place = (found.difference - low) / (high - low)
    side = "left" if place < 0.25 else "right" if place > 0.75 else "center"
    white: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8}
    looks: dict[str, Any] = {"fontsize": SMALL - 0.5, "ha": side, "color": GREY, "bbox": white}
    shift = {"left": -8, "right": 8, "center": 0}[side]
    text = f"{format_number(found.difference, unit, sign=True)}, {p}"
    axes.annotate(text, (found.difference, row), (shift, 4), textcoords="offset points", **looks)
