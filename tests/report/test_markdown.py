"""summary.md."""

from __future__ import annotations

from mlseg.report.bins_file import PooledScore
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


def test_the_headlines_figures_are_shown_and_others_named(make_scores):
    figures = {
        "default": {"reliability": "figures/reliability.png", "ece_bins": "figures/ece_bins.png"},
        "paper": {"ece_bins": "figures/ece_bins_paper.png"},
    }
    text = format_summary(summarise(make_scores()), figures=figures)
    assert text.count("### Figures") == 2
    assert "\n\n![confidence against accuracy, by region](figures/reliability.png)\n" in text
    assert "\nECE and CECE against the number of bins:\n\n![" in text
    assert "\n- [figures/ece_bins_paper.png](figures/ece_bins_paper.png): ECE and CECE against" in text
    assert "### Figures" not in format_summary(summarise(make_scores()))


def test_pooled_scores_of_merged_labels_name_them(make_scores):
    score = PooledScore(region="roi", ece=0.1234, cece=0.5, n_cases=2, n_voxels=1_234_567)
    merged = PooledScore(region="roi", label="W|T", ece=0.25, cece=0.75, n_cases=1, n_voxels=9)
    plain = format_summary(summarise(make_scores()), pooled={"default": [score]})
    assert "| Region | ECE | CECE | Cases | Voxels |\n|---|---:|---:|---:|---:|\n| roi | 0.123 | 0.500 | 2 |" in plain
    tables = format_summary(summarise(make_scores()), pooled={"default": [merged]})
    expected = (
        "| Label | Region | ECE | CECE | Cases | Voxels |\n|---|---|---:|---:|---:|---:|\n| W\\|T | roi | 0.250 |"
    )
    assert expected in tables


def test_merged_labels_have_their_ece_side_by_side(make_score):
    case = {"evaluation": "merged", "metric": "ece"}
    scores = [make_score(label=label, region="roi", value=v, **case) for label, v in (("WT", 0.1), ("TC", 0.3))]
    scores.append(make_score(label="all", region="roi", value=0.4, evaluation="merged", metric="cece"))
    text = format_summary(summarise(scores), headline="merged")
    header, _, ece, cece = read_tables(text)[0]
    assert header == ["Score", "Region", "WT", "TC", "Overall", "n"]
    assert ece == ["ECE", "roi", "0.100", "0.300", "**0.200**", "1"]
    assert cece == ["CECE", "roi", "", "", "**0.400**", "1"]
    assert "two-class problem" in text
