"""The legend below pictures: lines and patches with their names, in as many rows as they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mlseg.report.figure_style import SMALL, Sheet

LEGEND_LINE = 0.17
# Inches: of a mark with the gaps around it, and roughly of a letter.
_MARK, _LETTER = 0.45, 0.055
# The ground of lines, as dark as the pictures that they are drawn on: yellow on white could not be read.
_GROUND = "#333333"


class Entry(NamedTuple):
    """What a colour stands for; `line` for contours, else an area."""

    name: str
    colour: str
    line: bool = False


def wrap_entries(entries: Sequence[Entry], room: float) -> list[list[Entry]]:
    """Rows of entries that fit into `room` inches.

    Example:
        >>> [[entry.name for entry in row] for row in wrap_entries([Entry(name, "#000000") for name in "abc"], 1.1)]
        [['a', 'b'], ['c']]
    """
    rows: list[list[Entry]] = [[]]
    for entry in entries:
        if rows[-1] and sum(map(_measure, [*rows[-1], entry])) > room:
            rows.append([])
        rows[-1].append(entry)
    return rows


def draw_entries(sheet: Sheet, rows: Sequence[Sequence[Entry]], left: float, top: float) -> float:
    """Draw the rows from (left, top) inches on. Returns where the next part may begin, in inches from the top."""
    for row in rows:
        place = left
        for entry in row:
            axes = sheet.add_axes(place, top, 0.2, 0.1, xlim=(0, 1), ylim=(0, 1))
            axes.set_axis_off()
            axes.fill_between([0, 1], 0, 1, color=_GROUND if entry.line else entry.colour, linewidth=0)
            if entry.line:
                axes.plot([0, 1], [0.5, 0.5], color=entry.colour, linewidth=1.4)
            sheet.add_text(place + 0.25, top - 0.01, entry.name, fontsize=SMALL)
            place += _measure(entry)
        top += LEGEND_LINE
    return top


def _measure(entry: Entry) -> float:
    """Inches that an entry takes, roughly."""
    return _MARK + _LETTER * len(entry.name)
