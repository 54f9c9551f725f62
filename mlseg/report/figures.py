"""Every figure of a judged folder, under figures/: which there are, and what each is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlseg.functional.bins import BinCounts
from mlseg.functional.bins_file import BinsKey
from mlseg.functional.views_file import CaseView, choose_cases
from mlseg.records import Score
from mlseg.report.bin_errors import average_subjects, compute_case_errors, merge_subjects
from mlseg.report.bins_file import ALL_CLASSES, LABEL_CLASS, add_bins, count_cases, group_cases, list_bin_labels
from mlseg.report.figure_cases import CaseRow, build_cases
from mlseg.report.figure_ece_bins import BIN_COUNTS, BinsCurve, build_ece_bins
from mlseg.report.figure_reliability import GridRow, build_reliability
from mlseg.report.figure_style import format_error, save_figure
from mlseg.report.figure_subjects import SubjectPanel, build_subject_reliability
from mlseg.report.summary import PLAIN_MEANS, compute_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Groups = Mapping[str, Mapping[str, Mapping[str, BinCounts]]]
"""label -> region -> case_id -> histograms"""

# Regions whose ECE stands beside a case, where they are known.
SHOWN_REGIONS = ("image", "foreground")


def draw_calibration(
    folder: Path,
    bins: Mapping[BinsKey, BinCounts],
    *,
    evaluation: str,
    title: str,
    labels: Sequence[str],
    merged: Sequence[str] = (),
    subjects: Mapping[str, str],
    count: int = 15,
    suffix: str = "",
) -> list[Path]:
    """Write the figures of one protocol that follow from its histograms.

    reliability.png (the predicted class), reliability_classes.png (each class), reliability_subjects.png (the spread
    over subjects) and ece_bins.png (errors against the number of bins).

    Args:
        folder: where the files go; it must exist.
        bins: what `read_run_bins` returned; nothing is drawn if the protocol has none.
        evaluation: the protocol.
        title: what was judged, over each figure.
        labels: class names, background first.
        merged: the order of merged labels, if the protocol has any.
        subjects: case_id -> subject_id.
        count: the protocol's own number of bins.
        suffix: end of the files' names, e.g. "_paper".

    Raises:
        RunError: a file cannot be written.
    """
    order = list_bin_labels(bins, evaluation=evaluation, order=merged)
    groups = {label: group_cases(bins, evaluation=evaluation, label=label) for label in order}
    if not groups:
        return []
    title = f"{title}; evaluation={evaluation}"
    n_cases = count_cases(bins, evaluation=evaluation, label=order[0])
    tops, classes = _build_rows(groups, labels)
    figures = {
        "reliability": build_reliability(tops, title=title, bins=count, n_cases=n_cases),
        "reliability_classes": build_reliability(classes, title=title, bins=count, n_cases=n_cases),
        "reliability_subjects": _build_subjects(groups, evaluation, subjects, title=title, count=count),
        "ece_bins": _build_ece_bins(groups, evaluation, subjects, title=title, count=count),
    }
    return [_save(figure, folder / f"{name}{suffix}.png") for name, figure in figures.items()]


def draw_cases(
    folder: Path,
    views: Mapping[str, CaseView],
    scores: Sequence[Score],
    *,
    evaluation: str,
    title: str,
    labels: Sequence[str],
) -> list[Path]:
    """Write cases.png: the best, the median and the worst case by the mean Dice of its labels.

    Args:
        folder: where the file goes; it must exist.
        views: case_id -> slice; a chosen case without one is left out.
        scores: the rows of scores.csv.
        evaluation: the protocol whose Dice ranks the cases.
        title, labels: see `draw_calibration`.

    Raises:
        RunError: the file cannot be written.
    """
    own = [score for score in scores if score.evaluation == evaluation]
    dice = average_subjects(*_list_values(own, "dice"))
    rows = [
        CaseRow(
            heading=f"{role.capitalize()}: {case_id}",
            details=_describe_case(own, case_id, dice[case_id], views[case_id].slice_index),
            view=views[case_id],
        )
        for role, case_id in choose_cases(dice).items()
        if case_id in views
    ]
    if not rows:
        return []
    figure = build_cases(rows, title=f"{title}; evaluation={evaluation}", labels=labels)
    return [_save(figure, folder / "cases.png")]


def _build_rows(groups: Groups, labels: Sequence[str]) -> tuple[list[GridRow], list[GridRow]]:
    """The rows of the predicted class, and those of each class or merged label by itself."""
    pooled = {
        label: {region: add_bins(list(cases.values())) for region, cases in regions.items()}
        for label, regions in groups.items()
    }
    if ALL_CLASSES in pooled:
        counts = pooled[ALL_CLASSES]
        known = next(iter(counts.values())).num_classes
        names = [labels[k] if k < len(labels) else str(k) for k in range(known)]
        return [GridRow(name="", counts=counts)], [
            GridRow(name=name, counts=counts, row=k + 1) for k, name in enumerate(names)
        ]
    tops = [GridRow(name=label, counts=counts) for label, counts in pooled.items()]
    return tops, [GridRow(name=label, counts=counts, row=1 + LABEL_CLASS) for label, counts in pooled.items()]


def _build_subjects(groups: Groups, evaluation: str, subjects: Mapping[str, str], *, title: str, count: int) -> Figure:
    rows: dict[str, dict[str, SubjectPanel]] = {}
    for label, regions in groups.items():
        panels = rows.setdefault("" if label == ALL_CLASSES else label, {})
        for region, cases in regions.items():
            ece, _ = compute_case_errors(list(cases.values()), count, evaluation=evaluation, label=label)
            errors = average_subjects(ece.tolist(), [subjects.get(case_id, case_id) for case_id in cases])
            panels[region] = SubjectPanel(parts=merge_subjects(cases, subjects), errors=list(errors.values()))
    return build_subject_reliability(rows, title=title, bins=count)


def _build_ece_bins(groups: Groups, evaluation: str, subjects: Mapping[str, str], *, title: str, count: int) -> Figure:
    """ECE of each label, and CECE of all of them together."""
    rows: dict[tuple[str, str], dict[str, BinsCurve]] = {}
    for label, regions in groups.items():
        curves = rows.setdefault(("ECE", "" if label == ALL_CLASSES else label), {})
        for region in regions:
            curves[region] = _build_curve({label: regions[region]}, evaluation, subjects, count=count, score=0)
    first = next(iter(groups.values()))
    rows["CECE", ""] = {
        region: _build_curve(
            {label: regions[region] for label, regions in groups.items()}, evaluation, subjects, count=count, score=1
        )
        for region in first
    }
    return build_ece_bins(rows, title=title, bins=count, unit="case" if evaluation in PLAIN_MEANS else "subject")


def _build_curve(
    cases: Mapping[str, Mapping[str, BinCounts]],
    evaluation: str,
    subjects: Mapping[str, str],
    *,
    count: int,
    score: int,
) -> BinsCurve:
    """A score at every number of bins.

    Args:
        cases: label -> case_id -> histograms of one region; several labels are averaged.
        score: 0 for ECE, 1 for CECE.
    """
    listed = next(iter(cases.values()))
    people = [case_id if evaluation in PLAIN_MEANS else subjects.get(case_id, case_id) for case_id in listed]
    pooled, means, n = {}, {}, 0
    for bins in sorted({*BIN_COUNTS, count}):
        whole, single = [], []
        for label, own in cases.items():
            parts = list(own.values())
            whole.append(compute_case_errors([add_bins(parts)], bins, evaluation=evaluation, label=label)[score][0])
            single.append(compute_case_errors(parts, bins, evaluation=evaluation, label=label)[score])
        pooled[bins] = compute_mean(whole)
        found = average_subjects([compute_mean(values) for values in np.transpose(single)], people)
        means[bins] = compute_mean(found.values())
        n = sum(value == value for value in found.values())
    return BinsCurve(pooled=pooled, means=means, n=n)


def _list_values(scores: Sequence[Score], metric: str) -> tuple[list[float], list[str]]:
    """The values of a score, and whose case each is."""
    rows = [score for score in scores if score.metric == metric]
    return [row.value for row in rows], [row.case_id for row in rows]


def _describe_case(scores: Sequence[Score], case_id: str, dice: float, slice_index: int) -> str:
    """Dice, ECE by region (the mean over labels where it has any), and the slice."""
    ece: dict[str, list[float]] = {}
    for score in scores:
        if score.metric == "ece" and score.case_id == case_id:
            ece.setdefault(score.region, []).append(score.value)
    shown = [f"{format_error(compute_mean(ece[region]))} ({region})" for region in SHOWN_REGIONS if region in ece]
    parts = [f"Dice {format_error(dice)}", *([f"ECE {', '.join(shown)}"] if shown else []), f"slice {slice_index}"]
    return "; ".join(parts)


def _save(figure: Figure, path: Path) -> Path:
    save_figure(figure, path)
    return path
