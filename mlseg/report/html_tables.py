"""The tables of the report page: sets of runs, their differences, their settings, the runs, what the scores mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlseg.report.compared_runs import Compared
from mlseg.report.comparisons import ALPHA, FEWEST_TESTED
from mlseg.report.definitions import PROTOCOLS, SETTINGS, describe_region, describe_score, get_title
from mlseg.report.html_groups import DataGroup
from mlseg.report.html_words import Cell, Column, Row, draw_table, escape, link_to
from mlseg.report.paper_cells import Entry
from mlseg.report.paper_words import format_missed, format_number, format_p, format_spread, name_measure
from mlseg.report.statistics import FEWEST, LEVEL, MANY
from mlseg.report.subject_values import Measure

_ABSENT = "\N{EN DASH}"
_LONGEST = 80


def draw_summary(group: DataGroup, evaluation: str, entries: Mapping[tuple[str, Measure], Entry]) -> str:
    """Each set's means with their intervals, and under each number where it lies among all of its column."""
    measures = group.measures[evaluation]
    units = {measure: entries[group.sets[0].name, measure].values.unit for measure in measures}
    spans = {measure: _find_span([entries[one.name, measure] for one in group.sets]) for measure in measures}
    distance = next((measure for measure in measures if measure.metric == "hd95"), None)
    columns = [Column(title="Runs"), *(_head_measure(measure, units[measure]) for measure in measures)]
    columns.append(Column(title="Missed / invented", kind="number", hint="Over all cases, labels and seeds"))
    columns += [Column(title="Subjects", kind="number"), Column(title="Seeds", kind="number")]
    rows = []
    for one in group.sets:
        own = [entries[one.name, measure] for measure in measures]
        cells = [Cell(inner=escape(one.name), head=True)]
        cells += [Cell(inner=_draw_entry(e, spans[m]), kind="number") for e, m in zip(own, measures, strict=True)]
        missed = format_missed(entries[one.name, distance]) if distance else ""
        cells.append(Cell(inner=escape(missed or _ABSENT), kind="number"))
        n = max(entry.values.n_subjects for entry in own)
        cells += [Cell(inner=str(n), kind="number"), Cell(inner=str(len(one.runs)), kind="number")]
        rows.append(Row(cells=cells))
    return draw_table(columns, rows, caption=f"Scores, evaluation={evaluation}", kind="summary")


def describe_summary(entries: Mapping[tuple[str, Measure], Entry]) -> str:
    """How to read the summary, and what was left out of it."""
    text = (
        f"Mean over test subjects [{LEVEL:.0%} interval]: Student's t below {MANY} subjects, BCa bootstrap from "
        f"{MANY}; below {FEWEST} there is none, and the subjects' values stand in braces. A subject's frames are "
        "averaged first, then seeds, subjects, labels. The line under a number is its interval on the column's scale."
    )
    if any(entry.with_best for entry in entries.values()):
        text += f" Bold: cannot be told from the best of its column (paired sign-flip test, Holm, p >= {ALPHA})."
    undefined = [f"{n} {m.title} {e.values.n_undefined}" for (n, m), e in entries.items() if e.values.n_undefined]
    return f"{text} Left out as undefined: {', '.join(undefined)}." if undefined else text


def draw_differences(found: Compared) -> str:
    """All sets minus the first: mean difference, its interval, p after Holm, effect size."""
    base = found.sets[0].name
    units = {measure: found.values[base, measure].unit for measure in found.measures}
    columns = [Column(title=f"Difference to {base}")]
    columns += [_head_measure(measure, units[measure]) for measure in found.measures]
    rows = []
    for one in found.sets[1:]:
        cells = [Cell(inner=escape(one.name), head=True)]
        for measure in found.measures:
            own, unit = found.comparisons[one.name, measure], units[measure]
            shown = f"<b>{escape(format_number(own.difference, unit, sign=True))}</b>"
            if own.interval.kind != "none":
                ends = [format_number(end, unit, sign=True) for end in (own.interval.low, own.interval.high)]
                shown += f" <span>[{escape(', '.join(ends))}]</span>"
            p = format_p(own.p_holm)
            words = [p if p == "no test" else f"p {p}" if p.startswith("<") else f"p = {p}"]
            words += [f"d_z {own.d_z:+.2f}"] if not math.isnan(own.d_z) else []
            verdict = ""
            if own.tells_apart:
                verdict = "better" if (own.difference > 0) == measure.higher else "worse"
                words.insert(0, verdict)
            # How many there are stands in the note.
            words += [f"n = {own.n}"] if own.n < len(found.subjects) else []
            shown += f"<small>{escape(', '.join(words))}</small>"
            cells.append(Cell(inner=shown, kind=f"number {verdict}".strip()))
        rows.append(Row(cells=cells))
    return draw_table(columns, rows, caption=f"Paired differences to {base}", kind="differences")


