"""The figures of a table's values: which are drawn, and from which numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlseg.report import paper_value_figures
from mlseg.report.paper_cells import MEASURES, analyse
from mlseg.report.paper_figures import HOOKS
from mlseg.report.paper_value_figures import VALUE_HOOKS, draw_boxes, draw_radar, draw_ranks, draw_trend

MARGINS = {"CE": {}, "m = 0": {"shift": 0.01}, "m = 3": {"shift": 0.02}, "m = 20": {"shift": 0.005}}


@pytest.fixture
def make_result(make_spec):
    """A table's numbers: `make_result({"acdc": {"CE": {}}}, words={"CE": ["loss=ce"]})`."""

    def call(kinds, *, words=None, **options):
        spec = make_spec(kinds, **options)
        cells = {
            (data, row): replace(cell, words=(f"data={data}", *(words or {}).get(row, ())))
            for (data, row), cell in spec.cells.items()
        }
        return analyse(replace(spec, cells=cells))

    return call


@pytest.fixture
def drawn(monkeypatch):
    """What the builders are called with, by their name; nothing is drawn."""
    calls = {}

    def spy(name):
        def build(*args, **options):
            calls.setdefault(name, []).append((args, options))
            return name

        return build

    for name in ("build_trend", "build_boxes", "build_radar", "build_ranks"):
        monkeypatch.setattr(paper_value_figures, name, spy(name))
    monkeypatch.setattr(paper_value_figures, "save_both", lambda figure, stem: [stem.with_name(f"{stem.name}.png")])
    return calls


def words_of(rows):
    return {row: ["loss=ce"] if row == "CE" else ["loss=mbls", f"loss.margin={row[4:]}"] for row in rows}


def names(paths):
    return [path.name for path in paths]


def test_they_are_drawn_with_every_table():
    assert set(VALUE_HOOKS) <= set(HOOKS)


def test_files_of_a_table_of_margins(make_result, tmp_path):
    result = make_result({"acdc": MARGINS}, words=words_of(MARGINS))
    paths = [path for hook in VALUE_HOOKS for path in hook(result, tmp_path, "margin_quick")]
    kinds = ("trend", "boxes", "radar", "ranks")
    assert names(paths) == [f"margin_quick_acdc_{kind}.{end}" for kind in kinds for end in ("png", "pdf")]
    assert all(path.stat().st_size > 5000 for path in paths)


def test_margins_are_drawn_against_cross_entropy(make_result, tmp_path, drawn):
    result = make_result({"acdc": MARGINS}, words=words_of(MARGINS))
    assert names(draw_trend(result, tmp_path, "margin")) == ["margin_acdc_trend.png"]
    ((series, measures), options) = drawn["build_trend"][0]
    assert measures == [MEASURES[0], MEASURES[1], MEASURES[2], MEASURES[4]]
    (line,) = series
    assert [point.x for point in line.points] == [0, 3, 20]
    block = result.blocks[0]
    for point, row in zip(line.points, ("m = 0", "m = 3", "m = 20"), strict=True):
        assert point.values == {measure: block.entries[row, measure].values for measure in measures}
    assert options["references"] == {"CE": {measure: block.entries["CE", measure].values for measure in measures}}
    assert options["setting"] == "m (loss.margin)"
    assert options["title"] == "Losses; acdc, profile quick, evaluation=default"
    assert options["about"] == "8 test subjects (16 cases), 1 seed."


def test_two_penalties_are_two_lines(make_result, tmp_path, drawn):
    words = {
        f"{kind}, m = {m}": [f"loss={loss}", f"loss.margin={m}"]
        for kind, loss in (("linear", "a"), ("quadratic", "b"))
        for m in (3, 5, 10)
    }
    draw_trend(make_result({"acdc": {row: {} for row in words}}, words=words), tmp_path, "penalty")
    ((series, _), options) = drawn["build_trend"][0]
    assert [line.name for line in series] == ["linear", "quadratic"]
    assert (options["references"], options["setting"]) == ({}, "m (loss.margin)")


def test_other_tables_have_no_trend(make_result, tmp_path, drawn):
    rows = {"CE": {}, "FL": {}, "LS": {}}
    words = {row: [f"loss={row.lower()}", f"loss.alpha={place}"] for place, row in enumerate(rows)}
    assert draw_trend(make_result({"acdc": rows}, words=words), tmp_path, "main") == []
    few = {"CE": {}, "m = 0": {}, "m = 3": {}, "m = 20": None}
    assert draw_trend(make_result({"brats": few}, words=words_of(few)), tmp_path, "margin") == []
    assert drawn == {}


def test_boxes_of_a_table_of_losses_are_in_one_group(make_result, tmp_path, drawn):
    result = make_result({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}})
    draw_boxes(result, tmp_path, "main")
    ((groups, panels), _) = drawn["build_boxes"][0]
    assert [(group.name, group.rows) for group in groups] == [("", ("CE", "MbLS"))]
    assert [(panel.heading, panel.better) for panel in panels] == [("Dice", "higher"), ("ECE foreground", "lower")]
    own = result.blocks[0].entries["MbLS", MEASURES[0]].values
    assert panels[0].rows[1] == pytest.approx(own.values.mean(axis=1))
    assert panels[0].means[1] == own.mean


