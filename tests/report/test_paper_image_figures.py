"""Reliability and cases by method: from the files of all runs of a table, pooled and compared as they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.functional.bins import compute_ece
from mlseg.functional.bins_file import BinsKey, write_bins
from mlseg.functional.views_file import read_views, write_views
from mlseg.report import paper_image_figures as module
from mlseg.report.paper_cells import analyse
from mlseg.report.paper_image_figures import IMAGE_HOOKS, draw_method_cases, draw_reliability

REGIONS = ("image", "foreground")


@pytest.fixture
def make_result(make_spec, make_case, make_view):
    """A table whose runs have histograms and slices: `make_result({"CE": {}, "FL": None}, seeds=(1, 2))`."""

    def call(rows, *, seeds=(1,), files=True):
        result = analyse(make_spec({"acdc": rows}, seeds=seeds))
        for place, cell in enumerate(result.spec.cells.values()):
            for run in cell.runs.runs if cell.runs and files else ():
                cases = sorted(run.cases)
                seed = 100 * place + 10 * run.seed
                bins = {
                    BinsKey(case_id=case, evaluation="default", region=region, label="all"): make_case(seed + k, n=50)
                    for k, case in enumerate(cases)
                    for region in REGIONS
                }
                write_bins(run.path / "bins.npz", bins)
                write_views(run.path / "views.npz", [make_view(case, seed=seed) for case in cases])
        return result

    return call


@pytest.fixture
def drawn(monkeypatch):
    """What the figures were made of, without drawing them."""
    found = []
    monkeypatch.setattr(module, "save_both", lambda figure, stem: [stem])
    for name in ("build_reliability", "build_method_cases"):
        monkeypatch.setattr(module, name, lambda *args, **options: found.append((args, options)))
    return found


def test_both_figures_of_each_data_set_are_written(make_result, tmp_path, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    result = make_result({"CE": {}, "MbLS": {"shift": 0.1}})
    paths = [path for hook in IMAGE_HOOKS for path in hook(result, tmp_path / "f", "main")]
    stems = ("main_acdc_reliability", "main_acdc_reliability_image", "main_acdc_cases")
    assert [path.name for path in paths] == [f"{stem}.{end}" for stem in stems for end in ("png", "pdf")]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_a_panel_for_each_method_with_all_cases_of_its_first_seed(make_result, drawn, tmp_path):
    result = make_result({"CE": {}, "FL": None, "MbLS": {"shift": 0.1}}, seeds=(1, 2))
    draw_reliability(result, tmp_path, "main")
    assert len(drawn) == 2
    for ((rows,), options), region in zip(drawn, ("foreground", "image"), strict=True):
        assert [row.name for row in rows] == ["CE", "MbLS"]
        # 16 cases of 50 voxels.
        assert [row.counts[region].voxels for row in rows] == [800, 800]
        assert options["title"].endswith(
            "; acdc, profile quick, evaluation=default; 16 cases, seed 1; other seeds are in the table"
        )
        assert options["bins"] == 15


def test_seeds_that_are_wrong_in_opposite_ways_do_not_cancel(make_result, drawn, make_counts, tmp_path):
    result = make_result({"CE": {}}, seeds=(1, 2))
    for run, right in zip(result.spec.cells["acdc", "CE"].runs.runs, (60, 100), strict=True):
        key = BinsKey(case_id="p00_ED", evaluation="default", region="foreground", label="all")
        write_bins(run.path / "bins.npz", {key: make_counts(np.full(100, 0.8), np.arange(100) < right)})
    draw_reliability(result, tmp_path, "main")
    ((((row,),), options),) = drawn
    assert compute_ece(row.counts["foreground"], 15) == pytest.approx(0.2)
    assert "; 1 case, seed 1; other seeds are in the table" in options["title"]


def test_a_method_whose_first_seed_is_another_is_named(make_result, drawn, tmp_path):
    result = make_result({"CE": {}, "MbLS": {}}, seeds=(1, 2))
    cell = result.spec.cells["acdc", "MbLS"]
    result.spec.cells["acdc", "MbLS"] = replace(cell, runs=replace(cell.runs, runs=cell.runs.runs[1:]))
    draw_reliability(result, tmp_path, "main")
    assert "16 cases, seed 1 (MbLS: 2); other seeds" in drawn[0][1]["title"]
    assert "other seeds" not in module.describe_first_seeds({"MbLS": result.spec.cells["acdc", "MbLS"].runs})


def test_the_median_and_the_worst_case_over_the_methods(make_result, drawn, tmp_path):
    result = make_result({"CE": {}, "MbLS": {"shift": 0.1}})
    dice = {
        row: module.average_cases(result.spec.cells["acdc", row].runs.first, "dice", "image") for row in ("CE", "MbLS")
    }
    ranked = sorted(dice["CE"], key=lambda case: -(dice["CE"][case] + dice["MbLS"][case]))
    (path,) = draw_method_cases(result, tmp_path, "main")
    assert path == tmp_path / "main_acdc_cases"
    ((cases, methods), options) = drawn[0]
    assert methods == ["CE", "MbLS"]
    assert [case.heading for case in cases] == [f"Median: {ranked[8]}", f"Worst: {ranked[15]}"]
    worst = ranked[15]
    assert cases[1].over_image["MbLS"] == f"Dice {dice['MbLS'][worst]:.3f}"
    assert cases[1].over_confidence["CE"].startswith("ECE 0.")
    assert cases[1].details.endswith("; slice 5")
    assert options["caption"].startswith(
        "The median and the worst of 16 cases by the mean Dice over the methods, seed 1:"
    )
    assert "left out" not in options["caption"]


@pytest.mark.parametrize("change", ["slice", "reference", "absent"])
def test_a_case_that_differs_between_the_runs_is_left_out(make_result, drawn, tmp_path, change):
    result = make_result({"CE": {}, "MbLS": {}})
    place = result.spec.cells["acdc", "MbLS"].runs.first.path / "views.npz"
    draw_method_cases(result, tmp_path, "main")
    worst = drawn[0][0][0][1].heading.removeprefix("Worst: ")
    views = read_views(place)
    if change == "slice":
        views[worst] = replace(views[worst], slice_index=6)
    elif change == "reference":
        views[worst] = replace(views[worst], target=np.zeros_like(views[worst].target))
    else:
        del views[worst]
    write_views(place, views.values())
    draw_method_cases(result, tmp_path, "main")
    (cases, _), options = drawn[1]
    assert worst not in cases[1].heading
    assert options["caption"].startswith("The median and the worst of 15 cases")
    assert options["caption"].endswith("1 case left out: slice or reference differs between methods.")


def test_the_slices_are_those_of_the_first_seed(make_result, drawn, tmp_path):
    result = make_result({"CE": {}}, seeds=(1, 2))
    first = read_views(result.spec.cells["acdc", "CE"].runs.runs[0].path / "views.npz")
    draw_method_cases(result, tmp_path, "main")
    (cases, _), _ = drawn[0]
    for case in cases:
        shown = case.views["CE"]
        np.testing.assert_array_equal(shown.image, first[shown.case_id].image)


def test_two_cases_are_the_best_and_the_worst(make_result, drawn, tmp_path):
    result = make_result({"CE": {"subjects": 1}})
    draw_method_cases(result, tmp_path, "main")
    (cases, _), options = drawn[0]
    assert [case.heading.split(":")[0] for case in cases] == ["Best", "Worst"]
    assert options["caption"].startswith("The best and the worst of 2 cases")


def test_classes_are_named_as_the_run_names_them(make_result, drawn, tmp_path):
    result = make_result({"CE": {"settings": {"data.source.labels": ["background", "RV", "LV"]}}, "MbLS": {}})
    draw_method_cases(result, tmp_path, "main")
    assert drawn[0][1]["labels"] == ["background", "RV", "LV"]
    result = replace(result, blocks=(replace(result.blocks[0], rows=("MbLS",)),))
    draw_method_cases(result, tmp_path, "main")
    assert drawn[1][1]["labels"] == ["background", "1"]


def test_scores_of_another_protocol_do_not_choose_a_case(make_result):
    run = make_result({"CE": {}}).spec.cells["acdc", "CE"].runs.first
    other = [replace(score, value=99.0) if score.evaluation == "paper" else score for score in run.scores]
    changed = replace(run, scores=tuple(other))
    assert module.average_cases(changed, "dice", "image") == module.average_cases(run, "dice", "image")


def test_runs_without_the_files_draw_nothing_and_a_damaged_one_is_named(make_result, tmp_path):
    result = make_result({"CE": {}, "MbLS": {}}, files=False)
    assert [path for hook in IMAGE_HOOKS for path in hook(result, tmp_path, "main")] == []
    place = result.spec.cells["acdc", "CE"].runs.first.path
    for hook, name in zip(IMAGE_HOOKS, ("bins.npz", "views.npz"), strict=True):
        (place / name).write_text("")
        with pytest.raises(RunError, match=name):
            hook(result, tmp_path, "main")
