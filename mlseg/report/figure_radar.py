"""A radar of methods: an axis for each score, from the worst of the methods to the best, with both numbers at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.report.figure_style import BLUE, GREY, NORMAL, PALE, SMALL, VERMILION, start_sheet, styled
from mlseg.report.paper_words import format_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches.
SIDE, LEFT, RADIUS, LABEL = 3.3, 0.35, 1.05, 0.42
# Inches of a line's mark in the legend, and roughly of a letter.
KEY, LETTER = 0.75, 0.066
# Where the worst method of an axis stands, the best being at 1: not in the centre, where lines would cross.
INNER = 0.25
FEWEST_AXES, MOST_METHODS, MOST_DECIMALS = 3, 8, 6
# Okabe and Ito's palette, its yellow left out, which is lost on white; each with its own mark and dashes.
LOOKS = (
    ("#000000", "o", "-"),
    ("#E69F00", "s", "-"),
    ("#56B4E9", "^", "-"),
    ("#009E73", "D", (0, (4, 1.2))),
    ("#CC79A7", "v", (0, (4, 1.2))),
    (GREY, "P", (0, (1.5, 1))),
    (VERMILION, "X", "-"),
    (BLUE, "h", "-"),
)
CAPTION = (
    "Each axis runs from the worst (inner ring) to the best (outer ring) of the means shown, which stand at it; "
    "outside is better on every axis. The axes are stretched by themselves, so a gap says nothing of its size in "
    "patients, and ranges of a few thousandths look as wide as large ones: read it with the table's intervals."
)


@dataclass(frozen=True, kw_only=True)
class RadarAxis:
    """One score.

    Args:
        heading: the score with its unit.
        unit: of the values.
        higher: True if a larger value is better.
        values: method -> mean; NaN or missing where there is none.
    """

    heading: str
    unit: str
    higher: bool
    values: Mapping[str, float]


def build_radar(methods: Sequence[str], axes: Sequence[RadarAxis], *, title: str, about: str = "") -> Figure:
    """One line per method over all axes.

    Args:
        methods: two to eight.
        axes: three or more, clockwise from the top.
        title: what was judged.
        about: who was tested, at the end of the caption.

    Raises:
        RunError: too few axes, or fewer or more methods than can be read.
    """
    if len(axes) < FEWEST_AXES or not 2 <= len(methods) <= MOST_METHODS:
        raise RunError(
            f"build_radar: needs {FEWEST_AXES} scores and 2 to {MOST_METHODS} methods, got {len(axes)} and "
            f"{len(methods)}. Choose others."
        )
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(axes)) / len(axes)
    with styled():
        # An inch is an inch in both directions; above and below there is room for the words at the spokes.
        half, up, down = SIDE / 2, *(1.1 * RADIUS * end + LABEL for end in (1.0, -float(np.sin(angles).min())))
        width = LEFT + SIDE + KEY + LETTER * max(map(len, methods))
        sheet = start_sheet(width, up + down, title=title, caption=" ".join(part for part in (CAPTION, about) if part))
        ends = {"xlim": (-half / RADIUS, half / RADIUS), "ylim": (-down / RADIUS, up / RADIUS)}
        plot = sheet.add_axes(LEFT, sheet.body, SIDE, up + down, **ends)
        plot.set_axis_off()
        _draw_frame(plot, axes, angles)
        for method, (colour, mark, dashes) in zip(methods, LOOKS, strict=False):
            radii = np.array([place_value(axis, method) for axis in axes])
            closed = np.append(np.arange(len(axes)), 0)
            x, y = (radii * np.cos(angles))[closed], (radii * np.sin(angles))[closed]
            looks: dict[str, Any] = {
                "color": colour,
                "linestyle": dashes,
                "marker": mark,
                "markersize": 3.4,
                "linewidth": 1.1,
            }
            plot.plot(x, y, label=method, alpha=0.9, markeredgewidth=0, zorder=3, **looks)
        middle = (down / sheet.figure.get_size_inches()[1]).item()
        plot.legend(
            loc="center left",
            bbox_to_anchor=((LEFT + SIDE + 0.2) / width, middle),
            bbox_transform=sheet.figure.transFigure,
            frameon=False,
            fontsize=NORMAL,
            handlelength=2.6,
        )
    return sheet.figure


def place_value(axis: RadarAxis, method: str) -> float:
    """How far out a method stands on an axis: 0.25 for the worst, 1 for the best, 1 for all if they are equal.

    Returns:
        NaN for a method without a value.

    Example:
        >>> axis = RadarAxis(heading="HD95 (mm)", unit="mm", higher=False, values={"a": 2.0, "b": 6.0, "c": 4.0})
        >>> [place_value(axis, name) for name in ("a", "b", "c", "d")]
        [1.0, 0.25, 0.625, nan]
    """
    value = axis.values.get(method, np.nan)
    worst, best = _find_ends(axis)
    share = (value - worst) / (best - worst) if best != worst else 1.0 + 0 * value
    return float(INNER + (1 - INNER) * share)


def format_ends(axis: RadarAxis) -> tuple[str, str]:
    """The worst and the best value, with more decimals than usual where they would look the same.

    Example:
        >>> format_ends(RadarAxis(heading="ECE", unit="1", higher=False, values={"a": 0.00812, "b": 0.00796}))
        ('0.0081', '0.0080')
    """
    worst, best = _find_ends(axis)
    texts = (format_number(worst, axis.unit), format_number(best, axis.unit))
    decimals = len(texts[0].partition(".")[2])
    while texts[0] == texts[1] and worst != best and decimals < MOST_DECIMALS:
        decimals += 1
        texts = (f"{worst:.{decimals}f}", f"{best:.{decimals}f}")
    return texts


def _find_ends(axis: RadarAxis) -> tuple[float, float]:
    """The worst and the best value."""
    known = [value for value in axis.values.values() if value == value]
    if not known:
        raise RunError(f"build_radar: {axis.heading} must have a value, got none. Leave it out.")
    return (min(known), max(known)) if axis.higher else (max(known), min(known))


def _draw_frame(plot: Axes, axes: Sequence[RadarAxis], angles: np.ndarray) -> None:
    """Rings, spokes, and at each spoke its score with the best and the worst number."""
    turn = np.linspace(0, 2 * np.pi, 200)
    for radius in (INNER, (1 + INNER) / 2, 1.0):
        plot.plot(radius * np.cos(turn), radius * np.sin(turn), color=PALE, linewidth=0.7, zorder=0)
    for axis, angle in zip(axes, angles, strict=True):
        direction = np.array([np.cos(angle), np.sin(angle)])
        plot.plot(*zip(INNER * direction, direction, strict=True), color=PALE, linewidth=0.7, zorder=0)
        worst, best = format_ends(axis)
        side = "center" if abs(direction[0]) < 0.2 else "left" if direction[0] > 0 else "right"
        upright = "center" if abs(direction[1]) < 0.2 else "bottom" if direction[1] > 0 else "top"
        x, y = 1.1 * direction
        lines = f"{axis.heading}\nbest {best}\nworst {worst}"
        plot.text(x, y, lines, ha=side, va=upright, fontsize=SMALL, color="black", linespacing=1.25)
