"""Legends: every entry in its colour, in rows that do not run over the edge."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from mlseg.report.figure_legend import LEGEND_LINE, Entry, draw_entries, wrap_entries
from mlseg.report.figure_style import start_sheet, styled


def test_rows_keep_the_order_and_fit():
    entries = [Entry("x" * n, "#000000") for n in (1, 30, 5, 5, 40)]
    rows = wrap_entries(entries, 2.2)
    assert [entry for row in rows for entry in row] == entries
    assert [len(row) for row in rows] == [1, 1, 2, 1]
    assert wrap_entries([], 1.0) == [[]]


def test_entries_are_drawn_in_their_colours_below_each_other():
    rows = [[Entry("RV", "#e69f00"), Entry("reference", "#f0e442", line=True)], [Entry("LV", "#009e73")]]
    with styled():
        sheet = start_sheet(3.0, 1.0, title="t", caption="c")
        end = draw_entries(sheet, rows, 0.1, sheet.body)
    assert end == pytest.approx(sheet.body + 2 * LEGEND_LINE)
    patch, line, last = sheet.figure.axes
    assert to_hex(patch.collections[0].get_facecolor()[0]) == "#e69f00"
    assert [drawn.get_color() for drawn in line.lines] == ["#f0e442"]
    assert not patch.lines
    assert patch.get_position().y0 == pytest.approx(line.get_position().y0)
    assert last.get_position().y1 < patch.get_position().y0
    assert line.get_position().x0 > patch.get_position().x1
    assert [text.get_text() for text in sheet.figure.texts][-3:] == ["RV", "reference", "LV"]
