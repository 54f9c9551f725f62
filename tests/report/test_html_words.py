"""What is written into the page can do no harm there."""

from __future__ import annotations

import json
from pathlib import Path

from mlseg.report.html_words import Cell, Column, Row, draw_table, embed_json, escape, link_to

EVIL = """</script><script>alert("1")</script> & 'x' <!-- """


def test_text_is_escaped_for_elements_and_attributes():
    assert not set("<>\"'") & set(escape(EVIL))
    assert escape("a & b") == "a &amp; b"


def test_json_cannot_leave_its_script_and_reads_back_the_same():
    text = embed_json({EVIL: [EVIL, 1, None, 0.5, (1, 2)]})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {EVIL: [EVIL, 1, None, 0.5, [1, 2]]}


def test_what_json_does_not_know_becomes_null():
    assert json.loads(embed_json([float("nan"), float("inf"), {"a": float("-inf")}])) == [None, None, {"a": None}]


def test_links_are_relative_to_the_page_and_quoted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert link_to(Path("runs/a b#1/seed?"), Path("reports/x/report.html")) == "../../runs/a%20b%231/seed%3F"
    assert link_to(Path("run"), Path("report.html")) == "run"
    # A name with a colon is no scheme.
    assert link_to(Path("javascript:alert(1)"), Path("report.html")) == "javascript%3Aalert%281%29"


def test_a_link_from_a_linked_folder_leads_to_the_run(tmp_path, monkeypatch):
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "away")
    monkeypatch.chdir(tmp_path)
    assert link_to(Path("run"), Path("near/report.html")) == "../../run"


def test_a_table_escapes_its_words_and_sorts_on_demand():
    columns = [Column(title="<a>", hint='"b"'), Column(title="n", kind="number", better="higher", note="<c>")]
    rows = [Row(cells=[Cell(inner="<b>x</b>", head=True), Cell(inner="1", kind="number")], attributes={"data-a": '"'})]
    text = draw_table(columns, rows, caption="<d>", kind="e")
    assert "<b>x</b>" in text
    for part in (
        "&lt;a&gt;",
        'title="&quot;b&quot;"',
        "<small>&lt;c&gt;</small>",
        "<caption>&lt;d&gt;",
        'data-a="&quot;"',
    ):
        assert part in text
    assert text.count("<button") == 2
    assert 'data-first="descending">n' in text
    assert "<button" not in draw_table(columns, rows, caption="d", sorts=False)
