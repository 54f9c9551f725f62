"""The figure of differences: dots and bars where they belong, words on the page."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.comparisons import adjust_family, compare_paired
from mlseg.report.figure_differences import DifferencePanel, build_differences, save_both


def make_panel(rows=2, n=8, better="higher"):
    draws = [np.random.default_rng(place).normal(0.02 * place, 0.01, n) for place in range(rows)]
    found = adjust_family([compare_paired(d) for d in draws])
    return DifferencePanel(heading="Dice", unit="1", better=better, rows=list(zip(draws, found, strict=True)))


def test_means_and_intervals_are_drawn_where_they_are():
    panel = make_panel()
    figure = build_differences(["a - c", "b - c"], [panel], title="acdc")
    (axes,) = figure.axes
    means = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert means == [found.difference for _, found in panel.rows]
    bars = [tuple(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 1.6]
    assert bars == [(found.interval.low, found.interval.high) for _, found in panel.rows]
    dots = [line.get_xdata() for line in axes.lines if line.get_marker() == "."]
    assert np.array_equal(dots[1], panel.rows[1][0])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a - c", "b - c"]


def test_two_subjects_have_dots_and_no_bar():
    (axes,) = build_differences(["a - c"], [make_panel(1, n=2)], title="acdc").axes
    assert not [line for line in axes.lines if line.get_linewidth() == 1.6]
    assert "no test" in axes.texts[0].get_text()


def test_the_better_side_is_named():
    panels = [make_panel(better="higher"), make_panel(better="lower")]
    figure = build_differences(["a - c", "b - c"], panels, title="acdc")
    assert "right of 0: the first" in figure.axes[0].get_xlabel()
    assert "left of 0: the first" in figure.axes[1].get_xlabel()


def test_a_row_may_be_empty_but_not_the_figure():
    panel = make_panel(1)
    gap = DifferencePanel(heading="HD95", unit="mm", better="lower", rows=[None])
    assert len(build_differences(["a - c"], [panel, gap], title="acdc").axes) == 2
    with pytest.raises(RunError, match="got none"):
        build_differences([], [], title="acdc")


def test_everything_is_on_the_page():
    names = ["quadratic, m = 10 - linear, m = 10", "b"]
    figure = build_differences(names, [make_panel() for _ in range(4)], title="acdc, unet")
    figure.draw_without_rendering()
    page = figure.bbox
    for axes in figure.axes:
        for word in [*axes.get_yticklabels(), axes.xaxis.label, *axes.texts]:
            box = word.get_window_extent()
            assert page.x0 <= box.x0
            assert box.x1 <= page.x1
            assert page.y0 <= box.y0


def test_both_files_and_the_same_bytes_again(tmp_path):
    figure = build_differences(["a - c", "b - c"], [make_panel()], title="acdc")
    paths = save_both(figure, tmp_path / "new" / "x.1")
    assert [path.name for path in paths] == ["x.1.png", "x.1.pdf"]
    first = paths[1].read_bytes()
    save_both(build_differences(["a - c", "b - c"], [make_panel()], title="acdc"), tmp_path / "new" / "x.1")
    assert paths[1].read_bytes() == first
