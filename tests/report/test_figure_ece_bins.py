"""Errors against the number of bins: the lines are the values, and the axes do not mislead."""

from __future__ import annotations

import math

import pytest

from mlseg.checks import RunError
from mlseg.functional.bins import FINE_BINS
from mlseg.report.figure_ece_bins import BIN_COUNTS, BinsCurve, build_ece_bins
from mlseg.report.figure_style import save_figure


def make_curve(scale=0.1, n=20):
    pooled = dict.fromkeys(BIN_COUNTS, scale)
    return BinsCurve(pooled=pooled, means={bins: scale * (1 + bins / 300) for bins in BIN_COUNTS}, n=n)


def read_texts(figure):
    return [text.get_text() for owner in (figure, *figure.axes) for text in owner.texts]


def test_every_number_of_bins_follows_from_the_same_histograms():
    assert all(FINE_BINS % bins == 0 for bins in BIN_COUNTS)
    assert list(BIN_COUNTS) == sorted(BIN_COUNTS)


def test_lines_are_the_values_and_begin_at_zero():
    curve = make_curve()
    figure = build_ece_bins({("ECE", ""): {"image": curve, "roi": make_curve(0.5)}}, title="t", bins=20)
    image, roi, *_ = figure.axes
    own, means, pooled = image.lines
    assert list(own.get_xdata()) == [20, 20]
    assert dict(zip(means.get_xdata(), means.get_ydata(), strict=True)) == curve.means
    assert dict(zip(pooled.get_xdata(), pooled.get_ydata(), strict=True)) == curve.pooled
    assert image.get_ylim()[0] == roi.get_ylim()[0] == 0
    assert 0.2 < image.get_ylim()[1] < 0.25
    assert roi.get_ylim()[1] > 1
    assert image.get_xscale() == "log"


def test_panels_say_the_values_at_the_protocols_own_bins():
    texts = read_texts(build_ece_bins({("ECE", ""): {"image": make_curve()}}, title="t", bins=15))
    assert {"Image", "20 subjects", "0.100", "0.105", "all voxels pooled", "mean over subjects"} <= set(texts)
    cases = read_texts(build_ece_bins({("ECE", ""): {"image": make_curve()}}, title="t", unit="case"))
    assert {"20 cases", "mean over cases"} <= set(cases)


def test_scores_are_rows_and_of_a_single_region_columns():
    rows = {("ECE", "WT"): make_curve(), ("ECE", "TC"): make_curve(), ("CECE", ""): make_curve()}
    grid = build_ece_bins({key: {"image": curve, "roi": curve} for key, curve in rows.items()}, title="t")
    panels = grid.axes[:6]
    assert len({round(axes.get_position().y0, 6) for axes in panels}) == 3
    assert {"WT", "TC"} <= set(read_texts(grid))
    row = build_ece_bins({key: {"foreground": curve} for key, curve in rows.items()}, title="t")
    assert len({round(axes.get_position().y0, 6) for axes in row.axes[:3]}) == 1
    assert [axes.get_ylabel() for axes in row.axes[:3]] == ["WT ECE", "TC ECE", "CECE"]


@pytest.mark.parametrize("value", [math.nan, 0.0])
def test_undefined_and_perfect_scores_are_drawn_without_a_warning(value, tmp_path, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    curve = BinsCurve(pooled=dict.fromkeys(BIN_COUNTS, value), means=dict.fromkeys(BIN_COUNTS, value), n=0)
    figure = build_ece_bins({("ECE", ""): {"image": curve}}, title="t")
    save_figure(figure, tmp_path / "e.png")
    assert ("n/a" if math.isnan(value) else "0.000") in read_texts(figure)


def test_nothing_to_draw_is_refused():
    with pytest.raises(RunError, match="at least one region"):
        build_ece_bins({}, title="t")
