"""The heat-map of ranks."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.comparisons import FEWEST_TESTED
from mlseg.report.figure_ranks import RankColumn, build_ranks, order_methods
from mlseg.report.ranks import DataRanks

METHODS = ("CE", "MbLS", "FL")


def make_column(ranks, heading="Dice", group="acdc", methods=METHODS, p=0.0312, n=8, tested=8):
    shares = np.full((len(ranks), len(ranks)), 0.1)
    for row, rank in enumerate(ranks):
        shares[row, rank - 1] = 0.8 + 0.01 * row
    found = DataRanks(n=n, ranks=ranks, shares=shares, friedman_p=p)
    return RankColumn(group=group, heading=heading, methods=methods, ranks=found, tested=tested)


def read_cells(axes):
    """(rank, share) by row and column, from what is written where."""
    found = {}
    for text in axes.texts:
        x, y = text.get_position()
        found.setdefault((int(y), int(x)), []).append(text.get_text())
    return found


def test_rows_are_sorted_by_their_mean_rank():
    columns = [make_column((3, 1, 2)), make_column((2, 1, 3), "ECE")]
    order, means = order_methods(METHODS, columns)
    assert order == ["MbLS", "CE", "FL"]
    assert means == {"CE": 2.5, "MbLS": 1.0, "FL": 2.5}


def test_cells_hold_rank_and_share():
    columns = [make_column((3, 1, 2)), make_column((2, 1, 3), "ECE foreground", p=float("nan"))]
    figure = build_ranks(METHODS, columns, title="acdc", about="8 subjects.")
    (axes,) = figure.axes
    cells = read_cells(axes)
    assert cells[0, 0] == ["1", "81%"]
    assert cells[1, 0] == ["3", "80%"]
    assert cells[2, 1] == ["3", "82%"]
    words = [text.get_text() for text in figure.texts]
    assert [word for word in words if word in METHODS] == ["MbLS", "CE", "FL"]
    assert [word for word in words if word in ("1.00", "2.50")] == ["1.00", "2.50", "2.50"]
    assert {"p = 0.031", "no test", "ECE\nforeground"} <= set(words)
    assert "8 subjects." in " ".join(words)


def test_few_subjects_have_ranks_and_no_shares():
    columns = [make_column((3, 1, 2), n=FEWEST_TESTED - 1), make_column((3, 1, 2), n=FEWEST_TESTED)]
    cells = read_cells(build_ranks(METHODS, columns, title="acdc").axes[0])
    assert (cells[0, 0], cells[0, 1]) == (["1"], ["1", "81%"])


@pytest.mark.parametrize("groups", [("acdc", "acdc"), ("acdc", "brats")])
def test_below_each_column_stands_how_many_subjects_it_ranks(groups):
    columns = [make_column((3, 1, 2), group=groups[0], n=148, tested=160), make_column((3, 1, 2), "HD95", groups[1])]
    figure = build_ranks(METHODS, columns, title="acdc")
    words = {text.get_text(): text for text in figure.texts}
    assert {"n = 148", "of 160", "n = 8"} <= set(words)
    assert "of 8" not in words
    assert "over subjects that every method has a value for" in " ".join(words).replace("  ", " ")
    figure.draw_without_rendering()
    first, second = (words[text].get_window_extent() for text in ("n = 148", "n = 8"))
    assert first.x1 < second.x0
    assert words["of 160"].get_window_extent().y1 <= first.y0 + 1
    assert words["of 160"].get_window_extent().y0 >= 0


def test_better_ranks_are_darker():
    (axes,) = build_ranks(METHODS, [make_column((3, 1, 2))], title="acdc").axes
    mesh = axes.collections[0]
    mesh.update_scalarmappable()
    brightness = mesh.get_facecolors()[:, :3].sum(axis=1)
    assert np.all(np.diff(brightness) > 0.2)


def test_data_sets_stand_side_by_side():
    columns = [make_column((1, 2, 3)), make_column((3, 1, 2), group="brats"), make_column((1, 2, 3), "ECE")]
    figure = build_ranks(METHODS, columns, title="both")
    assert len(figure.axes) == 2
    assert {"acdc", "brats"} <= {text.get_text() for text in figure.texts}
    assert read_cells(figure.axes[0])[0, 1][0] == "1"
    assert figure.axes[0].get_position().x1 < figure.axes[1].get_position().x0


def test_everything_is_on_the_page_and_apart():
    names = ("quadratic, m = 10", "b", "c")
    columns = [
        make_column((1, 2, 3), heading, methods=names) for heading in ("Dice", "CECE foreground", "ECE foreground")
    ]
    figure = build_ranks(names, columns, title="acdc")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts if "\n" in text.get_text()]
    assert boxes[0].x1 < boxes[1].x0
    assert all(text.get_window_extent().x0 >= 0 for text in figure.texts)
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in figure.texts)
    assert all(text.get_window_extent().y0 >= 0 for text in figure.texts)


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(RunError, match="at least two methods"):
        build_ranks(["CE"], [make_column((1, 2, 3))], title="acdc")
    with pytest.raises(RunError, match="Dice must rank every method, got none of LS"):
        build_ranks(["CE", "LS"], [make_column((1, 2, 3))], title="acdc")
