"""The figures of a table: one for each data set with pairs, and whatever else is in the list."""

from __future__ import annotations

import pytest

from mlseg.report import paper_figures
from mlseg.report.figure_differences import build_differences
from mlseg.report.paper_cells import analyse
from mlseg.report.paper_figures import HOOKS, draw_differences, draw_figures


def test_a_figure_for_each_data_set_with_pairs(make_spec, tmp_path):
    kinds = {"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}, "brats": {"CE": {}, "MbLS": None}}
    result = analyse(make_spec(kinds, pairs=(("MbLS", "CE"),)))
    assert draw_differences in HOOKS
    paths = draw_figures(tmp_path / "figures", "main", result, hooks=[draw_differences])
    assert [path.name for path in paths] == ["main_acdc_differences.png", "main_acdc_differences.pdf"]
    assert all(path.stat().st_size > 1000 for path in paths)


def test_the_dots_are_first_minus_second(make_spec, tmp_path, monkeypatch):
    drawn = {}

    def build(names, panels, *, title):
        drawn.update(names=names, panels=panels)
        return build_differences(names, panels, title=title)

    monkeypatch.setattr(paper_figures, "build_differences", build)
    spec = make_spec({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}}, pairs=(("MbLS", "CE"),))
    draw_differences(analyse(spec), tmp_path, "main")
    assert drawn["names"] == ["MbLS - CE"]
    for panel in drawn["panels"]:
        differences, found = panel.rows[0]
        assert differences.mean() == pytest.approx(found.difference)
    assert drawn["panels"][0].rows[0][1].difference == pytest.approx(0.1)


def test_nothing_to_compare_draws_nothing(make_spec, tmp_path):
    assert draw_figures(tmp_path, "main", analyse(make_spec({"acdc": {"CE": {}}}))) == []


def test_hooks_are_called_with_all_they_need(make_spec, tmp_path):
    result = analyse(make_spec({"acdc": {"CE": {}}}))
    own = lambda found, folder, stem: [folder / f"{stem}_{found.spec.name}.png"]  # noqa: E731
    assert draw_figures(tmp_path, "x", result, hooks=[own, own]) == [tmp_path / "x_main.png"] * 2
