"""The figure of penalties: lines are the curves, marks stand where the numbers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.figure_losses import build_loss_figure
from mlseg.report.figure_style import save_figure
from mlseg.report.loss_curves import LossCurves

DISTANCES = np.linspace(0, 20, 41)


def make_curves(name: str, free: float, margin: float | None = None, *, high: float = 0.1) -> LossCurves:
    """A penalty with the gradient `high` beyond `free`."""
    pull = -np.exp(-DISTANCES)
    slopes = np.where(free < DISTANCES, high, 0.0) + pull
    return LossCurves(
        name=name,
        title="A loss with a long name that needs two lines",
        formula="",
        settings={"alpha": 0.1, "norm": "l1"} | ({} if margin is None else {"margin": margin}),
        distances=DISTANCES,
        values={2: high * np.maximum(0, DISTANCES - free) - pull, 4: 1 - pull},
        slopes={2: slopes, 4: slopes},
        baseline_values={2: -pull, 4: -pull},
        baseline_slopes={2: pull, 4: pull},
        rests={2: max(free, 1.5), 4: np.inf},
    )


@pytest.fixture
def losses() -> list[LossCurves]:
    return [make_curves("soft", -1.0), make_curves("margin", 5.0, 5.0)]


def test_lines_are_the_curves(losses):
    figure = build_loss_figure(losses)
    assert len(figure.axes) == 3 * 2 + 3
    for curves, (penalty, push, slope) in zip(losses, (figure.axes[:3], figure.axes[3:6]), strict=True):
        np.testing.assert_array_equal(penalty.lines[0].get_ydata(), curves.penalty(2))
        np.testing.assert_array_equal(push.lines[1].get_ydata(), curves.push(4))
        drawn = [line.get_ydata() for line in slope.lines if len(line.get_ydata()) == len(DISTANCES)]
        np.testing.assert_array_equal(drawn[:2], [curves.baseline_slopes[2], curves.slopes[2]])
        assert slope.get_yscale() == "symlog"
        (dot, *_) = (line for line in slope.lines if line.get_marker() == "o")
        assert dot.get_xdata()[0] == curves.rests[2]


def test_shading_begins_where_the_penalty_pulls(losses):
    figure = build_loss_figure(losses)
    for axes, free in ((figure.axes[1], 0.0), (figure.axes[4], 5.0)):
        (span,) = axes.patches
        assert (span.get_x(), span.get_width()) == (free, 20 - free)
        low, high = axes.get_ylim()
        assert low < 0 < 0.1 < high


def test_margins_are_marked_where_there_are_any(losses):
    figure = build_loss_figure(losses)
    marks = [[line for line in axes.lines if list(line.get_xdata()) == [5.0, 5.0]] for axes in figure.axes[:6]]
    assert [len(found) for found in marks] == [0, 0, 0, 1, 1, 1]


def test_words_say_which_loss_and_line(losses):
    figure = build_loss_figure(losses)
    texts = [text.get_text() for text in figure.texts]
    assert {"soft", "margin", "2 classes", "4 classes", "cross-entropy alone"} <= set(texts)
    assert {"alpha\u00a00.1, norm\u00a0l1,", "margin\u00a05"} <= set(texts)


def test_a_steep_or_idle_penalty_is_drawn_without_a_warning(losses, tmp_path, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    idle = replace(losses[0], slopes=losses[0].baseline_slopes, values=losses[0].baseline_values)
    figure = build_loss_figure([make_curves("steep", 5.0, high=30.0), idle])
    save_figure(figure, tmp_path / "losses.png")
    assert figure.axes[2].get_ylim()[1] > 30
    assert not figure.axes[4].patches


def test_nothing_to_draw_is_refused():
    with pytest.raises(RunError, match="at least one loss with a penalty"):
        build_loss_figure([])
