"""Axes of a setting's own values: a tick at each, its number where there is room, and no value squeezed by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.report.figure_style import GREY, SMALL
from mlseg.report.trends import format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Values spread over so many powers of ten have a logarithmic axis.
MANY_DECADES = 2.0
# Subjects may widen a panel so many times, or they leave it and are counted.
WIDEST = 3.0
# Inches of a small digit, and between two numbers.
_LETTER, _SPACE = 0.057, 0.025


def set_values(axes: Axes, xs: Sequence[float], *, width: float, named: bool = True) -> None:
    """A horizontal axis with the values where they are, evenly spaced or not.

    Args:
        axes: whose axis.
        xs: two or more different values, in any order; repeated ones count once.
        width: of the axes, inches.
        named: False leaves the numbers out.
    """
    values = sorted(set(xs))
    logarithmic = values[0] > 0 and bool(np.log10(values[-1] / values[0]) >= MANY_DECADES)
    if logarithmic:
        axes.set_xscale("log")
    axes.minorticks_off()
    places = np.log10(values) if logarithmic else np.array(values)
    pad = 0.06 * (places[-1] - places[0])
    low, high = places[0] - pad, places[-1] + pad
    axes.set_xlim((10.0**low, 10.0**high) if logarithmic else (low, high))
    inches = width * (places - low) / (high - low)
    names = choose_labels([format_value(x) for x in values], list(inches)) if named else [""] * len(values)
    axes.set_xticks(values, names)


def choose_labels(names: Sequence[str], inches: Sequence[float]) -> list[str]:
    """Labels that do not touch; "" for those without room. The first and the last stay.

    Args:
        names: of the ticks, from left to right.
        inches: where they are.

    Example:
        >>> choose_labels(["0", "3", "3.1", "20"], [0.0, 0.2, 0.21, 1.3])
        ['0', '3', '', '20']
    """
    half = [0.5 * _LETTER * len(name) for name in names]
    last, shown = len(names) - 1, [0]
    for place in range(1, last):
        gaps = (inches[place] - inches[shown[-1]] - half[shown[-1]], inches[last] - inches[place] - half[last])
        if min(gaps) >= _SPACE + half[place]:
            shown.append(place)
    return [name if place in {*shown, last} else "" for place, name in enumerate(names)]


def set_limits(axes: Axes, kept: Sequence[float], subjects: np.ndarray) -> None:
    """A vertical range that shows what matters; subjects far off are counted in words instead of squeezing it.

    Args:
        axes: whose axis.
        kept: what must be seen, such as means and the ends of intervals; NaN is left out.
        subjects: values that are seen as far as they lie near; NaN is left out.
    """
    needed, values = np.array(kept, float), np.ravel(subjects)
    needed, values = needed[~np.isnan(needed)], values[~np.isnan(values)]
    if not len(needed):
        return
    ends = np.quantile(values, (0.25, 0.75)) if len(values) else needed[:1]
    low, high = min(needed.min(), ends.min()), max(needed.max(), ends.max())
    room = WIDEST * (high - low)
    inner = values[(values >= low - room) & (values <= high + room)]
    low, high = min(low, inner.min(initial=low)), max(high, inner.max(initial=high))
    pad = 0.05 * (high - low) or 0.01
    axes.set_ylim(low - pad, high + pad)
    outside = len(values) - len(inner)
    if outside:
        text = f"{outside} subject {'value' if outside == 1 else 'values'} outside"
        looks: dict[str, Any] = {"xycoords": "axes fraction", "ha": "right", "va": "top", "fontsize": SMALL - 1}
        white = {"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.8}
        axes.annotate(text, (1, 0.99), color=GREY, bbox=white, zorder=5, **looks)
