"""The window that all pictures of a slice share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlseg.functional.views_file import CaseView
from mlseg.report.case_panels import find_window


def test_the_window_holds_both_structures_and_stays_in_the_slice():
    target, prediction = np.zeros((200, 300), np.uint8), np.zeros((200, 300), np.uint8)
    target[0:10, 100:120], prediction[40:50, 110:130] = 1, 2
    planes = {"target": target, "prediction": prediction, "image": None, "confidence": None}
    view = CaseView(case_id="a", slice_index=0, spacing_mm=(1.0, 2.0), **planes)
    left, top, side = find_window(view)
    # Rows 0 to 50 mm and columns 200 to 260 mm, each with 12 mm around and not above the slice.
    assert (left, top, side) == (188.0, 0.0, 84.0)
    empty = replace(view, target=np.zeros_like(target), prediction=np.zeros_like(target))
    assert find_window(empty) == (0.0, -200.0, 600.0)


def test_the_window_of_several_views_holds_what_any_of_them_predicted(make_view):
    view = replace(make_view(), spacing_mm=(10.0, 10.0))
    far = np.zeros((12, 10), np.uint8)
    far[11, 9] = 1
    low = find_window(view)
    assert low == find_window(view, view)
    left, top, side = find_window(view, replace(view, prediction=far))
    assert left + side >= 100
    assert top + side >= 120
    assert low[1] + low[2] < 120
