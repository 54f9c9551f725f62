"""From one row per case to the numbers of a table: means over frames, subjects and labels, with n at each step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlseg.checks import RunError
from mlseg.records import Score

DISTANCES = ("hd", "hd95", "assd")
COUNTS = ("missed", "invented")
MEAN_LABEL = "mean"
ALL_LABEL = "all"
PLAIN_MEANS = frozenset({"paper"})
"""Protocols whose means run over cases; all others average a subject's cases first."""


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """One cell of a table: a score of one label in one region, averaged over the test set.

    Args:
        label: a class name, "mean" for the mean over the foreground labels, "all" for a score over all classes.
        frame: "ED" or "ES" if the row is about that frame alone, "" for all of them.
        mean: NaN if the score is defined for no case.
        std: sample standard deviation over the subjects' values; NaN below two subjects.
        n_subjects: subjects with a value. For label "mean": with a value in at least one label.
        n_cases: cases with a value, likewise.
        n_labels: labels with a value; 1 in a row about one label.
        n_undefined: values that are NaN and left out; for label "mean" over all labels.
        n_missed: cases whose structure is in the reference and not in the prediction; distances only, else None.
        n_invented: cases whose structure is in the prediction and not in the reference; distances only, else None.
    """

    evaluation: str
    metric: str
    region: str
    label: str
    frame: str = ""
    mean: float
    std: float
    unit: str
    n_subjects: int
    n_cases: int
    n_labels: int = 1
    n_undefined: int = 0
    n_missed: int | None = None
    n_invented: int | None = None


def summarise(scores: Sequence[Score]) -> list[SummaryRow]:
    """Average the scores of all cases, label by label and then over labels.

    Protocol "default": per label the mean over a subject's cases (its frames), then over subjects; the row "mean" is
    the mean of the labels' means. Protocol "paper": per label the plain mean over cases, then over labels. NaN is left
    out and counted at each step. Where cases have several frames, each frame gets the same rows again.

    Args:
        scores: the rows of scores.csv, in any order; the order of first appearance is kept.

    Returns:
        Rows grouped by evaluation, metric and region: per frame ("" first) the labels and, where they are class names,
        their "mean".

    Raises:
        RunError: if a case has the same score twice, or a score has two units.

    Source:
        The mean over classes and volumes of "paper" is that of the authors' evaluation.

    Example:
        >>> row = dict(evaluation="default", group="", region="image", metric="dice", unit="1", n=9, label="LV")
        >>> cases = [("p1", "ED", 0.9), ("p1", "ES", 0.7), ("p2", "ED", 0.5)]
        >>> scores = [Score(subject_id=s, case_id=s + f, frame=f, value=v, **row) for s, f, v in cases]
        >>> [(r.label, r.frame, round(r.mean, 3), r.n_subjects) for r in summarise(scores)][:2]
        [('LV', '', 0.65, 2), ('mean', '', 0.65, 2)]
    """
    _check_scores(scores)
    groups: dict[tuple[str, str, str], dict[str, list[Score]]] = {}
    counts: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if score.metric in COUNTS:
            counts.setdefault((score.evaluation, score.metric), []).append(score)
        else:
            by_label = groups.setdefault((score.evaluation, score.metric, score.region), {})
            by_label.setdefault(score.label, []).append(score)
    rows: list[SummaryRow] = []
    for (evaluation, metric, _), by_label in groups.items():
        found = {name: counts.get((evaluation, name)) for name in COUNTS} if metric in DISTANCES else {}
        for frame in ("", *_list_frames(by_label)):
            rows += _summarise_labels(by_label, frame, found)
    return rows


