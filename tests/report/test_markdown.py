"""summary.md."""

from __future__ import annotations

from mlseg.report.markdown import format_summary, write_summary
from mlseg.report.summary import summarise


def read_tables(text: str) -> list[list[list[str]]]:
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


def test_tables_are_whole_and_hold_the_means(make_scores):
    rows = summarise(make_scores())
    tables = read_tables(format_summary(rows))
    # Two protocols, each for all frames, ED and ES.
    assert len(tables) == 6
    for table in tables:
        assert len({len(line) for line in table}) == 1
    header, _, dice, *_ = tables[0]
    assert header == ["Score", "Region", "RV", "Myo", "LV", "Overall", "n", "Missed / invented"]
    mean = next(row for row in rows if (row.metric, row.label, row.frame) == ("dice", "mean", ""))
    assert dice[:2] == ["Dice", "image"]
    assert dice[-3] == f"**{mean.mean:.3f} ± {mean.std:.3f}**"
    assert dice[-2:] == ["8 (16)", ""]


def test_the_headline_comes_first(make_scores):
    text = format_summary(summarise(make_scores()), headline="paper")
    assert text.index("`evaluation=paper` (headline)") < text.index("`evaluation=default` (for comparison)")


def test_a_bar_in_a_name_does_not_break_the_table(make_score):
    text = format_summary(summarise([make_score(label="a|b")]))
    assert "| a\\|b " in text.replace("  ", " ")


def test_the_file_holds_the_text(make_scores, tmp_path):
    rows = summarise(make_scores())
    write_summary(tmp_path / "summary.md", rows, title="Phantom")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == format_summary(rows, title="Phantom")
