"""The whole page: one file, the same bytes for the same runs, and names that do no harm."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re

import pytest

from mlseg.checks import RunError
from mlseg.functional.views_file import write_views
from mlseg.report.html_page import format_report, write_report
from mlseg.report.run_set import group_runs, read_run

EVIL = "<script>alert(1)</script>"


class Reader(html.parser.HTMLParser):
    """Elements with their attributes, the text of scripts, and whether all elements are closed."""

    void = ("meta", "link", "br", "img", "input")

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data


@pytest.fixture
def sets(tmp_path, write_run, make_view):
    runs = []
    for loss, options in (("ce", {}), ("mbls", {"shift": 0.1}), ("other", {"first": 4})):
        path = write_run(tmp_path / loss, loss=loss, subjects=3, frames=("ED",), **options)
        write_views(path / "views.npz", [make_view("p00_ED")])
        runs.append(read_run(path))
    return group_runs(runs)


@pytest.fixture
def page(sets, tmp_path):
    return Reader(format_report(tmp_path / "report.html", sets, command="mlseg-report a b")[0])


def test_the_page_is_whole_and_needs_nothing_beside_it(page):
    assert page.open == []
    for tag, attributes in page.elements:
        assert not attributes.get("src"), tag
        if tag == "link":
            assert attributes["href"] == "data:,"
        if tag == "a":
            assert not re.match(r"\w+:", attributes["href"])


def test_only_its_own_script_may_run(page):
    (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    (script,) = [text for attributes, text in page.scripts if not attributes]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_groups_have_their_own_sections_and_data(page):
    assert [a["id"] for tag, a in page.elements if a.get("class") == "group"] == ["group-0", "group-1"]
    (data,) = [json.loads(text) for attributes, text in page.scripts if attributes.get("id") == "data"]
    assert [[run["set"] for run in group["runs"]] for group in data["groups"]] == [["ce", "mbls"], ["other"]]
    assert [case["id"] for case in data["groups"][1]["cases"]] == ["p04_ED", "p05_ED", "p06_ED"]
    blocks = [attributes["id"] for attributes, _ in page.scripts if attributes.get("type") == "text/plain"]
    assert blocks == ["planes-0-0"]
    anchors = [a["href"][1:] for tag, a in page.elements if tag == "a" and a["href"].startswith("#group")]
    assert set(anchors) <= {a.get("id") for _, a in page.elements}
    assert len(anchors) == len(set(anchors)) >= 12


def test_the_same_runs_give_the_same_bytes(sets, tmp_path):
    made = [write_report(tmp_path / "x" / f"{name}.html", sets, command="c", title="t") for name in "ab"]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert (made[0].n_runs, made[0].n_groups, made[0].n_cases) == (3, 2, 6)
    assert made[0].size == made[0].path.stat().st_size


def test_names_do_no_harm(tmp_path, write_run, make_view):
    path = write_run(tmp_path / "a", loss=EVIL, data=EVIL, settings={"evaluation.default.labels": ["background", EVIL]})
    scores = path / "scores.csv"
    scores.write_text(scores.read_text().replace("p00_ED", EVIL).replace("RV", f'"{EVIL} & {{{{script}}}}"'))
    write_views(path / "views.npz", [make_view(EVIL)])
    sets = group_runs([read_run(path)])
    text, _ = format_report(tmp_path / "report.html", sets, command=EVIL, title=EVIL)
    page = Reader(text)
    assert page.open == []
    assert EVIL not in text
    assert [attributes.get("type", "") for attributes, _ in page.scripts] == ["application/json", "text/plain", ""]
    (data,) = [json.loads(content) for attributes, content in page.scripts if attributes.get("id") == "data"]
    assert data["groups"][0]["cases"][0]["id"] == EVIL
    assert data["groups"][0]["labels"] == ["background", EVIL]
    assert text.count("{{script}}") > 0


def test_a_page_that_cannot_be_written_is_one_line(sets, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot be made .* Give another output"):
        write_report(tmp_path / "file" / "report.html", sets, command="c")