def _summarise_labels(
    by_label: Mapping[str, Sequence[Score]], frame: str, counts: Mapping[str, Sequence[Score] | None]
) -> list[SummaryRow]:
    """The rows of one score in one region: each label, then their mean."""
    rows, foreground = [], []
    for label, scores in by_label.items():
        chosen = [score for score in scores if frame in ("", score.frame)]
        if not chosen:
            continue
        subjects = _average_subjects(chosen)
        values = [s.value for s in chosen] if chosen[0].evaluation in PLAIN_MEANS else list(subjects.values())
        first = chosen[0]
        row = SummaryRow(
            evaluation=first.evaluation,
            metric=first.metric,
            region=first.region,
            label=label,
            frame=frame,
            mean=compute_mean(values),
            std=compute_std(subjects.values()),
            unit=first.unit,
            n_subjects=_count_defined(subjects.values()),
            n_cases=_count_defined(score.value for score in chosen),
            n_undefined=sum(math.isnan(score.value) for score in chosen),
            n_missed=_count_cases(counts.get("missed"), label, frame),
            n_invented=_count_cases(counts.get("invented"), label, frame),
        )
        rows.append(row)
        if label != ALL_LABEL:
            foreground.append((row, chosen, subjects))
    return [*rows, _average_labels(foreground)] if foreground else rows


def _average_labels(parts: Sequence[tuple[SummaryRow, Sequence[Score], Mapping[str, float]]]) -> SummaryRow:
    """The row "mean": the mean of the labels' means; its spread is that of the subjects' own means over labels."""
    rows = [row for row, _, _ in parts]
    first = rows[0]
    of_subject: dict[str, list[float]] = {}
    for _, _, subjects in parts:
        for subject, value in subjects.items():
            of_subject.setdefault(subject, []).append(value)
    means = [compute_mean(values) for values in of_subject.values()]
    return SummaryRow(
        evaluation=first.evaluation,
        metric=first.metric,
        region=first.region,
        label=MEAN_LABEL,
        frame=first.frame,
        mean=compute_mean(row.mean for row in rows),
        std=compute_std(means),
        unit=first.unit,
        n_subjects=_count_defined(means),
        n_cases=len({score.case_id for _, scores, _ in parts for score in scores if not math.isnan(score.value)}),
        n_labels=_count_defined(row.mean for row in rows),
        n_undefined=sum(row.n_undefined for row in rows),
        n_missed=_add_counts(row.n_missed for row in rows),
        n_invented=_add_counts(row.n_invented for row in rows),
    )


def compute_mean(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN if there is none. Independent of their order."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def compute_std(values: Iterable[float]) -> float:
    """Sample standard deviation (n - 1) of the values that are not NaN; NaN below two."""
    defined = [value for value in values if not math.isnan(value)]
    if len(defined) < 2:
        return math.nan
    mean = compute_mean(defined)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in defined) / (len(defined) - 1))


def _average_subjects(scores: Sequence[Score]) -> dict[str, float]:
    """Per subject the mean over its cases; NaN if the score is defined for none of them."""
    values: dict[str, list[float]] = {}
    for score in scores:
        values.setdefault(score.subject_id, []).append(score.value)
    return {subject: compute_mean(own) for subject, own in values.items()}


def _list_frames(by_label: Mapping[str, Sequence[Score]]) -> list[str]:
    """The frames in alphabetical order, if there is more than one."""
    frames = sorted({score.frame for scores in by_label.values() for score in scores})
    return [frame for frame in frames if frame] if len(frames) > 1 else []


def _count_cases(scores: Sequence[Score] | None, label: str, frame: str) -> int | None:
    """Cases marked 1 for this label; None if the protocol does not say."""
    if scores is None:
        return None
    chosen = [score for score in scores if score.label == label and frame in ("", score.frame)]
    return len({score.case_id for score in chosen if score.value > 0})


def _add_counts(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count_defined(values: Iterable[float]) -> int:
    return sum(not math.isnan(value) for value in values)


def _check_scores(scores: Sequence[Score]) -> None:
    """A case that counts twice or a sum of millimetres and voxels would look like a result."""
    seen: set[tuple[str, ...]] = set()
    units: dict[tuple[str, str], str] = {}
    for score in scores:
        key = (score.evaluation, score.metric, score.region, score.label, score.case_id)
        if key in seen:
            raise RunError(f"summarise: a case has each score once, got {' '.join(key)} twice. Evaluate the run again.")
        seen.add(key)
        unit = units.setdefault(key[:2], score.unit)
        if unit != score.unit:
            both = f"{unit!r} and {score.unit!r}"
            raise RunError(f"summarise: {score.metric} must have one unit, got {both}. Evaluate the run again.")
