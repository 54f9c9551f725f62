"""The table of cases: what each run scored on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlseg.records import Score
from mlseg.report.html_groups import DataGroup
from mlseg.report.html_words import Cell, Column, Row, draw_table, escape
from mlseg.report.paper_words import format_number, name_measure
from mlseg.report.run_set import Run
from mlseg.report.subject_values import Measure
from mlseg.report.summary import COUNTS, compute_mean

_ABSENT = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class CaseScores:
    """What one run scored on one case.

    Args:
        rows: its rows of scores.csv.
    """

    rows: tuple[Score, ...]

    @property
    def about(self) -> Score:
        """Any row of it, for subject, frame and group."""
        return self.rows[0]

    def select(self, measure: Measure) -> list[Score]:
        """The rows of one score, one per label."""
        key = (measure.evaluation, measure.metric, measure.region)
        return [row for row in self.rows if (row.evaluation, row.metric, row.region) == key]

    def average(self, measure: Measure) -> str:
        """The mean over labels, NaN left out, as text."""
        own = self.select(measure)
        return format_number(compute_mean(row.value for row in own), own[0].unit if own else "1")

    def describe_labels(self, measure: Measure) -> str:
        """The value of each label, "RV 0.912, LV 0.953"."""
        return ", ".join(f"{row.label} {format_number(row.value, row.unit)}" for row in self.select(measure))

    def list_marked(self, metric: str) -> list[str] | None:
        """The labels that are "missed" or "invented"; None where the run does not count them.

        The protocols agree on them, the merged one has its own labels.
        """
        rows = [row for row in self.rows if row.metric == metric]
        return list(dict.fromkeys(row.label for row in rows if row.value > 0)) if rows else None


def collect_cases(run: Run) -> dict[str, CaseScores]:
    """case_id -> what the run scored on it, in the order of the scores."""
    rows: dict[str, list[Score]] = {}
    for score in run.scores:
        rows.setdefault(score.case_id, []).append(score)
    return {case_id: CaseScores(rows=tuple(own)) for case_id, own in rows.items()}


def draw_cases(group: DataGroup, scores: Sequence[Mapping[str, CaseScores]]) -> str:
    """A row for each case and run: the mean over labels of every score; `data-run` and `data-case` count from 0.

    Args:
        group: the runs.
        scores: for each of `group.runs` what `collect_cases` returned.
    """
    measures = [measure for own in group.measures.values() for measure in own]
    several = {name: _differ(scores, name) for name in ("frame", "group")}
    some = next(iter(scores[0].values()))
    columns = [Column(title="Case"), Column(title="Subject")]
    columns += [Column(title=name.capitalize()) for name, shown in several.items() if shown]
    columns += [Column(title="Runs"), Column(title="Seed", kind="number")]
    columns += [
        Column(
            title=name_measure(measure, some.select(measure)[0].unit),
            kind=f"number for-{measure.evaluation}",
            better="higher" if measure.higher else "lower",
        )
        for measure in measures
    ]
    columns.append(Column(title="Missed", hint="Labels of the reference that were not predicted at all"))
    columns.append(Column(title="Invented", hint="Predicted labels that are not in the reference"))
    rows = []
    for place, case_id in enumerate(group.cases):
        for number, (name, run) in enumerate(group.runs):
            own = scores[number][case_id]
            cells = [
                Cell(inner=f'<button type="button" class="show">{escape(case_id)}</button>', head=True),
                Cell(inner=escape(own.about.subject_id)),
                *(Cell(inner=escape(getattr(own.about, key))) for key, shown in several.items() if shown),
                Cell(inner=escape(name)),
                Cell(inner=str(run.seed), kind="number"),
                *(_draw_value(own, measure) for measure in measures),
                *(Cell(inner=_draw_labels(labels)) for labels in map(own.list_marked, COUNTS)),
            ]
            rows.append(Row(cells=cells, attributes={"data-run": str(number), "data-case": str(place)}))
    return draw_table(columns, rows, caption="Cases", kind="cases", tall=True)


def _draw_value(scores: CaseScores, measure: Measure) -> Cell:
    return Cell(inner=scores.average(measure), kind=f"number for-{measure.evaluation}")


def _draw_labels(labels: Sequence[str] | None) -> str:
    return escape(_ABSENT if labels is None else ", ".join(labels))


def _differ(scores: Sequence[Mapping[str, CaseScores]], name: str) -> bool:
    return len({getattr(own.about, name) for run in scores for own in run.values()}) > 1
