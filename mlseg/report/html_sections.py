"""One group of the report page: its tables, its slices, its figures, and what the page's script must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.report.compared_runs import Compared
from mlseg.report.html_cases import CaseScores, collect_cases, draw_cases
from mlseg.report.html_gallery import Gallery
from mlseg.report.html_groups import DataGroup, compare_group, summarise_group
from mlseg.report.html_parts import read_part
from mlseg.report.html_tables import (
    define_scores,
    describe_differences,
    describe_summary,
    draw_differences,
    draw_runs,
    draw_settings,
    draw_summary,
)
from mlseg.report.html_views import PackedCase, describe_left_out, pack_cases
from mlseg.report.html_words import escape

# What a filter can choose, and what it is called.
FILTERS = {"loss": "Loss", "model": "Network", "set": "Runs", "seed": "Seed"}


@dataclass(frozen=True, kw_only=True)
class Section:
    """A group as the page holds it.

    Args:
        group: the runs.
        title: heading.
        html: tables, and places for the rest.
        anchors: (id, title) of its parts.
        data: for the page's script.
        blocks: (id, base64) of slices and figures.
    """

    group: DataGroup
    title: str
    html: str
    anchors: Sequence[tuple[str, str]]
    data: Mapping[str, Any]
    blocks: Sequence[tuple[str, str]]


def build_section(number: int, group: DataGroup, page: Path) -> Section:
    """Everything about one group.

    Args:
        number: of the group, from 0.
        group: its runs.
        page: the file of the page, where links start.

    Raises:
        RunError: a file of a run is damaged.
    """
    scores = [collect_cases(run) for _, run in group.runs]
    packed = pack_cases(group)
    figures = Gallery(number, group, page)
    compared = {evaluation: compare_group(group, evaluation) for evaluation in group.measures}
    parts = {
        "scores": ("Scores", _draw_scores(group, compared)),
        "differences": ("Differences", _draw_differences(group, compared)),
        "cases": ("Cases", _draw_cases(group, scores, packed)),
        "reliability": ("Reliability", figures.draw_shared()),
        "figures": ("Figures of each run", figures.draw_own()),
        "settings": ("Settings that differ", draw_settings(group)),
        "runs": ("Runs", draw_runs(group, page)),
        "definitions": ("What the scores mean", _define(group)),
    }
    kept = {f"group-{number}-{name}": part for name, part in parts.items() if part[1]}
    body = "\n".join(
        f'<section id="{anchor}"><h3>{escape(title)}</h3>\n{inner}\n</section>'
        for anchor, (title, inner) in kept.items()
    )
    title = f"{group.name}, {_count(len(group.subjects), 'test subject')}"
    first = next(iter(group.measures))
    head = f'<h2>{escape(title)}</h2><p class="about">{escape(_describe(group))}</p>{_choose_protocol(number, group)}'
    planes = [(f"planes-{number}-{place}", case.planes) for place, case in enumerate(packed) if case.planes]
    return Section(
        group=group,
        title=title,
        html=f'<section class="group" id="group-{number}" data-evaluation="{first}">\n{head}\n{body}\n</section>',
        anchors=[(anchor, title) for anchor, (title, _) in kept.items()],
        data={
            "labels": list(group.labels),
            "seeds": any(len(one.runs) > 1 for one in group.sets),
            "runs": _describe_runs(group, scores),
            "cases": [{**case.about, "search": _word_search(scores[0][case.about["id"]])} for case in packed],
        },
        blocks=[*planes, *figures.blocks],
    )


def _draw_scores(group: DataGroup, compared: Mapping[str, Sequence[Compared] | str]) -> str:
    blocks = []
    for evaluation, found in compared.items():
        entries = summarise_group(group, evaluation, tested=not isinstance(found, str))
        table = draw_summary(group, evaluation, entries)
        blocks.append(
            f'<div class="for-{evaluation}">{table}<p class="note">{escape(describe_summary(entries))}</p></div>'
        )
    return "\n".join(blocks)


def _draw_differences(group: DataGroup, compared: Mapping[str, Sequence[Compared] | str]) -> str:
    """A table for each set that the others can be compared with."""
    if len(group.sets) < 2:
        return ""
    blocks = []
    for evaluation, found in compared.items():
        if isinstance(found, str):
            blocks.append(f'<div class="for-{evaluation}"><p class="note">{escape(found)}</p></div>')
            continue
        tables = "".join(
            f'<div data-base="{place}"{" hidden" if place else ""}>{draw_differences(one)}</div>'
            for place, one in enumerate(found)
        )
        options = "".join(f'<option value="{p}">{escape(one.sets[0].name)}</option>' for p, one in enumerate(found))
        select = f'<select class="base" autocomplete="off">{options}</select>'
        choice = f'<p class="base-choice"><label>Against {select}</label></p>'
        note = f'<p class="note">{escape(describe_differences(found[0]))}</p>'
        blocks.append(f'<div class="for-{evaluation}">{choice if len(found) > 1 else ""}{tables}{note}</div>')
    return "\n".join(blocks)


def _draw_cases(group: DataGroup, scores: Sequence[Mapping[str, CaseScores]], packed: Sequence[PackedCase]) -> str:
    left_out = describe_left_out(group, packed)
    note = f'<p class="note">{escape(left_out)}</p>\n' if left_out else ""
    return f"{_draw_filter(group)}\n{read_part('viewer.html')}\n{note}{draw_cases(group, scores)}"


def _draw_filter(group: DataGroup) -> str:
    fields = ['<label>Case <input type="search" name="case" placeholder="part of its name"></label>']
    for key, title in FILTERS.items():
        values = list(dict.fromkeys(str(run[key]) for run in _name_runs(group)))
        if len(values) > 1:
            options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
            fields.append(
                f'<label>{title} <select name="{key}"><option value="">all</option>{options}</select></label>'
            )
    return (
        f'<form class="filter" autocomplete="off" role="search" aria-label="Filter">{"".join(fields)}'
        '<button type="reset">Show all</button><output aria-live="polite"></output></form>'
    )


def _choose_protocol(number: int, group: DataGroup) -> str:
    if len(group.measures) < 2:
        return ""
    boxes = "".join(
        f'<label><input type="radio" name="protocol-{number}" value="{name}" autocomplete="off"'
        f"{'' if place else ' checked'}> evaluation={name}</label>"
        for place, name in enumerate(group.measures)
    )
    return f'<fieldset class="protocols"><legend>Scores by</legend>{boxes}</fieldset>'


def _define(group: DataGroup) -> str:
    return "\n".join(f'<div class="for-{name}">{define_scores(group, name)}</div>' for name in group.measures)


def _describe(group: DataGroup) -> str:
    splits = ", ".join(dict.fromkeys(str(run.data.get("name")) for _, run in group.runs))
    runs = f"{_count(len(group.runs), 'run')} of {_count(len(group.sets), 'configuration')}"
    cases = f"{_count(len(group.cases), 'case')}, split {splits}"
    return f"{cases}; {runs}. Runs that differ in nothing but the seed stand together."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _name_runs(group: DataGroup) -> Iterator[dict[str, Any]]:
    for name, run in group.runs:
        yield {
            "set": name,
            "seed": run.seed,
            "loss": run.choices.get("loss", ""),
            "model": run.choices.get("model", ""),
        }


def _describe_runs(group: DataGroup, scores: Sequence[Mapping[str, CaseScores]]) -> list[dict[str, Any]]:
    """For each run what the filter looks at, and protocol by protocol the Dice of each label of each case."""
    dice = {name: m for name, own in group.measures.items() for m in own if m.metric == "dice"}
    return [
        {**about, "dice": {name: [own[case].describe_labels(m) for case in group.cases] for name, m in dice.items()}}
        for about, own in zip(_name_runs(group), scores, strict=True)
    ]


def _word_search(scores: CaseScores) -> str:
    """What the text of the filter is looked for in."""
    about = scores.about
    return " ".join((about.case_id, about.subject_id, about.frame, about.group)).lower()
