"""A grid of square panels, each with a strip below it: regions from left to right, classes or labels downwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlseg.report.figure_style import GREY, NORMAL, SMALL, SMALL_LINE, Sheet, start_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A page of a journal is 7.2 inches wide.
WIDE_COLUMNS = 4
NARROWEST = 3.4
# Two lines over each column.
HEAD = 0.14 + SMALL_LINE + 0.07
TICKS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the parts of a grid lie; lengths in inches.

    Args:
        rows, columns: number of panels.
        width, height: of a panel.
        strip: height of the strip below it; 0 for none.
        gap: between columns.
        left: room for the vertical axis and the row's name.
        names: True leaves room for a name over each panel.
    """

    rows: int
    columns: int
    width: float
    height: float
    strip: float
    gap: float = 0.28
    left: float = 0.74
    names: bool = False

    @property
    def panel_head(self) -> float:
        """Room over each panel."""
        return 0.32 if self.names else 0.17

    @property
    def row_height(self) -> float:
        """One row: its heading line, panel, strip, and the room below."""
        return self.panel_head + self.height + (0.12 + self.strip if self.strip else 0.0) + 0.2

    def start(self, *, title: str, caption: str, foot: float = 0.0) -> Sheet:
        """A sheet with room for the grid, and `foot` more below it."""
        width = self.left + self.columns * (self.width + self.gap) - self.gap + 0.12
        height = HEAD + self.rows * self.row_height + 0.18 + foot
        return start_sheet(max(width, NARROWEST), height, title=title, caption=caption)

    def add_panel(self, sheet: Sheet, row: int, column: int) -> Axes:
        """The panel."""
        return sheet.add_axes(*self._corner(sheet, row, column), self.width, self.height)

    def add_strip(self, sheet: Sheet, row: int, column: int) -> Axes:
        """The strip below the panel."""
        left, top = self._corner(sheet, row, column)
        return sheet.add_axes(left, top + self.height + 0.12, self.width, self.strip)

    def head_column(self, sheet: Sheet, column: int, name: str, rests_on: str) -> None:
        """The column's name in bold, and below it what the column rests on."""
        left = self._corner(sheet, 0, column)[0]
        sheet.add_text(left, sheet.body, name, fontsize=NORMAL + 0.5, fontweight="bold")
        sheet.add_text(left, sheet.body + 0.14, rests_on, fontsize=SMALL, color=GREY)

    def _corner(self, sheet: Sheet, row: int, column: int) -> tuple[float, float]:
        left = self.left + column * (self.width + self.gap)
        return left, sheet.body + HEAD + row * self.row_height + self.panel_head


def choose_grid(
    rows: int, columns: int, *, strips: bool = True, names: bool = False, gap: float = 0.28, aspect: float = 1.0
) -> Grid:
    """Larger panels where there are few, and four panels to a page's width.

    Args:
        strips: False for panels without strips.
        names, gap: see `Grid`.
        aspect: height of a panel over its width.
    """
    width = {1: 2.45, 2: 2.0}.get(columns, 1.36 + 0.28 - gap)
    strip = 0.5 if columns < 3 else 0.42 if rows == 1 else 0.3
    strip = strip if strips else 0.0
    return Grid(rows=rows, columns=columns, width=width, height=aspect * width, strip=strip, gap=gap, names=names)


def head_panel(axes: Axes, left: str, right: str = "", *, name: str = "") -> None:
    """A line over a panel: its error, in grey what that rests on; and in bold above them the panel's name, if any."""
    looks: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    axes.annotate(left, (0, 1), (0, 3), fontsize=NORMAL, ha="left", **looks)
    if right:
        axes.annotate(right, (1, 1), (0, 3), fontsize=SMALL, color=GREY, ha="right", **looks)
    if name:
        axes.annotate(name, (0, 1), (0, 13), fontsize=NORMAL + 0.5, fontweight="bold", ha="left", **looks)


def label_vertical(axes: Axes, word: str, *, small: bool = False) -> None:
    """A word beside the vertical axis, at the same distance in all rows."""
    axes.set_ylabel(word, fontsize=SMALL if small else NORMAL)
    axes.yaxis.set_label_coords(-0.4 / _measure_width(axes), 0.5)


def name_row(axes: Axes, name: str) -> None:
    """The row's name in bold beside the word of its vertical axis."""
    looks: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "fontweight": "bold"}
    place = (-0.52 / _measure_width(axes), 0.5)
    axes.text(*place, name, transform=axes.transAxes, fontsize=NORMAL + 0.5, **looks)


def _measure_width(axes: Axes) -> float:
    """Inches."""
    return float(axes.get_window_extent().width / axes.figure.dpi)
