"""Figures of a paper's table that need more than its scores: reliability by method, and cases by method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mlseg.functional.bins import BinCounts
from mlseg.functional.views_file import VIEWS_NAME, CaseView, choose_cases, read_views
from mlseg.report.bin_errors import average_subjects
from mlseg.report.bins_file import BINS_NAME, count_cases, pool_bins, read_run_bins
from mlseg.report.figure_differences import save_both
from mlseg.report.figure_method_cases import MethodCase, build_method_cases
from mlseg.report.figure_reliability import GridRow, build_reliability
from mlseg.report.figure_style import format_count, format_error
from mlseg.report.paper_cells import Block, TableResult
from mlseg.report.paper_hook import Hook, title_figure
from mlseg.report.run_set import Run, RunSet
from mlseg.report.summary import compute_mean

EVALUATION = "default"
# Region -> end of the file's name: the one that the paper judges, and the one that a user of a network knows.
REGIONS = {"foreground": "", "image": "_image"}
USUAL_BINS = 15
# Which cases are shown, of those that `choose_cases` names.
ROLES = ("median", "worst")


def draw_reliability(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_reliability and <stem>_<data>_reliability_image: a panel for each method, all voxels of one
    seed pooled.

    It is each method's first seed: pooled, an overconfident and an underconfident one would cancel. A method whose
    first run has no histograms is left out.

    Raises:
        RunError: a file of histograms is damaged, or a figure cannot be written.
    """
    paths = []
    for block in result.blocks:
        sets = {row: runs for row, runs in _list_sets(result, block).items() if (runs.first.path / BINS_NAME).is_file()}
        if not sets:
            continue
        pooled = {row: _pool(runs.first) for row, runs in sets.items()}
        bins = int(next(iter(sets.values())).first.settings.get("evaluation.default.bins", USUAL_BINS))
        for region, suffix in REGIONS.items():
            rows = [
                GridRow(name=row, counts={region: found[region][0]}) for row, found in pooled.items() if region in found
            ]
            if rows:
                cases = next(found[region][1] for found in pooled.values() if region in found)
                title = f"{title_figure(result, [block])}; {format_count(cases, 'case')}, {describe_first_seeds(sets)}"
                figure = build_reliability(rows, title=title, bins=bins)
                paths += save_both(figure, folder / f"{stem}_{block.data}_reliability{suffix}")
    return paths


def draw_method_cases(result: TableResult, folder: Path, stem: str) -> list[Path]:
    """<stem>_<data>_cases: the median and the worst case, as the first seed of each method saw them.

    A case whose slice or reference differs between methods is left out, and the caption says how many are; so is a
    method whose runs have no slices.

    Raises:
        RunError: a file of slices is damaged, or a figure cannot be written.
    """
    paths = []
    for block in result.blocks:
        runs = {row: own.first for row, own in _list_sets(result, block).items()}
        runs = {row: run for row, run in runs.items() if (run.path / VIEWS_NAME).is_file()}
        views = {row: read_views(run.path / VIEWS_NAME) for row, run in runs.items()}
        common = find_common_cases(views)
        dice = {row: average_cases(run, "dice", "image") for row, run in runs.items()}
        means = {case: compute_mean(own.get(case, float("nan")) for own in dice.values()) for case in common}
        shown = _choose(means)
        if shown:
            known = {case for own in views.values() for case in own}
            figure = build_method_cases(
                [_build_case(role, case, means[case], runs=runs, views=views, dice=dice) for role, case in shown],
                list(runs),
                title=title_figure(result, [block]),
                caption=_caption([role for role, _ in shown], runs, used=len(common), left_out=len(known - {*common})),
                labels=_list_labels(next(iter(runs.values())), views),
            )
            paths += save_both(figure, folder / f"{stem}_{block.data}_cases")
    return paths


IMAGE_HOOKS: list[Hook] = [draw_reliability, draw_method_cases]
"""Figures of a table, as `mlseg.report.paper_figures` calls them."""


def find_common_cases(views: Mapping[str, Mapping[str, CaseView]]) -> list[str]:
    """The cases that all methods show in the same slice and with the same reference, in order.

    Args:
        views: method -> case_id -> slice.
    """
    if not views:
        return []
    first, *others = views.values()
    return [case for case, view in first.items() if all(case in o and _is_same(view, o[case]) for o in others)]


def average_cases(run: Run, metric: str, region: str) -> dict[str, float]:
    """case_id -> mean over labels of a score of evaluation=default; NaN where no label has it."""
    rows = [s for s in run.scores if (s.evaluation, s.metric, s.region) == (EVALUATION, metric, region)]
    return average_subjects([row.value for row in rows], [row.case_id for row in rows])