def test_boxes_of_a_subject_that_lacks_a_label_hold_its_own_mean(make_result, tmp_path, drawn):
    result = make_result({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}})
    values = result.blocks[0].entries["MbLS", MEASURES[0]].values
    values.values[1:, 1], values.weights[1:, 1] = float("nan"), 0
    values.values[0] = 0.95
    values.values[1:, 0] = 0.5
    assert values.per_subject[1] == pytest.approx(0.725)
    draw_boxes(result, tmp_path, "main")
    ((_, panels), _) = drawn["build_boxes"][0]
    assert panels[0].rows[1] == pytest.approx([0.95, *[0.5] * 7])
    assert panels[0].means[1] == pytest.approx(values.mean)


def test_ranks_tell_how_many_subjects_lack_a_value(make_spec, tmp_path, drawn):
    spec = make_spec({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}})
    cell = spec.cells["acdc", "MbLS"]
    scores = [
        replace(score, value=float("nan")) if (score.subject_id, score.metric) == ("p00", "hd95") else score
        for score in cell.runs.first.scores
    ]
    runs = replace(cell.runs, runs=(replace(cell.runs.first, scores=tuple(scores)),))
    cells = {**spec.cells, ("acdc", "MbLS"): replace(cell, runs=runs)}
    draw_ranks(analyse(replace(spec, cells=cells)), tmp_path, "main")
    ((_, columns), _) = drawn["build_ranks"][0]
    found = {column.heading: (column.ranks.n, column.tested) for column in columns}
    assert (found["Dice"], found["HD95"]) == ((8, 8), (7, 8))


def test_boxes_of_a_table_of_networks_are_by_network(make_result, tmp_path, drawn):
    rows = ["UNet, CE", "UNet++, CE", "UNet, MbLS", "UNet++, MbLS"]
    words = {row: [f"model={row.split(',')[0].lower()}", f"loss={row[-2:].lower()}"] for row in rows}
    shifts = {row: {"shift": 0.01 * place} for place, row in enumerate(rows)}
    result = make_result({"acdc": shifts}, words=words)
    draw_boxes(result, tmp_path, "backbones")
    ((groups, panels), _) = drawn["build_boxes"][0]
    assert [(group.name, group.rows) for group in groups] == [("UNet", ("CE", "MbLS")), ("UNet++", ("CE", "MbLS"))]
    means = [row.mean() for row in panels[0].rows]
    order = ("UNet, CE", "UNet, MbLS", "UNet++, CE", "UNet++, MbLS")
    assert means == pytest.approx([result.blocks[0].entries[row, MEASURES[0]].values.mean for row in order])


def test_a_radar_has_the_means_of_the_table(make_result, tmp_path, drawn):
    result = make_result({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}, "brats": {"CE": {}, "MbLS": None}})
    assert names(draw_radar(result, tmp_path, "main")) == ["main_acdc_radar.png"]
    ((methods, axes), _) = drawn["build_radar"][0]
    assert methods == ("CE", "MbLS")
    headings = [(axis.heading, axis.higher) for axis in axes]
    wanted = [("Dice", True), ("HD95 (mm)", False), ("ECE image", False), ("ECE foreground", False)]
    assert headings == [*wanted, ("CECE foreground", False)]
    assert axes[0].values["MbLS"] == pytest.approx(result.blocks[0].entries["MbLS", MEASURES[0]].values.mean)


def test_too_many_methods_have_no_radar(make_result, tmp_path, drawn):
    assert draw_radar(make_result({"acdc": {f"m{n}": {} for n in range(9)}}), tmp_path, "main") == []
    assert len(draw_radar(make_result({"brats": {f"m{n}": {} for n in range(8)}}), tmp_path, "main")) == 1


def test_ranks_of_each_data_set_and_of_all_that_are_whole(make_result, tmp_path, drawn):
    rows = {"CE": {}, "MbLS": {"shift": 0.1}}
    kinds = {"acdc": rows, "brats": rows, "mrbrains18": {"CE": {}, "MbLS": None}}
    paths = draw_ranks(make_result(kinds), tmp_path, "main")
    assert names(paths) == ["main_acdc_ranks.png", "main_brats_ranks.png", "main_ranks.png"]
    ((methods, columns), options) = drawn["build_ranks"][-1]
    assert methods == ("CE", "MbLS")
    assert [column.group for column in columns] == ["acdc"] * 4 + ["brats"] * 4
    assert columns[0].ranks.ranks == (2, 1)
    assert options["title"] == "Losses; acdc, brats, profile quick, evaluation=default"
    assert options["about"].startswith("acdc: 8 test subjects (16 cases), 1 seed. brats: ")


def test_one_data_set_has_no_figure_over_all(make_result, tmp_path, drawn):
    paths = draw_ranks(make_result({"acdc": {"CE": {}, "MbLS": {"shift": 0.1}}}), tmp_path, "main")
    assert names(paths) == ["main_acdc_ranks.png"]
    assert draw_ranks(make_result({"brats": {"CE": {}}}), tmp_path, "main") == []
