"""Box plots of subjects."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.figure_boxes import BoxGroup, BoxPanel, build_boxes


def make_panel(rows, n=9, better="higher"):
    draws = [np.random.default_rng(place).normal(0.8 + 0.02 * place, 0.05, n) for place in range(rows)]
    return BoxPanel(heading="Dice", better=better, rows=draws, means=[row.mean() for row in draws])


def caption(figure):
    return " ".join(text.get_text() for text in figure.texts)


def find_dots(axes):
    return [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]


def test_boxes_are_quartiles_and_dots_are_subjects():
    panel = make_panel(2)
    (axes,) = build_boxes([BoxGroup(name="", rows=("CE", "MbLS"))], [panel], title="acdc").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["CE", "MbLS"]
    assert np.array(find_dots(axes)) == pytest.approx(np.array(panel.rows))
    for box, row in zip(axes.patches, panel.rows, strict=True):
        ends = box.get_path().vertices[:, 0]
        assert (ends.min(), ends.max()) == pytest.approx(tuple(np.quantile(row, (0.25, 0.75))))
    means = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"]
    assert means == pytest.approx([row.mean() for row in panel.rows])
    # the first method is above the second
    top, bottom = axes.get_ylim()[1], axes.get_ylim()[0]
    assert top < axes.get_yticks()[0] < axes.get_yticks()[1] < bottom


def test_few_subjects_have_no_box():
    figure = build_boxes(
        [BoxGroup(name="", rows=("CE", "MbLS"))], [make_panel(2, n=4)], title="acdc", about="4 subjects."
    )
    (axes,) = figure.axes
    assert not axes.patches
    assert len(find_dots(axes)) == 2
    assert "below 5 subjects no box" in caption(figure)
    assert "4 subjects." in caption(figure)


def test_undefined_subjects_are_left_out():
    row = np.array([0.7, np.nan, 0.8, 0.75, 0.9, 0.6])
    panel = BoxPanel(heading="Dice", better="higher", rows=[row, np.full(6, np.nan)], means=[0.74, np.nan])
    (axes,) = build_boxes([BoxGroup(name="", rows=("a", "b"))], [panel], title="acdc").axes
    (dots,) = find_dots(axes)
    assert dots.tolist() == [0.7, 0.8, 0.75, 0.9, 0.6]
    # The mean is the table's, not that of the dots.
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"] == [0.74]


def test_groups_stand_apart_and_share_their_colours():
    groups = [BoxGroup(name="UNet", rows=("CE", "MbLS")), BoxGroup(name="UNet++", rows=("CE", "MbLS"))]
    figure = build_boxes(groups, [make_panel(4), make_panel(4, better="lower")], title="acdc")
    places = figure.axes[0].get_yticks()
    assert places[2] - places[1] > places[1] - places[0]
    colours = [line.get_color() for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert colours[0] == colours[2] != colours[1] == colours[3]
    assert {"UNet", "UNet++"} <= {text.get_text() for text in figure.texts}
    assert [axes.get_xlabel() for axes in figure.axes] == ["higher is better", "lower is better"]


def test_names_do_not_touch():
    groups = [BoxGroup(name="A long network", rows=("CE", "A long loss")), BoxGroup(name="B", rows=("CE", "MbLS"))]
    figure = build_boxes(groups, [make_panel(4)], title="acdc")
    figure.draw_without_rendering()
    names = [text.get_window_extent() for text in figure.texts if text.get_text() in ("A long network", "B")]
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert max(box.x1 for box in names) < min(box.x0 for box in labels)
    assert min(box.x0 for box in names) >= 0


def test_nothing_is_refused():
    with pytest.raises(RunError, match="got none"):
        build_boxes([], [], title="acdc")
