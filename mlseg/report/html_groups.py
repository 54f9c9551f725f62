"""Sets of runs that were tested on the same cases, against the same reference, under the same definitions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mlseg.checks import RunError
from mlseg.report.compared_runs import Compared, compare_sets
from mlseg.report.paper_cells import Entry, judge_column, list_definitions
from mlseg.report.run_set import Run, RunSet, name_sets
from mlseg.report.statistics import compute_interval
from mlseg.report.subject_values import Measure

PROTOCOLS = ("default", "paper", "merged")
SHOWN = (("dice", "image"), ("hd95", "image"), ("ece", "foreground"), ("cece", "foreground"), ("ece", "image"))
# With more sets than this all are compared with the first one only.
MANY_SETS = 8


@dataclass(frozen=True, kw_only=True)
class DataGroup:
    """Sets of runs that can stand in one table.

    Args:
        name: the data set.
        sets: in the order in which they were named.
        measures: protocol -> the scores of the tables that all its runs have; the headline protocol first.
    """

    name: str
    sets: tuple[RunSet, ...]
    measures: Mapping[str, tuple[Measure, ...]]

    @property
    def first(self) -> Run:
        """A run that stands for the data of all."""
        return self.sets[0].first

    @property
    def runs(self) -> tuple[tuple[str, Run], ...]:
        """Each run with the name of its set."""
        return tuple((one.name, run) for one in self.sets for run in one.runs)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, background first; () where the run does not tell."""
        return tuple(map(str, self.first.settings.get("evaluation.default.labels") or ()))

    @property
    def cases(self) -> tuple[str, ...]:
        """Case ids in the order of the scores."""
        return tuple(dict.fromkeys(score.case_id for score in self.first.scores))

    @property
    def subjects(self) -> tuple[str, ...]:
        """Subject ids in the order of the scores."""
        return tuple(dict.fromkeys(score.subject_id for score in self.first.scores))


def group_sets(sets: Sequence[RunSet]) -> list[DataGroup]:
    """Sets of the same data together, in order of first appearance.

    What is the same: the data set's name, the tested cases, the size of each reference, and all settings of the
    protocols.

    Raises:
        RunError: a group has no score that all its runs have.
    """
    groups: dict[str, list[RunSet]] = {}
    for one in sets:
        key = [one.first.choices.get("data"), sorted(one.first.cases), _list_sizes(one.first), list_definitions(one)]
        groups.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(one)
    return [_build_group(_rename(own)) for own in groups.values()]


def summarise_group(group: DataGroup, evaluation: str, *, tested: bool) -> dict[tuple[str, Measure], Entry]:
    """(set, measure) -> mean, interval and, if `tested`, whether it can be told from the best of its column."""
    entries: dict[tuple[str, Measure], Entry] = {}
    for measure in group.measures[evaluation]:
        found = {one.name: one.collect(measure) for one in group.sets}
        if tested:
            entries |= {(name, measure): entry for name, entry in judge_column(found, measure).items()}
        else:
            entries |= {
                (name, measure): Entry(values=values, interval=compute_interval(values.per_subject))
                for name, values in found.items()
            }
    return entries


def compare_group(group: DataGroup, evaluation: str) -> list[Compared] | str:
    """The sets against each of them (of many sets against the first alone), or why they cannot be compared."""
    if len(group.sets) < 2:
        return "There is one configuration only, so there is nothing to compare."
    bases = group.sets if len(group.sets) <= MANY_SETS else group.sets[:1]
    try:
        return [
            compare_sets([base, *(one for one in group.sets if one is not base)], group.measures[evaluation])
            for base in bases
        ]
    except RunError as error:
        return f"Not compared. {error}"


def _rename(sets: Sequence[RunSet]) -> list[RunSet]:
    """Named by what sets them apart from one another; a set that is alone keeps its name."""
    if len(sets) < 2:
        return list(sets)
    return [replace(one, name=name) for one, name in zip(sets, name_sets([one.first for one in sets]), strict=True)]


def _build_group(sets: Sequence[RunSet]) -> DataGroup:
    first = sets[0].first
    listed = first.settings.get("evaluation.protocols")
    headline = [str(name) for name in listed] if isinstance(listed, list) else []
    order = [name for name in dict.fromkeys([*headline, *PROTOCOLS]) if name in PROTOCOLS]
    known = [
        {(score.evaluation, score.metric, score.region) for score in run.scores} for one in sets for run in one.runs
    ]
    measures = {}
    for evaluation in order:
        own = tuple(
            Measure(evaluation=evaluation, metric=metric, region=region)
            for metric, region in SHOWN
            if all((evaluation, metric, region) in found for found in known)
        )
        if own:
            measures[evaluation] = own
    if not measures:
        raise RunError(
            f"report: runs on the same data must share a score, got none in {sets[0].first.path} and the "
            f"{len(known) - 1} run(s) beside it. Evaluate them alike."
        )
    return DataGroup(name=str(first.choices.get("data", "data")), sets=tuple(sets), measures=measures)


def _list_sizes(run: Run) -> dict[str, int]:
    """Case -> voxels of the reference's foreground, by which another reference gives itself away."""
    return {
        s.case_id: s.n for s in run.scores if (s.metric, s.region, s.evaluation) == ("ece", "foreground", "default")
    }
