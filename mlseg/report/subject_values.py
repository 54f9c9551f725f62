"""One value per subject and label of a score, frames and seeds averaged first: what all inference rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlseg.checks import RunError
from mlseg.records import Score
from mlseg.report.definitions import DEFINITIONS, get_title
from mlseg.report.summary import COUNTS, DISTANCES, PLAIN_MEANS, compute_mean

# Rounding of what is averaged must not tell two equal methods apart.
_DIGITS = 12


@dataclass(frozen=True, kw_only=True, order=True)
class Measure:
    """A score in one region under one protocol.

    Args:
        evaluation: "default", "paper" or "merged".
        metric: e.g. "dice".
        region: e.g. "image".
    """

    evaluation: str
    metric: str
    region: str

    @property
    def title(self) -> str:
        """Its name in a table, with the region where the score has several: "ECE foreground"."""
        title = get_title(self.evaluation, self.metric)
        return title if self.region == "image" and self.metric not in ("ece", "cece") else f"{title} {self.region}"

    @property
    def higher(self) -> bool:
        """True if a larger value is better."""
        definition = DEFINITIONS.get(self.evaluation, {}).get(self.metric)
        if definition is None:
            known = ", ".join(sorted(DEFINITIONS.get(self.evaluation, {}))) or "none"
            raise RunError(f"measure: metric must be one of {known}, got {self.metric!r}. Write one of these.")
        return definition.better == "higher"


@dataclass(frozen=True, kw_only=True)
class SubjectValues:
    """A score of a set of runs that differ in the seed alone.

    Args:
        measure: which score.
        subjects, labels: the axes of the arrays; a score over all classes has the one label "all".
        values: (subjects, labels) mean over a subject's frames in each run, then over runs; NaN where undefined in all.
        weights: (subjects, labels) what each value counts for in its label's mean: 1, under the authors' protocol the
            number of the subject's cases; 0 where undefined.
        n_cases: cases with a value.
        n_seeds: runs.
        n_undefined: values that are NaN and left out, over all runs.
        n_missed, n_invented: structures over all runs; None where the protocol does not count them.
        unit: "1", "mm" or "voxel".
    """

    measure: Measure
    subjects: tuple[str, ...]
    labels: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray
    n_cases: int
    n_seeds: int
    n_undefined: int
    n_missed: int | None
    n_invented: int | None
    unit: str

    @property
    def mean(self) -> float:
        """Mean over subjects, then over labels."""
        return _average(self.values, self.weights)

    @property
    def per_subject(self) -> np.ndarray:
        """(subjects,) values whose mean is `mean`, see `spread_over_subjects`."""
        return spread_over_subjects(self.values, self.weights)

    @property
    def n_subjects(self) -> int:
        """Subjects with a value in at least one label."""
        return int((self.weights.sum(axis=1) > 0).sum())


def collect_values(runs: Sequence[Sequence[Score]], measure: Measure) -> SubjectValues:
    """Average the frames of each subject in each run, then the runs.

    Args:
        runs: the scores of each run.
        measure: which score.

    Raises:
        RunError: no run has the score, or the runs tested different cases.

    Example:
        >>> row = dict(evaluation="default", group="", label="LV", region="image", metric="dice", unit="1", n=9)
        >>> frames = [("ED", 0.6), ("ES", 0.8)]
        >>> runs = [
        ...     [Score(subject_id="p", case_id=f, frame=f, value=v + more, **row) for f, v in frames]
        ...     for more in (0.0, 0.1)
        ... ]
        >>> found = collect_values(runs, Measure(evaluation="default", metric="dice", region="image"))
        >>> round(found.mean, 3), found.n_cases, found.n_seeds
        (0.75, 2, 2)
    """
    chosen = [[score for score in run if _is(score, measure)] for run in runs]
    if not all(chosen):
        raise RunError(
            f"scores: {measure.metric} ({measure.region}, evaluation={measure.evaluation}) must be in each run, "
            "got a run without it. Evaluate that run again with the same evaluation."
        )
    cases = [frozenset(score.case_id for score in run) for run in chosen]
    for other in cases[1:]:
        if other != cases[0]:
            differing = ", ".join(sorted(other ^ cases[0])[:3])
            raise RunError(f"scores: runs of one cell must have tested the same cases, got {differing} in some only.")
    subjects = tuple(dict.fromkeys(score.subject_id for score in chosen[0]))
    labels = tuple(dict.fromkeys(score.label for score in chosen[0]))
    values, counts = _average_runs(chosen, subjects, labels)
    plain = measure.evaluation in PLAIN_MEANS
    everything = [score for run in chosen for score in run]
    return SubjectValues(
        measure=measure,
        subjects=subjects,
        labels=labels,
        values=values,
        weights=counts if plain else (counts > 0).astype(float),
        n_cases=len({score.case_id for score in everything if not math.isnan(score.value)}),
        n_seeds=len(runs),
        n_undefined=sum(math.isnan(score.value) for score in everything),
        n_missed=_count(runs, measure, COUNTS[0]),
        n_invented=_count(runs, measure, COUNTS[1]),
        unit=everything[0].unit,
    )


def spread_over_subjects(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Split a mean of labels' means into one value per subject.

    Without gaps and with equal weights this is a subject's mean over labels. Else it is the mean plus the subject's
    influence on it, u_i = T + 1/K sum_k n w_ik (x_ik - T_k) / sum_j w_jk, so that the values have mean T and their
    spread is that of T.

    Args:
        values: (subjects, labels) NaN where undefined.
        weights: (subjects, labels) 0 where undefined.

    Returns:
        (subjects,) NaN for a subject without any value.

    Example:
        >>> spread_over_subjects(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2))).tolist()
        [1.5, 3.5]
    """
    known = weights.sum(axis=1) > 0
    x, w = values[known], weights[known]
    kept = w.sum(axis=0) > 0
    result = np.full(len(values), np.nan)
    if not kept.any():
        return result
    x, w = np.where(w > 0, x, 0.0)[:, kept], w[:, kept]
    means = (w * x).sum(axis=0) / w.sum(axis=0)
    influence = len(x) * w * (x - means) / w.sum(axis=0)
    result[known] = np.round(means.mean() + influence.mean(axis=1), _DIGITS)
    return result