def describe_first_seeds(sets: Mapping[str, RunSet], *, rest: str = "in the table") -> str:
    """The seed that stands for each method, and where its others are.

    Args:
        sets: method -> runs.
        rest: where the other seeds are.

    Example:
        >>> runs = tuple(Run(path=Path(), choices={}, settings={}, seed=s, data={}, scores=()) for s in (1, 2))
        >>> describe_first_seeds({"CE": RunSet(name="CE", runs=runs[:1])})
        'seed 1'
        >>> describe_first_seeds({"CE": RunSet(name="CE", runs=runs), "FL": RunSet(name="FL", runs=runs[1:])})
        'seed 1 (FL: 2); other seeds are in the table'
    """
    seeds = {row: runs.first.seed for row, runs in sets.items()}
    usual = next(iter(seeds.values()))
    others = [f"{row}: {seed}" for row, seed in seeds.items() if seed != usual]
    text = f"seed {usual}" + (f" ({', '.join(others)})" if others else "")
    return f"{text}; other seeds are {rest}" if any(len(runs.runs) > 1 for runs in sets.values()) else text


def _list_sets(result: TableResult, block: Block) -> dict[str, RunSet]:
    """Method -> runs, in the table's order."""
    sets = {row: result.spec.cells[block.data, row].runs for row in block.rows}
    return {row: runs for row, runs in sets.items() if runs is not None}


def _pool(run: Run) -> dict[str, tuple[BinCounts, int]]:
    """Region -> histograms of all cases added up, and the number of cases with a voxel in it."""
    bins = read_run_bins(run.path)
    counts = count_cases(bins, evaluation=EVALUATION)
    return {region: (own, counts[region]) for region, own in pool_bins(bins, evaluation=EVALUATION).items()}


def _is_same(one: CaseView, other: CaseView) -> bool:
    same = (one.slice_index, one.spacing_mm) == (other.slice_index, other.spacing_mm)
    return same and np.array_equal(one.target, other.target)


def _choose(means: Mapping[str, float]) -> list[tuple[str, str]]:
    """Role and case of those that are shown; of fewer than three cases all."""
    chosen = choose_cases(means)
    return [(role, case) for role, case in chosen.items() if role in ROLES or len(chosen) < 3]


def _build_case(
    role: str,
    case: str,
    mean: float,
    *,
    runs: Mapping[str, Run],
    views: Mapping[str, Mapping[str, CaseView]],
    dice: Mapping[str, Mapping[str, float]],
) -> MethodCase:
    ece = {row: average_cases(run, "ece", "foreground").get(case) for row, run in runs.items()}
    own = {row: found[case] for row, found in views.items()}
    return MethodCase(
        heading=f"{role.capitalize()}: {case}",
        details=f"mean Dice {format_error(mean)}; slice {next(iter(own.values())).slice_index}",
        views=own,
        over_image={row: f"Dice {format_error(found.get(case, float('nan')))}" for row, found in dice.items()},
        over_confidence={row: f"ECE {format_error(value)}" for row, value in ece.items() if value is not None},
    )


def _list_labels(run: Run, views: Mapping[str, Mapping[str, CaseView]]) -> list[str]:
    """Class names, by number where the run does not name them."""
    labels = run.settings.get("data.source.labels")
    if isinstance(labels, list) and labels:
        return [str(label) for label in labels]
    planes = [plane for own in views.values() for view in own.values() for plane in (view.target, view.prediction)]
    return ["background", *(str(k) for k in range(1, 1 + max(int(plane.max()) for plane in planes)))]


def _caption(roles: Sequence[str], runs: Mapping[str, Run], *, used: int, left_out: int) -> str:
    firsts = sorted({run.seed for run in runs.values()})
    seeds = f"{'seed' if len(firsts) == 1 else 'first seeds'} {', '.join(map(str, firsts))}"
    text = (
        f"The {' and the '.join(roles)} of {format_count(used, 'case')} by the mean Dice over the methods, "
        f"{seeds}: the axial slice with the largest reference foreground, cut to the structures (slices count from 0). "
        "Above: image with the outlines of reference and prediction; below: confidence, the probability of the "
        "predicted class. Dice (mean over labels) and ECE (foreground) are those of the whole case."
    )
    if left_out:
        text += f" {format_count(left_out, 'case')} left out: slice or reference differs between methods."
    return text
