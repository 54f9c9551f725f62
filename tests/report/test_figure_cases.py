"""Cases as pictures: the right planes, in millimetres, and only what is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.case_panels import CLASS_COLOURS
from mlseg.report.figure_cases import CaseRow, build_cases
from mlseg.report.figure_style import VERMILION, save_figure

LABELS = ("background", "RV")


def build(*views, labels=LABELS):
    rows = [CaseRow(heading=f"Best: {view.case_id}", details="Dice 0.500; slice 5", view=view) for view in views]
    return build_cases(rows, title="t", labels=labels)


def read_texts(figure):
    return [text.get_text() for owner in (figure, *figure.axes) for text in owner.texts]


def to_rgb(colour):
    return [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]


@pytest.mark.parametrize(
    ("known", "columns"),
    [
        ({}, ["Image", "Prediction", "Confidence", "Wrong voxels by confidence"]),
        ({"image": False}, ["Reference", "Prediction", "Confidence", "Wrong voxels by confidence"]),
        ({"confidence": False}, ["Image", "Prediction", "Wrong voxels"]),
        ({"image": False, "confidence": False}, ["Reference", "Prediction", "Wrong voxels"]),
    ],
)
def test_only_what_is_known_is_shown(make_view, tmp_path, monkeypatch, known, columns):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    figure = build(make_view(**known), make_view("b", **known))
    names = [text.get_text() for text in figure.texts if text.get_fontweight() == "bold"]
    assert [name for name in names if name not in ("t", "Best: a", "Best: b")] == columns
    panels = [axes for axes in figure.axes if axes.get_facecolor() == (0, 0, 0, 1)]
    assert len(panels) == 2 * len(columns)
    texts = read_texts(figure)
    assert ("confidence" in texts) == ("Confidence" in columns)
    assert ("reference" in texts) == ("Image" in columns)
    save_figure(figure, tmp_path / "c.png")


def test_a_missing_plane_of_one_case_leaves_its_panel_black(make_view):
    figure = build(make_view(), make_view("b", confidence=False))
    panels = [axes for axes in figure.axes if axes.get_facecolor() == (0, 0, 0, 1)]
    assert [len(axes.images) for axes in panels] == [1, 1, 1, 1, 1, 1, 0, 1]


def test_pixels_keep_their_shape_in_millimetres(make_view):
    view = make_view()
    first = build(view).axes[0]
    (image,) = first.images
    # 12 rows of 2 mm and 10 columns of 1 mm.
    assert image.get_extent() == [0, 10, 24, 0]
    low, high = first.get_xlim()
    bottom, top = first.get_ylim()
    assert high - low == pytest.approx(bottom - top)
    box = first.get_window_extent()
    assert box.width == pytest.approx(box.height)


def test_panels_show_classes_and_wrong_voxels(make_view):
    view = make_view(image=False, confidence=False)
    reference, predicted, wrong = (axes.images[0].get_array() for axes in build(view).axes[:3])
    own = to_rgb(CLASS_COLOURS[0])
    np.testing.assert_allclose(reference[4, 5], own)
    np.testing.assert_allclose(predicted[6, 5], own)
    np.testing.assert_allclose(reference[6, 5], [0, 0, 0])
    # Row 3 was missed, row 6 invented; the rest of the structure is right and dark.
    for row in (3, 6):
        np.testing.assert_allclose(wrong[row, 5], to_rgb(VERMILION))
    np.testing.assert_allclose(wrong[4, 5], [0.3, 0.3, 0.3])


def test_confidence_runs_from_chance_to_certainty(make_view):
    from matplotlib import colormaps

    view = make_view()
    confidence = np.zeros((12, 10), np.uint8)
    confidence[0, 0], confidence[3, 4], confidence[0, 1] = 255, 255, 64
    figure = build(replace(view, confidence=confidence), labels=("background", "a", "b", "c"))
    shown, errors = (figure.axes[place].images[0].get_array() for place in (2, 3))
    colours = colormaps["viridis"]
    np.testing.assert_allclose(shown[0, 0], colours(1.0)[:3])
    np.testing.assert_allclose(shown[0, 1], colours(0.0)[:3], atol=0.01)
    np.testing.assert_allclose(errors[3, 4], colours(1.0)[:3])
    ticks = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert ticks == ["0.25", "0.5", "0.75", "1"]


def test_the_legend_names_the_classes_in_the_views_and_wraps(make_view):
    labels = ("background", *(f"structure_with_a_long_name_{k}" for k in range(1, 12)))
    view = make_view()
    target = view.target.copy()
    target[:, 0] = np.arange(12)
    figure = build(replace(view, target=target), labels=labels)
    texts = read_texts(figure)
    assert set(labels[1:]) <= set(texts)
    assert "background" not in texts
    figure.draw_without_rendering()
    words = [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in words)


@pytest.mark.parametrize("known", [{}, {"confidence": False}])
def test_a_long_name_keeps_clear_of_the_scores(make_view, known):
    case_id = "BraTS-GLI-2023_institution_00017_session_000_copy_of_the_second_reading"
    details = "Dice 0.923; ECE 0.011 (image), 0.030 (foreground); slice 3" if not known else "Dice 0.923; slice 3"
    row = CaseRow(heading=f"Median: {case_id}", details=details, view=make_view(case_id, **known))
    figure = build_cases([row], title="t", labels=LABELS)
    figure.draw_without_rendering()
    heading, scores = (
        next(text for text in figure.texts if text.get_text().startswith(start)) for start in ("Median: ", "Dice ")
    )
    assert heading.get_text().endswith("reading")
    assert heading.get_window_extent().x1 < scores.get_window_extent().x0


def test_no_case_is_refused():
    with pytest.raises(RunError, match="at least one case"):
        build_cases([], title="t", labels=LABELS)
