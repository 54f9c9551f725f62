"""The report page: one HTML file with tables, figures and slices of a set of runs, which needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.checks import RunError
from mlseg.records import write_text
from mlseg.report.case_panels import CLASS_COLOURS
from mlseg.report.html_figures import list_ramp
from mlseg.report.html_groups import group_sets
from mlseg.report.html_parts import fill_template, read_part, read_script
from mlseg.report.html_sections import Section, build_section
from mlseg.report.html_words import embed_json, escape
from mlseg.report.run_set import RunSet


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """What was written.

    Args:
        path: the page.
        size: bytes.
        n_runs, n_groups, n_cases: what it holds; cases that several groups have count in each.
    """

    path: Path
    size: int
    n_runs: int
    n_groups: int
    n_cases: int


def write_report(path: Path, sets: Sequence[RunSet], *, command: str, title: str = "") -> ReportFile:
    """Write the page in one step. The same runs give the same bytes.

    Args:
        path: the file; its folder is made if it is not there.
        sets: one or more; those that were tested on other data stand in groups of their own.
        command: what makes the page again.
        title: over it; "" takes the names of the data sets.

    Raises:
        RunError: a file of a run is damaged, or the page cannot be written.
    """
    text, sections = format_report(path, sets, command=command, title=title)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path.parent}: cannot be made ({error.strerror}). Give another output=...") from error
    write_text(path, text)
    return ReportFile(
        path=path,
        size=path.stat().st_size,
        n_runs=sum(len(section.group.runs) for section in sections),
        n_groups=len(sections),
        n_cases=sum(len(section.group.cases) for section in sections),
    )


def format_report(path: Path, sets: Sequence[RunSet], *, command: str, title: str = "") -> tuple[str, list[Section]]:
    """The page as text, and its sections; the arguments are those of `write_report`, `path` is where links start."""
    groups = group_sets(sets)
    sections = [build_section(number, group, path) for number, group in enumerate(groups)]
    names = ", ".join(dict.fromkeys(group.name for group in groups))
    n = sum(len(one.runs) for one in sets)
    script = read_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    blocks = [block for section in sections for block in section.blocks]
    parts = {
        "title": escape(title or f"{names}: {n} run{'' if n == 1 else 's'}"),
        "hash": f"sha256-{digest}",
        "style": read_part("page.css"),
        "about": _describe(sections, command),
        "navigation": _draw_navigation(sections),
        "groups": "\n".join(section.html for section in sections),
        "data": embed_json({"groups": [section.data for section in sections], "style": _choose_style()}),
        "planes": "\n".join(
            f'<script type="text/plain" id="{escape(name)}">{content}</script>' for name, content in blocks
        ),
        "script": script,
    }
    return fill_template(read_part("page.html"), parts), sections


def _choose_style() -> dict[str, Any]:
    return {"colours": list(CLASS_COLOURS), "ramp": list_ramp()}


def _describe(sections: Sequence[Section], command: str) -> str:
    text = f'<p class="about">Made by <code>{escape(command)}</code>.</p>'
    if len(sections) > 1:
        text += (
            f'<p class="about">{len(sections)} groups: runs that were tested on other cases, against another reference '
            "or under other definitions are not compared.</p>"
        )
    return text


def _draw_navigation(sections: Sequence[Section]) -> str:
    lists = []
    for section in sections:
        head = f'<li class="group-name">{escape(section.title)}</li>' if len(sections) > 1 else ""
        items = "".join(f'<li><a href="#{anchor}">{escape(name)}</a></li>' for anchor, name in section.anchors)
        lists.append(f"<ul>{head}{items}</ul>")
    return f'<nav aria-label="Contents">{"".join(lists)}</nav>'
