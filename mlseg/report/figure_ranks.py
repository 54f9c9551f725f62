"""A heat-map of ranks: a row for each method, a column for each score, and how sure each rank is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.report.comparisons import FEWEST_TESTED
from mlseg.report.figure_style import GREY, NORMAL, SMALL, Sheet, start_sheet, styled
from mlseg.report.paper_words import format_p
from mlseg.report.ranks import DataRanks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches.
CELL_WIDTH, NARROW, CELL_HEIGHT, GAP, LAST, HEAD, FOOT, LINE = 0.74, 0.57, 0.34, 0.14, 0.62, 0.3, 0.34, 0.11
CHARACTERS_PER_INCH = 15.0
# From the last rank to the first.
SHADES = ("#F4F7FA", "#8FC1E0", "#1F6FAE")
CAPTION = (
    "Rank of each method by its mean over subjects that every method has a value for, 1 = best; ties share the better "
    "rank. n: these subjects, which may be fewer than were tested: where a method has no value for a subject, no other "
    "method's value for it counts, however bad. Below a rank, how often it has "
    f"that rank when subjects are drawn anew (bootstrap; not below {FEWEST_TESTED} subjects). Mean: over the columns, "
    "each counting the same, though scores of one kind say much the same; rows are sorted by it. A rank says nothing "
    "of how large a difference is. p: Friedman's test, not corrected for the number of columns."
)


@dataclass(frozen=True, kw_only=True)
class RankColumn:
    """One score on one data set.

    Args:
        group: the data set, over its columns.
        heading: the score.
        methods: those that are ranked.
        ranks: of these, in this order.
        tested: subjects, with and without a value.
    """

    group: str
    heading: str
    methods: tuple[str, ...]
    ranks: DataRanks
    tested: int


def build_ranks(methods: Sequence[str], columns: Sequence[RankColumn], *, title: str, about: str = "") -> Figure:
    """The heat-map.

    Args:
        methods: two or more, each in every column.
        columns: from left to right, those of a data set side by side.
        title: what was judged.
        about: who was tested, at the end of the caption.

    Raises:
        RunError: there is nothing to rank, or a column lacks a method.
    """
    if len(methods) < 2 or not columns:
        raise RunError("build_ranks: at least two methods and one score are needed, got fewer. Train another method.")
    order, means = order_methods(methods, columns)
    groups = list(dict.fromkeys(column.group for column in columns))
    left = 0.3 + max(map(len, methods)) / CHARACTERS_PER_INCH
    cell = NARROW if len(groups) > 1 else CELL_WIDTH
    head = HEAD + (0.16 if len(groups) > 1 else 0.0)
    width = left + len(columns) * cell + len(groups) * GAP + LAST + 0.1
    with styled():
        fewer = any(column.ranks.n < column.tested for column in columns)
        height = head + CELL_HEIGHT * len(methods) + FOOT + (LINE if fewer else 0.0)
        caption = " ".join(part for part in (CAPTION, about) if part)
        sheet = start_sheet(max(width, 3.4), height, title=title, caption=caption)
        top, right = sheet.body + head, left
        for row, method in enumerate(order):
            middle = top + (row + 0.5) * CELL_HEIGHT
            sheet.add_text(left - 0.08, middle, method, ha="right", va="center")
        for group in groups:
            own = [column for column in columns if column.group == group]
            if len(groups) > 1:
                sheet.add_text(right, sheet.body, group, fontsize=NORMAL + 0.5, fontweight="bold")
            _draw_group(sheet, order, own, right, top, cell)
            right += len(own) * cell + GAP
        _draw_means(sheet, [means[method] for method in order], right, top)
    return sheet.figure


def order_methods(methods: Sequence[str], columns: Sequence[RankColumn]) -> tuple[list[str], dict[str, float]]:
    """Methods by their mean rank, those that tie in the given order, and the mean ranks.

    Raises:
        RunError: a column lacks a method.
    """
    for column in columns:
        if missing := set(methods) - set(column.methods):
            raise RunError(f"build_ranks: {column.heading} must rank every method, got none of {missing.pop()}.")
    found = {m: [column.ranks.ranks[column.methods.index(m)] for column in columns] for m in methods}
    means = {method: math.fsum(ranks) / len(ranks) for method, ranks in found.items()}
    return sorted(methods, key=means.__getitem__), means


def _draw_group(
    sheet: Sheet, order: Sequence[str], columns: Sequence[RankColumn], left: float, top: float, width: float
) -> None:
    """The cells of one data set, their headings, and Friedman's p and n below."""
    rows = len(order)
    grid = np.array([[c.ranks.ranks[c.methods.index(method)] for c in columns] for method in order])
    axes = sheet.add_axes(left, top, len(columns) * width, rows * CELL_HEIGHT)
    axes.set_axis_off()
    axes.pcolormesh(-grid, cmap=_build_shades(), vmin=-rows, vmax=-1, edgecolors="white", linewidth=1.2)
    axes.set(xlim=(0, len(columns)), ylim=(rows, 0))
    for place, column in enumerate(columns):
        for row, method in enumerate(order):
            number = column.methods.index(method)
            rank = column.ranks.ranks[number]
            share = column.ranks.shares[number, rank - 1]
            colour = "white" if (rank - 1) / max(rows - 1, 1) < 0.3 else "black"
            sure = column.ranks.n >= FEWEST_TESTED
            looks: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
            axes.text(place + 0.5, row + (0.36 if sure else 0.5), str(rank), fontsize=NORMAL + 1, **looks)
            if sure:
                axes.text(place + 0.5, row + 0.76, f"{share:.0%}", fontsize=SMALL - 1, **looks)
        middle = left + (place + 0.5) * width
        heading = column.heading.replace(" ", "\n", 1)
        sheet.add_text(middle, top - 0.05, heading, fontsize=SMALL, ha="center", va="bottom")
        p = format_p(column.ranks.friedman_p)
        text = p if p == "no test" else f"p {p}" if p.startswith("<") else f"p = {p}"
        # In a narrow column "n = 9 of 10" takes two lines.
        lines = [text, f"n = {column.ranks.n}"]
        lines += [f"of {column.tested}"] if column.ranks.n < column.tested else []
        for number, line in enumerate(lines):
            below = top + rows * CELL_HEIGHT + 0.04 + number * LINE
            sheet.add_text(middle, below, line, fontsize=SMALL - 0.5, ha="center", color=GREY)


def _draw_means(sheet: Sheet, means: Sequence[float], left: float, top: float) -> None:
    middle = left + LAST / 2
    sheet.add_text(middle, top - 0.05, "Mean rank", fontsize=SMALL, fontweight="bold", ha="center", va="bottom")
    for row, mean in enumerate(means):
        place = top + (row + 0.5) * CELL_HEIGHT
        sheet.add_text(middle, place, f"{mean:.2f}", fontsize=NORMAL + 0.5, fontweight="bold", ha="center", va="center")


def _build_shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ranks", SHADES)
