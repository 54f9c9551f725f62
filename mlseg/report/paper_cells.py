"""The numbers of a paper's table: a cell for each method and data set, who can be told from the best, ranks, pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlseg.checks import RunError
from mlseg.report.comparisons import Comparison, adjust_family, compare_paired
from mlseg.report.ranks import DataRanks, SummedRanks, rank_data, sum_ranks
from mlseg.report.run_set import RunSet, check_same_data, find_difference
from mlseg.report.statistics import Interval, compute_interval
from mlseg.report.subject_values import Measure, SubjectValues, subtract

MEASURES = tuple(
    Measure(evaluation=evaluation, metric=metric, region=region)
    for evaluation, metric, region in (
        ("default", "dice", "image"),
        ("default", "hd95", "image"),
        ("default", "ece", "foreground"),
        ("default", "cece", "foreground"),
        ("default", "ece", "image"),
        ("paper", "dice", "image"),
        ("paper", "hd95", "image"),
        ("paper", "ece", "foreground"),
        ("paper", "cece", "foreground"),
    )
)
# What methods are ranked by, and what pairs are compared in.
RANKED = MEASURES[:4]
PAIRED = (MEASURES[0], MEASURES[1], MEASURES[2], MEASURES[3])


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """The runs of one method on one data set.

    Args:
        runs: None if there are none yet.
        reason: why not, or which seeds are missing; "" if all is there.
        words: what is typed to train them, without the seed.
    """

    runs: RunSet | None
    reason: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table that is to be made.

    Args:
        name: of its files, and of its published numbers.
        title: over it.
        profile: how the runs were trained, e.g. "paper".
        about: what the profile is, a sentence.
        rows: the methods.
        data: the data sets.
        cells: (data, row) -> runs.
        pairs: methods whose difference is of interest, first minus second; one family per data set and score.
        command: what makes the table again.
    """

    name: str
    title: str
    profile: str
    about: str
    rows: tuple[str, ...]
    data: tuple[str, ...]
    cells: Mapping[tuple[str, str], TableCell]
    pairs: tuple[tuple[str, str], ...] = ()
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One number of the table.

    Args:
        values: what it rests on.
        interval: of the mean, over subjects.
        with_best: True if it can't be told from the best of its column; None where no test could tell anything.
        against_best: the comparison with the best; None for the best itself and where there is none.
    """

    values: SubjectValues
    interval: Interval
    with_best: bool | None = None
    against_best: Comparison | None = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """The part of a table about one data set.

    Args:
        data: the data set.
        rows: methods with runs, in the table's order.
        entries: (row, measure) -> number; a score that a run does not have is left out.
        pairs: (first, second, measure) -> their difference.
        ranks: measure -> ranks of `rows`, where two or more methods have it.
    """

    data: str
    rows: tuple[str, ...]
    entries: Mapping[tuple[str, Measure], Entry]
    pairs: Mapping[tuple[str, str, Measure], Comparison] = field(default_factory=dict)
    ranks: Mapping[Measure, DataRanks] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TableResult:
    """A table's numbers.

    Args:
        spec: what was asked for.
        blocks: one per data set that has runs.
        summed: measure -> ranks over the data sets on which every method has runs.
        ranked_data: those data sets.
    """

    spec: TableSpec
    blocks: tuple[Block, ...]
    summed: Mapping[Measure, SummedRanks]
    ranked_data: tuple[str, ...]


def analyse(spec: TableSpec) -> TableResult:
    """Compute everything that the table shows.

    Raises:
        RunError: methods of one data set were tested on different data or under different settings of the protocol.
    """
    blocks = tuple(block for data in spec.data if (block := _analyse_data(spec, data)) is not None)
    whole = [block for block in blocks if block.rows == spec.rows] if len(spec.rows) > 1 else []
    summed: dict[Measure, SummedRanks] = {}
    for measure in RANKED:
        if whole and all(measure in block.ranks for block in whole):
            found = sum_ranks({b.data: _stack(b, measure) for b in whole}, higher=measure.higher)
            assert found is not None  # there is at least one data set
            summed[measure] = found
    return TableResult(spec=spec, blocks=blocks, summed=summed, ranked_data=tuple(b.data for b in whole))


def _analyse_data(spec: TableSpec, data: str) -> Block | None:
    sets = {row: cell.runs for row in spec.rows if (cell := spec.cells[data, row]).runs is not None}
    if not sets:
        return None
    check_block(f"{spec.name}, {data}", list(sets.values()))
    entries: dict[tuple[str, Measure], Entry] = {}
    for measure in MEASURES:
        found = {row: own.collect(measure) for row, own in sets.items() if _has(own, measure)}
        entries |= {(row, measure): entry for row, entry in judge_column(found, measure).items()}
    pairs: dict[tuple[str, str, Measure], Comparison] = {}
    for measure in PAIRED:
        wanted = [(a, b) for a, b in spec.pairs if (a, measure) in entries and (b, measure) in entries]
        family = [compare_paired(subtract(entries[a, measure].values, entries[b, measure].values)) for a, b in wanted]
        pairs |= {(a, b, measure): one for (a, b), one in zip(wanted, adjust_family(family), strict=True)}
    rows = tuple(sets)
    block = Block(data=data, rows=rows, entries=entries, pairs=pairs)
    ranked = [m for m in RANKED if len(rows) > 1 and all((row, m) in entries for row in rows) and _is_common(block, m)]
    ranks = {m: rank_data(_stack(block, m), higher=m.higher) for m in ranked}
    return Block(data=data, rows=rows, entries=entries, pairs=pairs, ranks=ranks)


def check_block(name: str, sets: Sequence[RunSet]) -> None:
    """What stands in one column was tested on the same subjects under the same definitions.

    Raises:
        RunError: names the differing key.
    """
    for other in sets[1:]:
        check_same_data(name, sets[0].first, other.first)
        found = find_difference(list_definitions(sets[0]), list_definitions(other))
        if found:
            raise RunError(
                f"{name}: runs must be judged alike, got {found} in {sets[0].first.path} and {other.first.path}. "
                "Evaluate them under the same settings."
            )


def list_definitions(runs: RunSet) -> dict[str, object]:
    """The settings that say what the scores mean."""
    prefixes = ("evaluation.default.", "evaluation.paper.", "evaluation.merged.")
    return {key: value for key, value in runs.first.settings.items() if key.startswith(prefixes)}


def judge_column(found: Mapping[str, SubjectValues], measure: Measure) -> dict[str, Entry]:
    """Intervals, and who can't be told from the best: Holm over all comparisons with the best of the column."""
    entries = {row: Entry(values=v, interval=compute_interval(v.per_subject)) for row, v in found.items()}
    means = {row: v.mean for row, v in found.items() if v.mean == v.mean}
    if len(means) < 2:
        return entries
    best = (max if measure.higher else min)(means, key=lambda row: means[row])
    others = [row for row in means if row != best]
    family = adjust_family([compare_paired(subtract(found[row], found[best])) for row in others])
    tested = all(comparison.test != "none" for comparison in family)
    for row, comparison in zip(others, family, strict=True):
        with_best = not comparison.tells_apart if tested else None
        entries[row] = Entry(
            values=found[row], interval=entries[row].interval, with_best=with_best, against_best=comparison
        )
    entries[best] = Entry(values=found[best], interval=entries[best].interval, with_best=True if tested else None)
    return entries


def _has(runs: RunSet, measure: Measure) -> bool:
    key = (measure.evaluation, measure.metric, measure.region)
    return all(any((s.evaluation, s.metric, s.region) == key for s in run.scores) for run in runs.runs)


def _stack(block: Block, measure: Measure) -> np.ndarray:
    """(subjects, methods) values of one score."""
    order = block.entries[block.rows[0], measure].values.subjects
    columns = []
    for row in block.rows:
        values = block.entries[row, measure].values
        own = dict(zip(values.subjects, values.per_subject, strict=True))
        columns.append([own[subject] for subject in order])
    return np.array(columns).T


def _is_common(block: Block, measure: Measure) -> bool:
    return bool((~np.isnan(_stack(block, measure)).any(axis=1)).any())
