"""The files of a table."""

from __future__ import annotations

import pytest

from mlseg.report.paper_cells import analyse
from mlseg.report.paper_table import format_markdown, write_table


@pytest.fixture
def result(make_spec):
    kinds = {"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}, "brats": {"CE": None, "MbLS": None}}
    return analyse(make_spec(kinds, pairs=(("MbLS", "CE"),)))


def test_five_files(result, tmp_path):
    paths = write_table(tmp_path / "tables", "main_quick", result)
    assert [path.name for path in paths] == [
        "main_quick.md",
        "main_quick.tex",
        "main_quick.csv",
        "main_quick_differences.csv",
        "main_quick_ranks.csv",
    ]
    assert all(path.stat().st_size > 200 for path in paths)


def test_the_page_shows_names_and_runs(result, tmp_path):
    text = format_markdown(result)
    assert "# Losses\n" in text
    assert "Made by `mlseg-tables main`." in text
    first = next(block for block in text.split("\n\n") if block.startswith("| Method"))
    ours = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in first.splitlines()}
    assert ours["MbLS"].startswith("**0.8")  # the best Dice
    assert ours["CE"].startswith("0.7")
    assert f"2. acdc, MbLS: `{(tmp_path / 'acdc' / 'MbLS' / 'seed1').as_posix()}` (data=acdc)" in text
    assert "Missing: brats (no data at raw/brats)." in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 9
    assert all(len({(len(line), line.count("|")) for line in table}) == 1 for table in tables)
