"""The penalty that each loss puts on a logit distance, its gradient, and the gradient of the whole loss."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.report.figure_style import BLUE, GREY, MARGIN, NORMAL, PALE, SMALL, VERMILION, Sheet, start_sheet, styled
from mlseg.report.loss_curves import LossCurves, find_free

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2
PANEL_WIDTH, PANEL_HEIGHT = 1.42, 0.66
LEFT, GAP, ROW = 1.72, 0.46, 0.92
NAME_CHARACTERS = 25
HEAD, FOOT = 0.42, 0.52
# The first number of classes and the second.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linewidth": 1.1, "zorder": 3},
    {"color": VERMILION, "linewidth": 1.1, "linestyle": (0, (4, 1.5)), "zorder": 4},
)
CROSS_ENTROPY: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (1, 1.5)), "zorder": 2}
COLUMNS = (
    ("Penalty", "loss − cross-entropy, 0 at d = 0"),
    ("Gradient of the penalty", "above 0 it pulls d down"),
    ("Gradient of the loss", "at rest where it crosses 0"),
)
CAPTION = (
    "A voxel's reference class wins over each of the other classes by the logit distance d. Shaded: where the penalty "
    "pulls d down. A loss shaded from 0 on never stops pushing to d = 0, the uniform prediction; a margin-based one "
    "stops at its margin (vertical line). Dot: the distance at which the whole loss is at rest. The last column's axis "
    "is linear within ±0.01 and logarithmic outside."
)


def build_loss_figure(losses: Sequence[LossCurves], *, title: str = "What a loss asks of a logit distance") -> Figure:
    """A row per loss, three panels each, a line per number of classes.

    Args:
        losses: from top to bottom, with the same numbers of classes, at most two.
        title: a line above.

    Raises:
        RunError: if there is nothing to draw.
    """
    if not losses:
        raise RunError("build_loss_figure: at least one loss with a penalty is needed, got none. Name others.")
    with styled():
        sheet = start_sheet(WIDTH, HEAD + ROW * len(losses) + FOOT, title=title, caption=CAPTION)
        for column, (heading, words) in enumerate(COLUMNS):
            left = _find_left(column)
            sheet.add_text(left, sheet.body, heading, fontsize=NORMAL, fontweight="bold")
            sheet.add_text(left, sheet.body + 0.14, words, fontsize=SMALL, color=GREY)
        for row, curves in enumerate(losses):
            top = sheet.body + HEAD + ROW * row
            _name_row(sheet, curves, top)
            axes = [sheet.add_axes(_find_left(n), top, PANEL_WIDTH, PANEL_HEIGHT) for n in range(len(COLUMNS))]
            _draw_penalty(axes[0], curves)
            _draw_push(axes[1], curves)
            _draw_slope(axes[2], curves)
            for panel in axes:
                _finish(panel, curves, last=row == len(losses) - 1)
        _draw_key(sheet, losses[0])
    return sheet.figure


def _find_left(column: int) -> float:
    return LEFT + column * (PANEL_WIDTH + GAP)


def _name_row(sheet: Sheet, curves: LossCurves, top: float) -> None:
    """The loss by its YAML's name, in words, and with its settings."""
    sheet.add_text(MARGIN, top, curves.name, fontsize=NORMAL, fontweight="bold")
    lines = textwrap.wrap(curves.title, NAME_CHARACTERS)
    # A no-break space keeps a number beside its name.
    settings = ", ".join(f"{key}\u00a0{format_setting(value)}" for key, value in curves.settings.items())
    for place, line in enumerate([*lines, *textwrap.wrap(settings, NAME_CHARACTERS)]):
        looks = {"color": GREY} if place >= len(lines) else {}
        sheet.add_text(MARGIN, top + 0.15 + 0.12 * place, line, fontsize=SMALL, **looks)


def format_setting(value: float | str) -> str:
    """A setting as it is written in YAML, numbers in short.

    Example:
        >>> format_setting(10.0), format_setting("l1")
        ('10', 'l1')
    """
    return value if isinstance(value, str) else f"{value:g}"


def _draw_penalty(axes: Axes, curves: LossCurves) -> None:
    lines = [curves.penalty(classes) for classes in curves.values]
    for line, looks in zip(lines, LOOKS, strict=False):
        axes.plot(curves.distances, line, **looks)
    _set_ticks(axes)
    _mark_margin(axes, curves)


def _draw_push(axes: Axes, curves: LossCurves) -> None:
    pushes = [curves.push(classes) for classes in curves.values]
    for push, looks in zip(pushes, LOOKS, strict=False):
        axes.plot(curves.distances, push, **looks)
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    low, high = min(0.0, float(np.min(pushes))), max(0.0, float(np.max(pushes)))
    room = 0.12 * (high - low or 1)
    axes.set_ylim(low - room, high + room)
    free = max(find_free(curves, classes) for classes in curves.values)
    if free < float("inf"):
        axes.axvspan(free, float(curves.distances[-1]), color=PALE, linewidth=0, alpha=0.6, zorder=0)
    _set_ticks(axes)
    _mark_margin(axes, curves)


def _set_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_slope(axes: Axes, curves: LossCurves) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("symlog", linthresh=0.01, linscale=0.5)
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=1)
    for classes, looks in zip(curves.slopes, LOOKS, strict=False):
        axes.plot(curves.distances, curves.baseline_slopes[classes], **CROSS_ENTROPY)
        axes.plot(curves.distances, curves.slopes[classes], **looks)
        rest = curves.rests[classes]
        if rest < float("inf"):
            axes.plot([rest], [0], marker="o", markersize=3.2, color=looks["color"], zorder=6, clip_on=False)
    highest = max(float(slopes.max()) for slopes in curves.slopes.values())
    axes.set_ylim(-1.3, max(0.2, 1.3 * highest))
    ticks = [tick for tick in (-1, -0.1, 0, 0.1, 1) if tick <= max(0.2, highest)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    _mark_margin(axes, curves)


def _mark_margin(axes: Axes, curves: LossCurves) -> None:
    if curves.margin is not None:
        axes.axvline(curves.margin, color="black", linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)


def _finish(axes: Axes, curves: LossCurves, *, last: bool) -> None:
    axes.set_xlim(0, float(curves.distances[-1]))
    axes.tick_params(labelsize=SMALL, labelbottom=last)
    if last:
        axes.set_xlabel("Logit distance d", labelpad=2)


def _draw_key(sheet: Sheet, curves: LossCurves) -> None:
    """Which line is which, at the foot of the sheet."""
    height = sheet.figure.get_size_inches()[1]
    entries = [(looks, f"{classes} classes") for classes, looks in zip(curves.values, LOOKS, strict=False)]
    for place, (looks, words) in enumerate([*entries, (CROSS_ENTROPY, "cross-entropy alone")]):
        left = LEFT + 1.1 * place
        axes = sheet.add_axes(left, height - 0.24, 0.3, 0.12)
        axes.plot([0, 1], [0, 0], **looks)
        axes.set_axis_off()
        sheet.add_text(left + 0.36, height - 0.24, words, fontsize=SMALL)
