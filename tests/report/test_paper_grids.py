"""Which number stands in which cell."""

from __future__ import annotations

import pytest

from mlseg.report.paper_cells import MEASURES, analyse
from mlseg.report.paper_grids import build_grids


@pytest.fixture
def result(make_spec):
    kinds = {"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}, "brats": {"CE": None, "MbLS": None}}
    return analyse(make_spec(kinds, pairs=(("MbLS", "CE"),)))


def find(grids, title):
    return next(grid for grid in grids if grid.title == title)


def test_ours_has_its_own_numbers(result):
    grid = find(build_grids(result), "acdc, evaluation=default")
    assert grid.columns == (
        *("Method", "Dice", "HD95 (mm)", "Missed / invented"),
        *("ECE foreground", "CECE foreground", "ECE image", "Runs"),
    )
    rows = dict(grid.rows)
    entry = result.blocks[0].entries["MbLS", MEASURES[0]]
    assert rows["MbLS"][0].text == f"{entry.values.mean:.3f}"
    assert rows["MbLS"][0].bold
    assert not rows["CE"][0].bold
    assert [cells[-1].text for cells in rows.values()] == ["1", "2"]


def test_theirs_stand_beside_and_the_unknown_stays_empty(result):
    grid = find(build_grids(result), "acdc, evaluation=paper, beside the published numbers")
    rows = dict(grid.rows)
    assert [cell.text for cell in rows["MbLS"][1::2]] == ["0.875", "", "0.049", ""]
    assert [cell.text for cell in rows["CE"][1::2]] == ["0.841", "", "0.086", ""]
    assert "pre-submission figure notebook, not checked" in grid.footnote


def test_a_missing_data_set_keeps_its_place_and_theirs(result):
    grid = find(build_grids(result), "brats, evaluation=default")
    assert grid.note == "No runs: no data at raw/brats."
    assert all(cell.text == "" for _, cells in grid.rows for cell in cells)
    beside = find(build_grids(result), "brats, evaluation=paper, beside the published numbers")
    assert [cell.text for cell in dict(beside.rows)["CE"]] == ["", "0.697", "", "", "", "0.128", "", ""]


def test_another_table_has_nothing_of_theirs(make_spec):
    grids = build_grids(analyse(make_spec({"acdc": {"CE": {}}}, name="margin")))
    assert find(grids, "acdc, evaluation=paper, beside the published numbers").footnote == "Theirs: not known."


def test_differences_and_ranks(result):
    grids = build_grids(result)
    pair = find(grids, "acdc, differences").rows[0]
    assert pair[0] == "MbLS - CE"
    assert pair[1][0].text.startswith("+0.100 [")
    ranks = find(grids, "Ranks by Dice")
    assert ranks.columns[-1] == "Sum, theirs"
    assert [(name, cells[0].text, cells[-1].text) for name, cells in ranks.rows] == [
        ("CE", "2", "24"),
        ("MbLS", "1", "6"),
    ]
    assert find(grids, "Ranks by ECE foreground").rows[1][1][0].text == "1"
    assert "no test (8 subjects, 2 methods)" in ranks.footnote
