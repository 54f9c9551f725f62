"""The files that the page is made of."""

from __future__ import annotations

from mlseg.report.html_parts import SCRIPTS, fill_template, read_part, read_script


def test_parts_are_put_in_once():
    assert fill_template("{{a}} {{b}} {{a}}", {"a": r"\1 {{b}}", "b": "$&"}) == r"\1 {{b}} $& \1 {{b}}"


def test_the_script_can_stand_in_the_page():
    script = read_script()
    assert all(read_part(name) in script for name in SCRIPTS)
    assert "</script" not in script
    assert "<!--" not in script
    assert script.isascii()


def test_nothing_of_the_page_asks_the_network():
    for name in (*SCRIPTS, "page.html", "page.css", "viewer.html"):
        text = read_part(name)
        for word in ("http:", "https:", "//cdn", "fetch(", "XMLHttpRequest", "@import", "url(", "import("):
            assert word not in text, (name, word)
