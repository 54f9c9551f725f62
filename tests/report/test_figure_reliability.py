"""Reliability diagrams: what is drawn is what was counted."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.functional.bins import compute_class_ece, compute_ece, reliability_curve
from mlseg.report.figure_reliability import GridRow, build_reliability
from mlseg.report.figure_style import save_figure


def make_typical(make_counts, seed=0, n=2000):
    generator = np.random.default_rng(seed)
    confidence = 0.5 + 0.5 * generator.beta(3, 0.4, n)
    return make_counts(confidence, generator.random(n) < confidence**2)


def build(counts, **options):
    return build_reliability([GridRow(name="", counts=counts)], title="t", **options)


def read_texts(figure):
    """Everything that is written outside and inside of the panels."""
    return [text.get_text() for owner in (figure, *figure.axes) for text in owner.texts]


@pytest.mark.parametrize("bins", [15, 50])
def test_headings_say_the_pooled_ece_and_what_it_rests_on(make_counts, bins):
    counts = {"image": make_typical(make_counts, 1), "roi": make_typical(make_counts, 2, n=1500)}
    texts = read_texts(build(counts, bins=bins, n_cases={"image": 12, "roi": 1}))
    for region, name, rests_on in (
        ("image", "Image", "12 cases, 2,000 voxels"),
        ("roi", "ROI", "1 case, 1,500 voxels"),
    ):
        assert {name, rests_on, f"ECE {compute_ece(counts[region], bins):.3f}"} <= set(texts)
    assert any(f"{bins} bins" in text for text in texts)


def test_every_region_has_a_panel_and_a_strip(make_counts):
    counts = {region: make_typical(make_counts) for region in ("image", "foreground", "boundary", "roi")}
    figure = build(counts)
    assert len(figure.axes) == 8
    assert figure.get_size_inches()[0] < 7.3
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def test_dots_bars_and_strip_are_the_counts(make_counts):
    # Two bins: 3 voxels at 0.5 with 1 right, 1 voxel at 0.9 that is right.
    upper, lower = build({"image": make_counts([0.5, 0.5, 0.5, 0.9], [1, 0, 0, 1])}).axes
    bars, dots = upper.collections
    np.testing.assert_allclose(dots.get_offsets(), [[0.5, 1 / 3], [0.9, 1.0]], atol=1e-6)
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0.5, 1 / 3], [0.9, 1.0]], atol=1e-6)
    heights = {round(bar.get_x(), 3): bar.get_height() for bar in lower.patches if bar.get_height() > 0}
    assert heights == {round(7 / 15, 3): 75.0, round(13 / 15, 3): 25.0}


def test_classes_have_a_row_each_with_their_own_error(make_case):
    counts = {"image": make_case(1), "boundary": make_case(2, n=300)}
    rows = [GridRow(name=f"class{k}", counts=counts, row=k + 1) for k in range(4)]
    figure = build_reliability(rows, title="t", bins=10)
    assert len(figure.axes) == 4 * 2 * 2
    texts = read_texts(figure)
    for k in range(4):
        assert texts.count(f"class{k}") == 1
        for part in counts.values():
            assert f"error {compute_class_ece(part, k, 10):.3f}" in texts
            assert f"n = {int(part.hits[k + 1].sum()):,}" in texts
    for place, row in enumerate(rows):
        curve = reliability_curve(counts["image"], 10, row=row.row)
        filled = ~np.isnan(curve.accuracy)
        dots = figure.axes[4 * place].collections[-1].get_offsets()
        np.testing.assert_allclose(dots, np.stack([curve.confidence, curve.accuracy], axis=1)[filled])
    labels = {axes.get_ylabel() for axes in figure.axes} | {axes.get_xlabel() for axes in figure.axes}
    assert {"Share of the class", "Probability of the class"} <= labels
    assert "Accuracy" not in labels


def test_the_classes_of_a_single_region_lie_side_by_side(make_case):
    counts = {"foreground": make_case(1, classes=6)}
    rows = [GridRow(name=f"class{k}", counts=counts, row=k + 1) for k in range(6)]
    figure = build_reliability(rows, title="t")
    panels = figure.axes[::2]
    assert len({round(axes.get_position().y0, 6) for axes in panels}) == 2
    assert len({round(axes.get_position().x0, 6) for axes in panels}) == 4
    named = [text.get_text() for axes in panels for text in axes.texts if text.get_text().startswith("class")]
    assert named == [f"class{k}" for k in range(6)]


@pytest.mark.parametrize(
    ("confidence", "hit"),
    [([], []), ([1.0], [1]), ([0.0], [0]), ([0.999] * 50, [1] * 50), ([0.3, 0.9, 0.95], [0, 1, 0])],
    ids=["nothing", "one voxel", "no confidence", "one bin", "few voxels"],
)
def test_extremes_are_drawn_without_a_warning(make_counts, tmp_path, monkeypatch, confidence, hit):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    save_figure(build({"image": make_counts(confidence, hit)}), tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_a_class_without_probability_is_drawn_without_a_warning(make_counts, tmp_path, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    # The classes' own histograms are empty there, as those of edges="paper" are where p = 0.
    rows = [GridRow(name="a", counts={"image": make_counts([0.9], [1])}, row=1)]
    save_figure(build_reliability(rows, title="t"), tmp_path / "r.png")


def test_nothing_to_draw_and_wrong_bins_are_refused(make_counts):
    with pytest.raises(RunError, match="at least one region"):
        build_reliability([], title="t")
    with pytest.raises(RunError, match="at least one region"):
        build({})
    with pytest.raises(ConfigError, match="must divide 300"):
        build({"image": make_typical(make_counts)}, bins=7)
