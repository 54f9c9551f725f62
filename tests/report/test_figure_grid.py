"""Panels of a grid: apart from each other, within the page, with words where they belong."""

from __future__ import annotations

import pytest

from mlseg.report.figure_grid import choose_grid, head_panel, label_vertical, name_row
from mlseg.report.figure_style import styled


def draw(rows, columns, **options):
    grid = choose_grid(rows, columns, **options)
    with styled():
        sheet = grid.start(title="acdc, unet, mbls; evaluation=default", caption="caption " * 20, foot=0.2)
        parts = []
        for column in range(columns):
            grid.head_column(sheet, column, "Foreground", "40 cases, 927,608 voxels")
        for row in range(rows):
            for column in range(columns):
                axes = grid.add_panel(sheet, row, column)
                parts.append(axes)
                head_panel(axes, "error 0.123", "n = 1,234,567", name="class" if options.get("names") else "")
                if grid.strip:
                    parts.append(grid.add_strip(sheet, row, column))
                axes.tick_params(labelleft=column == 0, labelbottom=False)
                if column == 0:
                    label_vertical(axes, "Accuracy")
                    name_row(axes, "background")
        sheet.figure.draw_without_rendering()
    return grid, sheet, parts


@pytest.mark.parametrize("options", [{}, {"strips": False, "aspect": 0.7}, {"names": True, "gap": 0.4}])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (4, 4)])
def test_parts_keep_apart_and_on_the_page(rows, columns, options):
    _, sheet, parts = draw(rows, columns, **options)
    boxes = [axes.get_window_extent() for axes in parts]
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])
    page = sheet.figure.bbox
    words = [text for owner in (sheet.figure, *parts) for text in owner.texts]
    words += [axes.yaxis.label for axes in parts]
    for box in [*boxes, *(text.get_window_extent() for text in words if text.get_text())]:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    heads = [text.get_window_extent() for text in words if text.get_text()]
    overlaps = [(a, b) for place, a in enumerate(heads) for b in heads[:place] if a.overlaps(b)]
    assert overlaps == []


def test_four_columns_fill_the_width_of_a_page():
    widths = {columns: draw(1, columns)[1].figure.get_size_inches()[0] for columns in (1, 2, 4)}
    assert widths[1] < widths[2] < widths[4]
    assert 7.0 <= widths[4] <= 7.2


def test_panels_are_square_unless_told_otherwise():
    for aspect in (1.0, 0.7):
        _, sheet, parts = draw(1, 4, aspect=aspect)
        box = parts[0].get_window_extent()
        assert box.height / box.width == pytest.approx(aspect)
        assert sheet.figure.get_size_inches()[1] > 2
