"""The best, the median and the worst case as pictures: segmentation, confidence, and where it was sure and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlseg.checks import RunError
from mlseg.functional.views_file import CaseView
from mlseg.report.case_panels import find_window
from mlseg.report.figure_case_panels import (
    CONFIDENCE,
    CONTOURS,
    ERRORS,
    OUTLINES,
    PREDICTION_MAP,
    REFERENCE_MAP,
    SURE_ERRORS,
    draw_key,
    frame_panel,
    list_classes,
    paint_panel,
)
from mlseg.report.figure_case_panels import USUAL_PANEL as PANEL
from mlseg.report.figure_legend import LEGEND_LINE, draw_entries, wrap_entries
from mlseg.report.figure_style import GREY, NORMAL, SMALL, start_sheet, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP, SIDE, ROW_HEAD, COLUMN_HEAD = 0.07, 0.1, 0.21, 0.17
KEY_HEIGHT = 0.27
# Inches that a letter takes in a row's heading and in its details.
HEADING_LETTER, DETAIL_LETTER = 0.074, 0.052
CAPTION = (
    "Best, median and worst case by the mean Dice of the foreground labels: the axial slice with the largest reference "
    "foreground, cut to the structures (slices count from 0). Dice and ECE are those of the whole case."
)


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One case of the figure.

    Args:
        heading: role and name, e.g. "Best: patient003_frame01".
        details: its scores.
        view: its slice.
    """

    heading: str
    details: str
    view: CaseView


def build_cases(rows: Sequence[CaseRow], *, title: str, labels: Sequence[str]) -> Figure:
    """A row per case: image with contours (or the reference, without an image), prediction, confidence, wrong voxels.

    Columns that no case has anything for are left out. All panels of a row show the same square of the slice, in
    millimetres.

    Args:
        rows: the cases, in their order from top to bottom.
        title: what was judged.
        labels: class names, background first.

    Raises:
        RunError: if there is no case.
    """
    if not rows:
        raise RunError("build_cases: at least one case is needed, got none. Evaluate the run again.")
    columns = _choose_columns([row.view for row in rows])
    entries = [*(OUTLINES if CONTOURS in columns else ()), *list_classes([row.view for row in rows], labels)]
    width = 2 * SIDE + len(columns) * (PANEL + GAP) - GAP
    legend = wrap_entries(entries, width - 2 * SIDE)
    foot = LEGEND_LINE * len(legend) + (KEY_HEIGHT if CONFIDENCE in columns else 0.0) + 0.08
    height = COLUMN_HEAD + len(rows) * (ROW_HEAD + PANEL + GAP) + foot
    with styled():
        sheet = start_sheet(width, height, title=title, caption=CAPTION)
        for column, name in enumerate(columns):
            sheet.add_text(SIDE + column * (PANEL + GAP), sheet.body, name, fontsize=NORMAL, fontweight="bold")
        for place, row in enumerate(rows):
            top = sheet.body + COLUMN_HEAD + place * (ROW_HEAD + PANEL + GAP)
            heading = shorten_middle(row.heading, _count_letters(width - 2 * SIDE, row.details))
            sheet.add_text(SIDE, top + 0.05, heading, fontsize=NORMAL, fontweight="bold")
            sheet.add_text(width - SIDE, top + 0.06, row.details, fontsize=SMALL, color=GREY, ha="right")
            for column, name in enumerate(columns):
                axes = sheet.add_axes(SIDE + column * (PANEL + GAP), top + ROW_HEAD, PANEL, PANEL)
                paint_panel(axes, name, row.view, len(labels))
                frame_panel(axes, find_window(row.view), scale=column == 0)
        top = sheet.body + COLUMN_HEAD + len(rows) * (ROW_HEAD + PANEL + GAP) + 0.06
        top = draw_entries(sheet, legend, SIDE, top)
        if CONFIDENCE in columns:
            draw_key(sheet, SIDE + columns.index(CONFIDENCE) * (PANEL + GAP), top, len(labels))
    return sheet.figure


def shorten_middle(text: str, length: int) -> str:
    """At most `length` characters, the middle left out: long case ids differ at their ends.

    Example:
        >>> shorten_middle("Best: study_2019_patient_0003", 20)
        'Best: stu...ent_0003'
    """
    if len(text) <= length:
        return text
    kept = max(length - 3, 2)
    return f"{text[: kept // 2 + kept % 2]}...{text[len(text) - kept // 2 :]}"


def _count_letters(room: float, details: str) -> int:
    """Bold letters that fit into `room` inches beside the details, roughly."""
    return int((room - DETAIL_LETTER * len(details) - 0.1) / HEADING_LETTER)


def _choose_columns(views: Sequence[CaseView]) -> list[str]:
    """What there is to show of any case."""
    columns = [CONTOURS if any(view.image is not None for view in views) else REFERENCE_MAP, PREDICTION_MAP]
    if any(view.confidence is not None for view in views):
        return [*columns, CONFIDENCE, SURE_ERRORS]
    return [*columns, ERRORS]
