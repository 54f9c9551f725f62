"""Cases by method: a column each, outlines above and confidence below, all in one window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import colormaps

from mlseg.checks import RunError
from mlseg.report.figure_method_cases import PAGE, MethodCase, build_method_cases

LABELS = ("background", "RV")
METHODS = ("CE", "MbLS", "TransUNet, MbLS")


def build(views, *, methods=METHODS, cases=1):
    case = MethodCase(
        heading="Worst: patient003_frame01",
        details="mean Dice 0.500; slice 5",
        views=views,
        over_image=dict.fromkeys(methods, "Dice 0.500"),
        over_confidence=dict.fromkeys(methods, "ECE 0.031"),
    )
    return build_method_cases([case] * cases, methods, title="t", caption="c", labels=LABELS)


def list_panels(figure):
    return [axes for axes in figure.axes if axes.get_facecolor() == (0, 0, 0, 1)]


def test_each_method_has_outlines_and_confidence(make_view):
    views = {method: make_view(seed=k) for k, method in enumerate(METHODS)}
    figure = build(views, cases=2)
    panels = list_panels(figure)
    assert len(panels) == 2 * 2 * 4
    # Reference, then a method each: the reference's panel has one outline, the others two.
    assert [len(axes.collections) for axes in panels[:4]] == [1, 2, 2, 2]
    assert [len(axes.collections) for axes in panels[4:8]] == [0] * 4
    for method, axes in zip(METHODS, panels[5:8], strict=True):
        shown = axes.images[0].get_array()[0, 0]
        share = (views[method].confidence[0, 0] / 255 - 0.5) / 0.5
        np.testing.assert_allclose(shown, colormaps["viridis"](share)[:3])
    texts = [text.get_text() for text in figure.texts]
    assert texts.count("ECE 0.031") == 6
    assert {"CE", "MbLS", "TransUNet, MbLS", "Reference", "Worst: patient003_frame01"} <= set(texts)


def test_all_panels_of_a_case_show_the_same_square(make_view):
    far = np.zeros((12, 10), np.uint8)
    far[11, 9] = 1
    views = {method: replace(make_view(), spacing_mm=(9.0, 9.0)) for method in METHODS}
    views["MbLS"] = replace(views["MbLS"], prediction=far)
    windows = {(axes.get_xlim(), axes.get_ylim()) for axes in list_panels(build(views))}
    assert len(windows) == 1
    (((left, right), (bottom, top)),) = windows
    assert right >= 90
    assert bottom >= 108
    assert right - left == pytest.approx(bottom - top)


def test_without_confidence_there_are_outlines_only(make_view):
    figure = build({method: make_view(confidence=False) for method in METHODS})
    assert len(list_panels(figure)) == 4
    assert "confidence" not in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("count", [1, 4, 8])
def test_nothing_overlaps_and_the_page_is_wide_enough(make_view, count):
    methods = [f"quadratic, m = {k}" for k in range(count)]
    figure = build({method: make_view() for method in methods}, methods=methods, cases=2)
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] <= PAGE + 0.01
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    # The numbers below the colours of confidence, which are drawn last.
    boxes += [text.get_window_extent() for text in figure.axes[-1].get_xticklabels()]
    panels = [axes.get_window_extent() for axes in list_panels(figure)]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)
    for place, box in enumerate(boxes):
        rest = [*boxes[place + 1 :], *panels]
        touching = [other for other in rest if box.shrunk(0.9, 0.7).overlaps(other)]
        assert not touching, place


def test_nothing_to_draw_is_refused(make_view):
    with pytest.raises(RunError, match="at least one case and one method"):
        build_method_cases([], METHODS, title="t", caption="c", labels=LABELS)
    with pytest.raises(RunError, match="at least one case and one method"):
        build({}, methods=())
