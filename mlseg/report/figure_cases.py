"""The best, the median and the worst case as pictures: segmentation, confidence, and where it was sure and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.views_file import CONFIDENCE_STEPS, CaseView
from mlseg.report.figure_legend import LEGEND_LINE, Entry, draw_entries, wrap_entries
from mlseg.report.figure_style import GREY, NORMAL, SMALL, VERMILION, Sheet, start_sheet, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers.
CLASS_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
REFERENCE, PREDICTION = "#F0E442", VERMILION
CONFIDENCE_COLOURS = "viridis"
PANEL, GAP, SIDE, ROW_HEAD, COLUMN_HEAD = 1.68, 0.07, 0.1, 0.21, 0.17
MARGIN_MM = 12.0
SCALE_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
KEY_HEIGHT = 0.27
# Inches that a letter takes in a row's heading and in its details.
HEADING_LETTER, DETAIL_LETTER = 0.074, 0.052
# Of the class colours over the image, and of the image under the wrong voxels.
OPACITY, DIMMED = 0.6, 0.3
CONTOURS, REFERENCE_MAP, PREDICTION_MAP = "Image", "Reference", "Prediction"
CONFIDENCE, SURE_ERRORS, ERRORS = "Confidence", "Wrong voxels by confidence", "Wrong voxels"
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
    entries = _list_classes([row.view for row in rows], labels)
    if CONTOURS in columns:
        lines = [Entry("reference", REFERENCE, line=True), Entry("prediction", PREDICTION, line=True)]
        entries = [*lines, *entries]
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
                _paint(axes, name, row.view, len(labels))
                _frame(axes, row.view, scale=column == 0)
        top = sheet.body + COLUMN_HEAD + len(rows) * (ROW_HEAD + PANEL + GAP) + 0.06
        top = draw_entries(sheet, legend, SIDE, top)
        if CONFIDENCE in columns:
            _draw_key(sheet, SIDE + columns.index(CONFIDENCE) * (PANEL + GAP), top, len(labels))
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


def find_window(view: CaseView) -> tuple[float, float, float]:
    """The square of the slice that holds both structures and a margin, or the whole slice if there are none.

    Returns:
        Its left edge, its upper edge and its side, in mm from the slice's upper left corner; it may reach beyond it.
    """
    steps = np.array(view.spacing_mm)
    whole = np.array(view.target.shape) * steps
    rows, columns = np.nonzero((view.target > 0) | (view.prediction > 0))
    low, high = np.zeros(2), whole
    if rows.size:
        low = np.maximum(np.array([rows.min(), columns.min()]) * steps - MARGIN_MM, low)
        high = np.minimum(np.array([rows.max() + 1, columns.max() + 1]) * steps + MARGIN_MM, whole)
    side = float((high - low).max())
    centred = (low + high - side) / 2
    # The square is moved back into the slice where it fits.
    top, left = np.where(whole >= side, np.clip(centred, 0, np.maximum(whole - side, 0)), centred)
    return float(left), float(top), side


def _paint(axes: Axes, column: str, view: CaseView, classes: int) -> None:
    """One panel in millimetres; the slice is drawn whole and the axes cut it."""
    height_mm, width_mm = (size * step for size, step in zip(view.target.shape, view.spacing_mm, strict=True))
    picture: dict[str, Any] = {"extent": (0, width_mm, height_mm, 0), "interpolation": "nearest"}
    if column == CONTOURS:
        axes.imshow(_shade(view), **picture)
        _draw_contours(axes, view.target, view, REFERENCE, 1.5)
        _draw_contours(axes, view.prediction, view, PREDICTION, 0.8)
    elif column in (REFERENCE_MAP, PREDICTION_MAP):
        classes_of = view.prediction if column == PREDICTION_MAP else view.target
        axes.imshow(_colour_classes(view, classes_of), **picture)
    elif column == CONFIDENCE and view.confidence is not None:
        axes.imshow(_colour_confidence(view.confidence, classes), **picture)
    elif column in (SURE_ERRORS, ERRORS):
        axes.imshow(_colour_errors(view, classes), **picture)


def _shade(view: CaseView) -> np.ndarray:
    """The image as grey (h,w,3) in 0..1, black where it is not known."""
    grey = np.zeros(view.target.shape) if view.image is None else view.image / 255
    return np.repeat(grey[..., None], 3, axis=2)


def _colour_classes(view: CaseView, classes: np.ndarray) -> np.ndarray:
    """Classes in their colours over the image, or alone."""
    shade, opacity = _shade(view), 1.0 if view.image is None else OPACITY
    colours = np.array([_to_rgb(CLASS_COLOURS[(k - 1) % len(CLASS_COLOURS)]) for k in range(256)])[classes]
    return np.where(classes[..., None] > 0, opacity * colours + (1 - opacity) * shade, shade)


def _colour_confidence(confidence: np.ndarray, classes: int) -> np.ndarray:
    """Confidence from 1/K, the least that a top label can have, to 1."""
    from matplotlib import colormaps

    least = 1 / max(classes, 2)
    return np.asarray(colormaps[CONFIDENCE_COLOURS]((confidence / CONFIDENCE_STEPS - least) / (1 - least)))[..., :3]


def _colour_errors(view: CaseView, classes: int) -> np.ndarray:
    """Wrong voxels in the colour of their confidence, and dark the image, or else the reference."""
    shown = DIMMED * (_shade(view) if view.image is not None else np.repeat(view.target[..., None] > 0, 3, axis=2))
    wrong = np.broadcast_to(_to_rgb(VERMILION), shown.shape)
    if view.confidence is not None:
        wrong = _colour_confidence(view.confidence, classes)
    return np.where((view.target != view.prediction)[..., None], wrong, shown)


def _draw_contours(axes: Axes, classes: np.ndarray, view: CaseView, colour: str, width: float) -> None:
    """The outline of each class, halfway between the centres of its pixels and of those around."""
    height, width_px = classes.shape
    down, right = ((np.arange(n) + 0.5) * step for n, step in zip((height, width_px), view.spacing_mm, strict=True))
    for k in np.unique(classes):
        if k and min(classes.shape) > 1:
            axes.contour(right, down, classes == k, levels=[0.5], colors=[colour], linewidths=width)


def _frame(axes: Axes, view: CaseView, *, scale: bool) -> None:
    """Cut to the window, without ticks, and with a bar of a round length in the first column."""
    from matplotlib.patheffects import withStroke

    left, top, side = find_window(view)
    axes.set(xlim=(left, left + side), ylim=(top + side, top), xticks=(), yticks=(), facecolor="black", aspect="equal")
    axes.spines[:].set_visible(False)
    if scale:
        length = max([bar for bar in SCALE_BARS_MM if bar <= side / 3], default=SCALE_BARS_MM[0])
        start, down = left + 0.05 * side, top + 0.93 * side
        # A dark rim keeps white readable over bright tissue.
        rim: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.5, foreground="black")]}
        axes.plot([start, start + length], [down, down], color="white", linewidth=1.5, solid_capstyle="butt", **rim)
        rim["path_effects"] = [withStroke(linewidth=1.2, foreground="black")]
        axes.text(start, down - 0.015 * side, f"{length} mm", color="white", fontsize=SMALL - 1, va="bottom", **rim)


def _list_classes(views: Sequence[CaseView], labels: Sequence[str]) -> list[Entry]:
    """The legend's entries of the classes in the views."""
    present = sorted({int(k) for view in views for plane in (view.target, view.prediction) for k in np.unique(plane)})
    names = [labels[k] if k < len(labels) else str(k) for k in range(256)]
    return [Entry(names[k], CLASS_COLOURS[(k - 1) % len(CLASS_COLOURS)]) for k in present if k]


def _draw_key(sheet: Sheet, left: float, top: float, classes: int) -> None:
    """The colours of confidence, from 1/K to 1."""
    least = 1 / max(classes, 2)
    ticks = [least, *(tick for tick in (0.5, 0.75) if tick > least + 0.05), 1.0]
    axes = sheet.add_axes(left, top, PANEL, 0.09)
    scale = np.linspace(least, 1, 256)[None] * CONFIDENCE_STEPS
    axes.imshow(_colour_confidence(scale, classes), extent=(least, 1, 0, 1), aspect="auto")
    axes.set(yticks=(), xticks=ticks, xticklabels=[f"{tick:.2g}" for tick in ticks])
    axes.tick_params(labelsize=SMALL, length=1.5, pad=1)
    axes.spines[:].set_visible(False)
    sheet.add_text(left + PANEL + GAP, top - 0.01, "confidence", fontsize=SMALL, color=GREY)


def _to_rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
