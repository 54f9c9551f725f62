"""The tables of the page: numbers, marks, words."""

from __future__ import annotations

import itertools
import re

import pytest

from mlseg.report.html_groups import compare_group, group_sets, summarise_group
from mlseg.report.html_tables import (
    define_scores,
    describe_differences,
    describe_summary,
    draw_differences,
    draw_runs,
    draw_settings,
    draw_summary,
)
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def gather(tmp_path, write_run):
    made = itertools.count()

    def call(*kinds, **common):
        runs = [read_run(write_run(tmp_path / str(next(made)), **{**common, **options})) for options in kinds]
        (group,) = group_sets(group_runs(runs))
        return group

    return call


def list_rows(table):
    """Texts of the cells of each row of a table."""
    body = table.partition("<tbody>")[2]
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]


def test_means_have_intervals_counts_and_marks(gather):
    group = gather({}, {"loss": "mbls", "shift": 0.1})
    entries = summarise_group(group, "default", tested=True)
    rows = list_rows(draw_summary(group, "default", entries))
    assert [row[0] for row in rows] == ["ce", "mbls"]
    assert [row[-3:] for row in rows] == [["0 / 0", "8", "1"]] * 2
    dice = group.measures["default"][0]
    for row in rows:
        entry = entries[row[0], dice]
        assert f"{entry.values.mean:.3f}" in row[1]
        assert f"[{entry.interval.low:.3f}, {entry.interval.high:.3f}]" in row[1]
    # Only the better one can't be told from the best, and its mark ends where the scale does.
    assert "<strong>" not in rows[0][1]
    assert "<strong>" in rows[1][1]
    assert "--from:0.0%" in rows[0][1]
    assert "--to:100.0%" in rows[1][1]


def test_a_column_without_spread_or_value_has_no_mark(gather):
    group = gather({}, subjects=1, frames=("ED",))
    entries = summarise_group(group, "default", tested=False)
    (row,) = list_rows(draw_summary(group, "default", entries))
    assert "mark" not in row[1]
    assert "{0." in row[1]


def test_the_note_speaks_of_bold_only_where_there_is_any(gather):
    group = gather({}, {"loss": "mbls", "shift": 0.1})
    assert "Bold" in describe_summary(summarise_group(group, "default", tested=True))
    assert "Bold" not in describe_summary(summarise_group(group, "default", tested=False))


def test_differences_say_better_and_worse_by_the_score(gather):
    group = gather({}, {"loss": "mbls", "shift": 0.1})
    first, second = compare_group(group, "default")
    (row,) = list_rows(draw_differences(first))
    assert row[1].startswith("<b>+0.1")
    assert row[3].startswith("<b>-0.1")
    assert all("better" in cell for cell in row[1:])
    (turned,) = list_rows(draw_differences(second))
    assert all("worse" in cell for cell in turned[1:])
    assert "1 comparison(s)" in describe_differences(first)
    assert "8 subjects" in describe_differences(first)


def test_below_six_subjects_nothing_is_better(gather):
    group = gather({}, {"loss": "mbls", "shift": 0.1}, subjects=5)
    (row,) = list_rows(draw_differences(compare_group(group, "default")[0]))
    assert all("no test" in cell and "better" not in cell for cell in row[1:])


def test_settings_that_differ_and_no_others(gather):
    group = gather({"settings": {"a.same": 1}}, {"loss": "mbls", "settings": {"loss.margin": "<5>", "a.same": 1}})
    rows = list_rows(draw_settings(group))
    assert [row[0] for row in rows] == [f"<code>{key}</code>" for key in ("loss", "loss._target_", "loss.margin")]
    assert rows[2][1:] == ["–", "&lt;5&gt;"]
    assert draw_settings(gather({"settings": {"b": 1}}, subjects=2)) == ""


def test_runs_are_linked_relative_to_the_page(gather, tmp_path):
    table = draw_runs(gather({}), tmp_path / "reports" / "page.html")
    assert '<a href="../0/">' in table


def test_scores_are_defined_with_the_settings_of_the_runs(gather):
    text = define_scores(gather({"settings": {"evaluation.default.bins": 20}}), "default")
    assert "over 20 equal bins" in text
    (ece,) = re.findall(r"<dt>ECE</dt><dd>(.*?)</dd>", text)
    assert ece.endswith(
        "Region foreground: voxels where the reference is not background. Region image: every voxel scored."
    )
    (cece,) = re.findall(r"<dt>CECE</dt><dd>(.*?)</dd>", text)
    assert "Region image" not in cece