def subtract(first: SubjectValues, second: SubjectValues) -> np.ndarray:
    """Paired differences first - second, one per subject that has a value in both, label by label.

    Raises:
        RunError: the subjects or the labels differ.
    """
    if set(first.subjects) != set(second.subjects) or first.labels != second.labels:
        raise RunError("comparisons: both sets must have the same subjects and labels, got different ones.")
    place = {subject: row for row, subject in enumerate(second.subjects)}
    order = [place[subject] for subject in first.subjects]
    weights = np.minimum(first.weights, second.weights[order])
    found = spread_over_subjects(first.values - second.values[order], weights)
    return found[~np.isnan(found)]


def take_subjects(found: SubjectValues, subjects: Sequence[str]) -> SubjectValues:
    """The same of some subjects only; counts of cases and structures stay those of all."""
    from dataclasses import replace

    rows = [found.subjects.index(subject) for subject in subjects]
    return replace(found, subjects=tuple(subjects), values=found.values[rows], weights=found.weights[rows])


def _is(score: Score, measure: Measure) -> bool:
    return (score.metric, score.region, score.evaluation) == (measure.metric, measure.region, measure.evaluation)


def _average(values: np.ndarray, weights: np.ndarray) -> float:
    totals = weights.sum(axis=0)
    kept = totals > 0
    if not kept.any():
        return math.nan
    sums = np.where(weights > 0, weights * np.where(weights > 0, values, 0.0), 0.0).sum(axis=0)
    return float((sums[kept] / totals[kept]).mean())


def _average_runs(
    runs: Sequence[Sequence[Score]], subjects: Sequence[str], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """(subjects, labels) means over frames, then runs; and the largest number of cases that one rests on."""
    of: dict[tuple[str, str], list[list[float]]] = {}
    for number, run in enumerate(runs):
        for score in run:
            lists = of.setdefault((score.subject_id, score.label), [[] for _ in runs])
            lists[number].append(score.value)
    values = np.full((len(subjects), len(labels)), np.nan)
    counts = np.zeros((len(subjects), len(labels)))
    for row, subject in enumerate(subjects):
        for column, label in enumerate(labels):
            lists = of.get((subject, label), [])
            values[row, column] = compute_mean([compute_mean(own) for own in lists])
            counts[row, column] = max((sum(not math.isnan(v) for v in own) for own in lists), default=0)
    return values, counts


def _count(runs: Sequence[Sequence[Score]], measure: Measure, name: str) -> int | None:
    if measure.metric not in (*DISTANCES, "dice", "nsd"):
        return None
    marks = [s.value for run in runs for s in run if s.metric == name and s.evaluation == measure.evaluation]
    return sum(value > 0 for value in marks) if marks else None
