"""Box plots of the subjects of each method, with every subject as a dot: how far patients differ, method by method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlseg.checks import RunError
from mlseg.report.figure_style import BLUE, GREY, NORMAL, SMALL, VERMILION, Sheet, start_sheet, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
ROW, BETWEEN, HEAD, FOOT, GAP, WIDTH = 0.27, 0.12, 0.2, 0.4, 0.25, 2.35
CHARACTERS_PER_INCH = 15.0
# Quartiles of fewer values say no more than the values.
FEWEST_BOXED = 5
COLOURS = (BLUE, VERMILION, "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
CAPTION = (
    "Dots: subjects; frames, seeds and the labels that the subject has averaged. Box: quartiles and median of the "
    "dots; whiskers: to the farthest dot within 1.5 box lengths; diamond: mean over subjects, then labels."
)
FEW = (
    "Dots: subjects; frames, seeds and the labels that the subject has averaged; below "
    f"{FEWEST_BOXED} subjects no box. Diamond: mean over subjects, then labels."
)


@dataclass(frozen=True, kw_only=True)
class BoxGroup:
    """Methods that belong together, such as those of one network.

    Args:
        name: in bold before them; "" for none.
        rows: names of the methods; the place of a row in its group gives its colour.
    """

    name: str
    rows: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BoxPanel:
    """One score.

    Args:
        heading: the score with its unit.
        better: "higher" or "lower".
        rows: the subjects' values of each method, in the order of the groups; NaN is left out.
        means: of each method, as the table has it: where a subject lacks a label it is not the mean of the values.
    """

    heading: str
    better: str
    rows: Sequence[np.ndarray]
    means: Sequence[float]


def build_boxes(groups: Sequence[BoxGroup], panels: Sequence[BoxPanel], *, title: str, about: str = "") -> Figure:
    """A row for each method, a panel for each score.

    Args:
        groups: from top to bottom.
        panels: from left to right.
        title: what was judged.
        about: who was tested, at the end of the caption.

    Raises:
        RunError: there is nothing to draw.
    """
    names = [row for group in groups for row in group.rows]
    if not names or not panels:
        raise RunError("build_boxes: at least one method and one score are needed, got none. Train one.")
    headed = any(group.name for group in groups)
    longest = max(map(len, names)) + (2 + max(len(group.name) for group in groups) if headed else 0)
    left = 0.25 + longest / CHARACTERS_PER_INCH
    places, bottom = _place_rows(groups)
    most = max(int((~np.isnan(row)).sum()) for panel in panels for row in panel.rows)
    caption = " ".join(part for part in (CAPTION if most >= FEWEST_BOXED else FEW, about) if part)
    with styled():
        width = left + len(panels) * (WIDTH + GAP) - GAP + 0.15
        sheet = start_sheet(max(width, 3.4), HEAD + bottom + FOOT, title=title, caption=caption)
        for number, panel in enumerate(panels):
            axes = _add_panel(sheet, panel, left + number * (WIDTH + GAP), bottom)
            for place, row, mean, colour in zip(places, panel.rows, panel.means, _choose_colours(groups), strict=True):
                _draw_row(axes, place, row[~np.isnan(row)], mean, colour)
            axes.set_yticks(places, names if number == 0 else [""] * len(names))
        if headed:
            _name_groups(sheet, groups, places)
    return sheet.figure


def _place_rows(groups: Sequence[BoxGroup]) -> tuple[list[float], float]:
    """The middle of each row and the end of the last one, in inches from the top of the panel."""
    places, top = [], 0.0
    for group in groups:
        places += [top + (row + 0.5) * ROW for row in range(len(group.rows))]
        top += len(group.rows) * ROW + BETWEEN
    return places, top - BETWEEN


def _choose_colours(groups: Sequence[BoxGroup]) -> list[str]:
    """The same for the same method of each network; one for all without groups."""
    if len(groups) == 1:
        return [BLUE] * len(groups[0].rows)
    return [COLOURS[row % len(COLOURS)] for group in groups for row in range(len(group.rows))]


def _add_panel(sheet: Sheet, panel: BoxPanel, left: float, height: float) -> Axes:
    sheet.add_text(left, sheet.body, panel.heading, fontsize=NORMAL + 0.5, fontweight="bold")
    axes = sheet.add_axes(left, sheet.body + HEAD, WIDTH, height)
    axes.set_ylim(height, 0)
    axes.set_xlabel(f"{panel.better} is better", fontsize=SMALL, color=GREY, labelpad=2)
    axes.grid(axis="x", color=GREY, alpha=0.2, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.locator_params(axis="x", nbins=5)
    axes.spines["left"].set_visible(False)
    return axes


def _draw_row(axes: Axes, place: float, values: np.ndarray, mean: float, colour: str) -> None:
    if not len(values):
        return
    if len(values) >= FEWEST_BOXED:
        lines = {"color": colour, "linewidth": 0.8}
        axes.boxplot(
            values,
            positions=[place],
            orientation="horizontal",
            widths=0.62 * ROW,
            manage_ticks=False,
            showfliers=False,
            showcaps=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.22, "edgecolor": colour, "linewidth": 0.8},
            whiskerprops=lines,
            medianprops={"color": colour, "linewidth": 1.6},
        )
    # A fixed pattern of heights keeps dots apart, and the same in each drawing.
    heights = place + ROW * 0.09 * (np.arange(len(values)) % 5 - 2)
    axes.plot(values, heights, "o", color=colour, markersize=2, alpha=0.65, markeredgewidth=0, zorder=3)
    axes.plot([mean], [place], "D", color="white", markeredgecolor="black", markersize=3, zorder=4, mew=0.7)


def _name_groups(sheet: Sheet, groups: Sequence[BoxGroup], places: Sequence[float]) -> None:
    first = 0
    for group in groups:
        own = places[first : first + len(group.rows)]
        middle = sheet.body + HEAD + (own[0] + own[-1]) / 2
        sheet.add_text(0.1, middle, group.name, fontweight="bold", va="center")
        first += len(group.rows)
