"""A few cases beside each other by method: outlines on the image, and below them how sure each method was."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlseg.checks import RunError
from mlseg.functional.views_file import CaseView
from mlseg.report.case_panels import find_window
from mlseg.report.figure_case_panels import (
    CONFIDENCE,
    CONTOURS,
    OUTLINES,
    REFERENCE_CONTOUR,
    REFERENCE_MAP,
    draw_key,
    frame_panel,
    list_classes,
    paint_panel,
)
from mlseg.report.figure_cases import DETAIL_LETTER, HEADING_LETTER, shorten_middle
from mlseg.report.figure_legend import LEGEND_LINE, draw_entries, wrap_entries
from mlseg.report.figure_style import GREY, NORMAL, SMALL, SMALL_LINE, Sheet, start_sheet, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A page of a journal is 7.2 inches wide.
PAGE, SIDE, GAP = 7.2, 0.1, 0.05
SMALLEST, LARGEST = 0.7, 1.4
CASE_HEAD, NOTE, KEY = 0.2, 0.115, 0.27
NARROWEST = 3.4
REFERENCE_COLUMN = "Reference"


@dataclass(frozen=True, kw_only=True)
class MethodCase:
    """One case, as each method saw it.

    Args:
        heading: role and name, e.g. "Worst: patient003_frame01".
        details: what is known of the case whatever the method.
        views: method -> its slice; slice and reference are the same in all.
        over_image, over_confidence: method -> what stands over its panels, e.g. "Dice 0.912" and "ECE 0.031".
    """

    heading: str
    details: str
    views: Mapping[str, CaseView]
    over_image: Mapping[str, str] = field(default_factory=dict)
    over_confidence: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Lengths in inches.

    Args:
        panel: the side of a panel.
        columns: number of columns.
        lines: of the longest heading of a column.
        kinds: what a method's panels show, from top to bottom.
    """

    panel: float
    columns: int
    lines: int
    kinds: tuple[str, ...]

    @property
    def width(self) -> float:
        return max(2 * SIDE + self.columns * (self.panel + GAP) - GAP, NARROWEST)

    @property
    def head(self) -> float:
        return self.lines * SMALL_LINE + 0.06

    @property
    def case(self) -> float:
        return CASE_HEAD + len(self.kinds) * (NOTE + self.panel + GAP) + 0.05

    def left(self, column: int) -> float:
        return SIDE + column * (self.panel + GAP)


def build_method_cases(
    cases: Sequence[MethodCase], methods: Sequence[str], *, title: str, caption: str, labels: Sequence[str]
) -> Figure:
    """A column for the reference and one for each method, two rows for each case: outlines, and confidence below.

    All panels of a case show the same square of the slice, in millimetres, which holds what any method predicted.

    Args:
        cases: from top to bottom.
        methods: from left to right.
        title: what was judged.
        caption: which cases these are, and how to read the figure.
        labels: class names, background first.

    Raises:
        RunError: there is no case or no method.
    """
    if not cases or not methods:
        raise RunError("build_method_cases: at least one case and one method are needed, got none. Evaluate the runs.")
    views = [view for case in cases for view in case.views.values()]
    sure = any(view.confidence is not None for view in views)
    layout = _lay_out(methods, kinds=(CONTOURS, CONFIDENCE) if sure else (CONTOURS,))
    legend = wrap_entries([*OUTLINES, *list_classes(views, labels)], layout.width - 2 * SIDE)
    foot = 0.04 + LEGEND_LINE * len(legend) + (KEY if sure else 0.0) + 0.04
    with styled():
        body = layout.head + len(cases) * layout.case + foot
        sheet = start_sheet(layout.width, body, title=title, caption=caption)
        for column, name in enumerate((REFERENCE_COLUMN, *methods)):
            _head_column(sheet, layout, column, name)
        top = sheet.body + layout.head
        for case in cases:
            _draw_case(sheet, layout, case, methods, top=top, classes=len(labels))
            top += layout.case
        top = draw_entries(sheet, legend, SIDE, top + 0.04)
        if sure:
            # Its first number is centred on its left end.
            draw_key(sheet, SIDE + 0.12, top + 0.02, len(labels), width=1.4)
    return sheet.figure


def wrap_name(name: str, letters: int) -> list[str]:
    """Lines of a column's heading; what stands around "=" stays together, and no word is broken.

    Example:
        >>> wrap_name("quadratic, m = 10", 10), wrap_name("TransUNet, MbLS", 10), wrap_name("CE + TS", 10)
        (['quadratic,', 'm = 10'], ['TransUNet,', 'MbLS'], ['CE + TS'])
    """
    # textwrap breaks at plain spaces only.
    held = name.replace(" = ", "\u00a0=\u00a0")
    lines = textwrap.wrap(held, max(letters, 1), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def _lay_out(methods: Sequence[str], *, kinds: tuple[str, ...]) -> _Layout:
    columns = 1 + len(methods)
    room = (PAGE - 2 * SIDE + GAP) / columns - GAP
    panel = min(max(room, SMALLEST), LARGEST)
    lines = max(len(wrap_name(name, _count_letters(panel))) for name in (REFERENCE_COLUMN, *methods))
    return _Layout(panel=panel, columns=columns, lines=lines, kinds=kinds)


def _count_letters(panel: float) -> int:
    """Bold letters that fit over a panel, roughly."""
    return int((panel + GAP) / HEADING_LETTER)


def _head_column(sheet: Sheet, layout: _Layout, column: int, name: str) -> None:
    """The method's name, its last line right over the first row."""
    lines = wrap_name(name, _count_letters(layout.panel))
    for place, line in enumerate(lines, start=layout.lines - len(lines)):
        top = sheet.body + place * SMALL_LINE
        sheet.add_text(layout.left(column), top, line, fontsize=NORMAL, fontweight="bold")


def _draw_case(
    sheet: Sheet, layout: _Layout, case: MethodCase, methods: Sequence[str], *, top: float, classes: int
) -> None:
    room = layout.width - 2 * SIDE - DETAIL_LETTER * len(case.details) - 0.1
    sheet.add_text(
        SIDE, top + 0.04, shorten_middle(case.heading, int(room / HEADING_LETTER)), fontsize=NORMAL, fontweight="bold"
    )
    sheet.add_text(layout.width - SIDE, top + 0.05, case.details, fontsize=SMALL, color=GREY, ha="right")
    views = [case.views[method] for method in methods]
    window, first = find_window(*views), views[0]
    for row, kind in enumerate(layout.kinds):
        over = case.over_image if kind == CONTOURS else case.over_confidence
        own = REFERENCE_CONTOUR if kind == CONTOURS else REFERENCE_MAP
        panels = [(own, first, "outlines" if kind == CONTOURS else "classes")]
        panels += [(kind, view, over.get(method, "")) for method, view in zip(methods, views, strict=True)]
        note = top + CASE_HEAD + row * (NOTE + layout.panel + GAP)
        for column, (shown, view, text) in enumerate(panels):
            left = layout.left(column)
            sheet.add_text(left, note, text, fontsize=SMALL - 0.5, color=GREY)
            axes = sheet.add_axes(left, note + NOTE, layout.panel, layout.panel)
            paint_panel(axes, shown, view, classes, panel=layout.panel)
            frame_panel(axes, window, scale=column == 0 and row == 0)
