"""Panels of one slice: image with outlines, classes, confidence, wrong voxels; all in millimetres, cut to a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlseg.functional.views_file import CONFIDENCE_STEPS, CaseView
from mlseg.report.case_panels import CLASS_COLOURS, CONFIDENCE_COLOURS
from mlseg.report.figure_legend import Entry
from mlseg.report.figure_style import GREY, SMALL, VERMILION, Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REFERENCE, PREDICTION = "#F0E442", VERMILION
OUTLINES = (Entry("reference", REFERENCE, line=True), Entry("prediction", PREDICTION, line=True))
# The side of a panel, in inches, at which lines have their usual width.
USUAL_PANEL = 1.68
SCALE_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
# Of the class colours over the image, and of the image under the wrong voxels.
OPACITY, DIMMED = 0.6, 0.3
CONTOURS, REFERENCE_CONTOUR = "Image", "Image and reference"
REFERENCE_MAP, PREDICTION_MAP = "Reference", "Prediction"
CONFIDENCE, SURE_ERRORS, ERRORS = "Confidence", "Wrong voxels by confidence", "Wrong voxels"


def paint_panel(axes: Axes, kind: str, view: CaseView, classes: int, *, panel: float = USUAL_PANEL) -> None:
    """One panel in millimetres; the slice is drawn whole and `frame_panel` cuts it.

    Args:
        kind: CONTOURS, REFERENCE_CONTOUR, REFERENCE_MAP, PREDICTION_MAP, CONFIDENCE, SURE_ERRORS or ERRORS; confidence
            that is not known leaves its panel empty.
        classes: of the network, background included.
        panel: its side in inches; lines are as wide as that allows.
    """
    height_mm, width_mm = (size * step for size, step in zip(view.target.shape, view.spacing_mm, strict=True))
    picture: dict[str, Any] = {"extent": (0, width_mm, height_mm, 0), "interpolation": "nearest"}
    if kind in (CONTOURS, REFERENCE_CONTOUR):
        thin = min(1.0, (panel / USUAL_PANEL) ** 0.7)
        axes.imshow(_shade(view), **picture)
        _draw_contours(axes, view.target, view, REFERENCE, 1.5 * thin)
        if kind == CONTOURS:
            _draw_contours(axes, view.prediction, view, PREDICTION, 0.8 * thin)
    elif kind in (REFERENCE_MAP, PREDICTION_MAP):
        classes_of = view.prediction if kind == PREDICTION_MAP else view.target
        axes.imshow(_colour_classes(view, classes_of), **picture)
    elif kind == CONFIDENCE and view.confidence is not None:
        axes.imshow(_colour_confidence(view.confidence, classes), **picture)
    elif kind in (SURE_ERRORS, ERRORS):
        axes.imshow(_colour_errors(view, classes), **picture)


def frame_panel(axes: Axes, window: tuple[float, float, float], *, scale: bool) -> None:
    """Cut to the window, without ticks, and with a bar of a round length if `scale`.

    Args:
        window: what `find_window` returned.
    """
    from matplotlib.patheffects import withStroke

    left, top, side = window
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


def list_classes(views: Sequence[CaseView], labels: Sequence[str]) -> list[Entry]:
    """The legend's entries of the classes in the views, the background left out."""
    present = sorted({int(k) for view in views for plane in (view.target, view.prediction) for k in np.unique(plane)})
    names = [labels[k] if k < len(labels) else str(k) for k in range(256)]
    return [Entry(names[k], CLASS_COLOURS[(k - 1) % len(CLASS_COLOURS)]) for k in present if k]


def draw_key(sheet: Sheet, left: float, top: float, classes: int, *, width: float = USUAL_PANEL) -> None:
    """The colours of confidence, from 1/K to 1: a bar of `width` inches with its name to the right."""
    least = 1 / max(classes, 2)
    ticks = [least, *(tick for tick in (0.5, 0.75) if tick > least + 0.05), 1.0]
    axes = sheet.add_axes(left, top, width, 0.09)
    scale = np.linspace(least, 1, 256)[None] * CONFIDENCE_STEPS
    axes.imshow(_colour_confidence(scale, classes), extent=(least, 1, 0, 1), aspect="auto")
    axes.set(yticks=(), xticks=ticks, xticklabels=[f"{tick:.2g}" for tick in ticks])
    axes.tick_params(labelsize=SMALL, length=1.5, pad=1)
    axes.spines[:].set_visible(False)
    sheet.add_text(left + width + 0.07, top - 0.01, "confidence", fontsize=SMALL, color=GREY)


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


def _to_rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
