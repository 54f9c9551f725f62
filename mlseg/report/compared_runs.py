"""Sets of runs against the first of them, subject by subject; refused where they can't be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlseg.checks import RunError
from mlseg.report.comparisons import Comparison, adjust_family, compare_paired
from mlseg.report.run_set import RunSet, find_difference
from mlseg.report.statistics import Interval, compute_interval
from mlseg.report.subject_values import Measure, SubjectValues, subtract, take_subjects

# What of the configuration says what a protocol's scores mean; the authors' looks at the training crop alone.
_CROP = ("data.crop", "data.spacing_mm", "data.dims")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a comparison found.

    Args:
        sets: the first is what the others are compared with.
        subjects: who was compared.
        left_out: subjects that some of the sets had not tested.
        values: (name, measure) -> the set's values.
        intervals: the same -> the interval of their mean.
        differences: the same for all but the first -> subjects' differences, the set minus the first.
        comparisons: the same -> what they say, Holm over the sets for each measure.
        measures: in the order of the table.
    """

    sets: tuple[RunSet, ...]
    subjects: tuple[str, ...]
    left_out: tuple[str, ...]
    values: Mapping[tuple[str, Measure], SubjectValues]
    intervals: Mapping[tuple[str, Measure], Interval]
    differences: Mapping[tuple[str, Measure], np.ndarray]
    comparisons: Mapping[tuple[str, Measure], Comparison]
    measures: tuple[Measure, ...]


def compare_sets(sets: Sequence[RunSet], measures: Sequence[Measure], *, common: bool = False) -> Compared:
    """Compare all sets with the first.

    Args:
        sets: two or more.
        measures: scores; those that not every run has are left out.
        common: True compares the subjects that all have tested, False refuses sets that tested others.

    Raises:
        RunError: there is one set only; the sets tested other subjects or cases, against another reference, or under
            other definitions; no score is in all of them.
    """
    if len(sets) < 2:
        seeds = ", ".join(map(str, sets[0].seeds)) if sets else ""
        raise RunError(
            f"comparison: needs runs of at least two configurations, got one (seeds {seeds}). Name another run."
        )
    own = [m for m in measures if all(_has(one, m) for one in sets)]
    if not own:
        wanted = ", ".join(f"{m.metric} ({m.region}, evaluation={m.evaluation})" for m in measures)
        raise RunError(f"comparison: a score must be in all runs, got none of {wanted}. Evaluate them alike.")
    subjects, left_out = find_subjects(sets, common=common)
    for other in sets[1:]:
        _check_judged_alike(sets[0], other, own, subjects)
    values = {(one.name, m): take_subjects(one.collect(m), subjects) for one in sets for m in own}
    differences = {
        (one.name, m): subtract(values[one.name, m], values[sets[0].name, m]) for one in sets[1:] for m in own
    }
    comparisons: dict[tuple[str, Measure], Comparison] = {}
    for measure in own:
        family = adjust_family([compare_paired(differences[one.name, measure]) for one in sets[1:]])
        comparisons |= {(one.name, measure): found for one, found in zip(sets[1:], family, strict=True)}
    return Compared(
        sets=tuple(sets),
        subjects=subjects,
        left_out=left_out,
        values=values,
        intervals={key: compute_interval(found.per_subject) for key, found in values.items()},
        differences=differences,
        comparisons=comparisons,
        measures=tuple(own),
    )


def find_subjects(sets: Sequence[RunSet], *, common: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The subjects that all sets tested, and those that only some did.

    Raises:
        RunError: some did and `common` is False, or there is none in common.
    """
    tested = [tuple(dict.fromkeys(score.subject_id for score in one.first.scores)) for one in sets]
    everyone = tuple(dict.fromkeys(subject for own in tested for subject in own))
    shared = tuple(subject for subject in everyone if all(subject in own for own in tested))
    some = tuple(subject for subject in everyone if subject not in shared)
    if not shared:
        raise RunError(
            f"comparison: sets must have tested the same subjects, got none in common ({sets[0].name}: "
            f"{len(tested[0])}, {sets[1].name}: {len(tested[1])}). Compare runs of the same split."
        )
    if some and not common:
        raise RunError(
            f"comparison: sets must have tested the same subjects, got {len(some)} that only some have "
            f"({', '.join(some[:3])}{', ...' if len(some) > 3 else ''}). "
            f"Give common=true to compare the {len(shared)} that all have."
        )
    return shared, some


def _check_judged_alike(one: RunSet, other: RunSet, measures: Sequence[Measure], subjects: Sequence[str]) -> None:
    """Same cases of each subject, same definitions, same reference."""
    names, known = f"{one.name} and {other.name}", set(subjects)
    cases = [{s.case_id for s in own.first.scores if s.subject_id in known} for own in (one, other)]
    if cases[0] != cases[1]:
        differing = ", ".join(sorted(cases[0] ^ cases[1])[:3])
        raise RunError(f"comparison: {names} must have tested the same cases, got {differing} in one only.")
    for evaluation in dict.fromkeys(measure.evaluation for measure in measures):
        found = find_difference(_list_definitions(one, evaluation), _list_definitions(other, evaluation))
        if found:
            raise RunError(
                f"comparison: {names} must be judged alike, got {found} (evaluation={evaluation}). "
                "Have mlseg-evaluate judge one as the other."
            )
    sizes = [_list_sizes(own, known) for own in (one, other)]
    found = find_difference(*sizes)
    if found:
        raise RunError(
            f"comparison: {names} must be judged against the same reference, got voxels of it in {found}. "
            "Compare runs on the same data."
        )


def _list_definitions(runs: RunSet, evaluation: str) -> dict[str, object]:
    prefix, extra = f"evaluation.{evaluation}.", _CROP if evaluation == "paper" else ()
    return {key: value for key, value in runs.first.settings.items() if key.startswith(prefix) or key in extra}


def _list_sizes(runs: RunSet, subjects: set[str]) -> dict[str, int]:
    """Case -> voxels of the reference's foreground, by which another reference gives itself away."""
    return {
        score.case_id: score.n
        for score in runs.first.scores
        if (score.metric, score.region, score.evaluation) == ("ece", "foreground", "default")
        and score.subject_id in subjects
    }


def _has(runs: RunSet, measure: Measure) -> bool:
    key = (measure.evaluation, measure.metric, measure.region)
    return all(any((s.evaluation, s.metric, s.region) == key for s in run.scores) for run in runs.runs)