def describe_differences(found: Compared) -> str:
    """What stands in a cell of the differences."""
    return (
        f"Mean of the differences of {len(found.subjects)} subjects [{LEVEL:.0%} interval], p of the paired sign-flip "
        f"test after Holm over {len(found.sets) - 1} comparison(s) for each score, d_z: mean over standard deviation "
        "of the differences. "
        f"Below {FEWEST_TESTED} subjects there is no test, below {FEWEST} no interval. Better and worse are said only "
        f"where p < {ALPHA}."
    )


def draw_settings(group: DataGroup) -> str:
    """The choices and settings in which the sets differ; "" if there is one set only."""
    if len(group.sets) < 2:
        return ""
    flat = [{**{key: one.first.choices[key] for key in one.first.choices}, **one.first.settings} for one in group.sets]
    keys = list(dict.fromkeys([*group.first.choices, *sorted(set().union(*flat))]))
    differing = [key for key in keys if len({_show(own.get(key, _ABSENT)) for own in flat}) > 1]
    columns = [Column(title="Setting"), *(Column(title=one.name) for one in group.sets)]
    rows = [
        Row(cells=[Cell(inner=f"<code>{escape(key)}</code>", head=True), *(_draw_setting(own, key) for own in flat)])
        for key in differing
    ]
    return draw_table(columns, rows, caption="Settings that differ", kind="settings", sorts=False)


def draw_runs(group: DataGroup, page: Path) -> str:
    """Every run with a link to its directory."""
    columns = [Column(title=title) for title in ("Runs", "Loss", "Network", "Seed", "Split", "Directory")]
    rows = []
    for name, run in group.runs:
        texts = [run.choices.get("loss", _ABSENT), run.choices.get("model", _ABSENT), run.seed, run.data.get("name")]
        cells = [Cell(inner=escape(name), head=True), *(Cell(inner=escape(text)) for text in texts)]
        place = f'<a href="{escape(link_to(run.path, page))}/">{escape(run.path.as_posix())}</a>'
        rows.append(Row(cells=[*cells, Cell(inner=place)]))
    return draw_table(columns, rows, caption="Runs and their directories", kind="runs")


def define_scores(group: DataGroup, evaluation: str) -> str:
    """A definition list: the protocol, its scores, and their regions."""
    settings = group.first.settings
    own = {
        name: float(value)
        for name in SETTINGS
        if isinstance(value := settings.get(f"evaluation.{evaluation}.{name}"), int | float)
    }
    texts = {f"evaluation={evaluation}": f"{PROTOCOLS[evaluation]}."}
    for measure in group.measures[evaluation]:
        name = get_title(evaluation, measure.metric)
        texts.setdefault(name, describe_score(evaluation, measure.metric, own))
        if measure.metric in ("ece", "cece"):
            texts[name] += f" Region {measure.region}: {describe_region(measure.region, own)}."
    lines = "\n".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in texts.items())
    return f"<dl>\n{lines}\n</dl>"


def _head_measure(measure: Measure, unit: str) -> Column:
    better = "higher" if measure.higher else "lower"
    hint = describe_score(measure.evaluation, measure.metric)
    return Column(
        title=name_measure(measure, unit), kind="number", hint=hint, note=f"{better} is better", better=better
    )


def _draw_entry(entry: Entry, span: tuple[float, float]) -> str:
    """Mean, interval, and a mark on the scale of the column."""
    mean = escape(format_number(entry.values.mean, entry.values.unit))
    number = f"<strong>{mean}</strong>" if entry.with_best else mean
    inner = f"<b>{number}</b> <span>{escape(format_spread(entry))}</span>"
    low, high = span
    if math.isnan(entry.values.mean) or not high > low:
        return inner
    mean_value = entry.values.mean
    known = [mean_value if math.isnan(v) else v for v in (entry.interval.low, entry.interval.high, mean_value)]
    start, end, middle = (f"{100 * (value - low) / (high - low):.1f}%" for value in known)
    return f'{inner}<i class="mark" style="--from:{start};--to:{end};--at:{middle}"></i>'


def _find_span(entries: Sequence[Entry]) -> tuple[float, float]:
    """The least and the largest value of a column, intervals included."""
    ends = [v for e in entries for v in (e.interval.low, e.interval.high, e.values.mean) if not math.isnan(v)]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _draw_setting(settings: Mapping[str, Any], key: str) -> Cell:
    return Cell(inner=escape(_show(settings.get(key, _ABSENT))))


def _show(value: Any) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
