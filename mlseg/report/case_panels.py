"""What all pictures of a slice share, however they are drawn: their colours, and the part of it that they show."""

from __future__ import annotations

import numpy as np

from mlseg.functional.views_file import CaseView

# Okabe and Ito's colours, told apart by colour-blind readers.
CLASS_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
CONFIDENCE_COLOURS = "viridis"
MARGIN_MM = 12.0


def find_window(*views: CaseView) -> tuple[float, float, float]:
    """The square of the slice that holds reference and prediction of all views and a margin; without any, the slice.

    Args:
        views: of one slice.

    Returns:
        Its left edge, its upper edge and its side, in mm from the slice's upper left corner; it may reach beyond it.
    """
    steps = np.array(views[0].spacing_mm)
    whole = np.array(views[0].target.shape) * steps
    rows, columns = np.nonzero(np.any([(view.target > 0) | (view.prediction > 0) for view in views], axis=0))
    low, high = np.zeros(2), whole
    if rows.size:
        low = np.maximum(np.array([rows.min(), columns.min()]) * steps - MARGIN_MM, low)
        high = np.minimum(np.array([rows.max() + 1, columns.max() + 1]) * steps + MARGIN_MM, whole)
    side = float((high - low).max())
    centred = (low + high - side) / 2
    # The square is moved back into the slice where it fits.
    top, left = np.where(whole >= side, np.clip(centred, 0, np.maximum(whole - side, 0)), centred)
    return float(left), float(top), side
