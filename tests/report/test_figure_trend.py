"""The figure of scores against a setting: numbers where they belong, words on the page."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.figure_trend import FEWEST_BANDED, MOST_LINES, build_trend
from mlseg.report.statistics import compute_interval
from mlseg.report.subject_values import Measure, SubjectValues
from mlseg.report.trends import TrendPoint, TrendSeries

DICE = Measure(evaluation="default", metric="dice", region="image")
HD95 = Measure(evaluation="default", metric="hd95", region="image")
XS = (0.0, 3.0, 5.0, 20.0)


def make_values(measure, shift=0.0, n=8):
    values = (0.8 + shift + np.random.default_rng(n).normal(0, 0.05, n) + shift * np.arange(n) / n)[:, None]
    return SubjectValues(
        measure=measure,
        subjects=tuple(f"p{number}" for number in range(n)),
        labels=("LV",),
        values=values,
        weights=np.ones_like(values),
        n_cases=2 * n,
        n_seeds=1,
        n_undefined=0,
        n_missed=0,
        n_invented=0,
        unit="1" if measure == DICE else "mm",
    )


def make_series(name="", n=8, xs=XS, step=0.01):
    points = [
        TrendPoint(x=x, values={measure: make_values(measure, step * place, n) for measure in (DICE, HD95)})
        for place, x in enumerate(xs)
    ]
    return TrendSeries(name=name, points=tuple(points))


def draw(*series, measures=(DICE, HD95), **options):
    return build_trend(series, measures, setting="m (loss.margin)", title="acdc", **options)


def find_means(axes, place=0):
    return axes.containers[place]


def find_bars(container):
    return [tuple(segment[:, 1]) for segment in container[2][0].get_segments() if len(segment)]


@pytest.mark.parametrize("n", [8, 35])  # an interval that is symmetric, and one that is not
def test_means_and_intervals_stand_at_their_values(n):
    series = make_series(n=n)
    upper = draw(series).axes[0]
    container = find_means(upper)
    values = [point.values[DICE] for point in series.points]
    assert container[0].get_xdata().tolist() == list(XS)
    assert container[0].get_ydata() == pytest.approx([value.mean for value in values])
    intervals = [compute_interval(value.per_subject) for value in values]
    assert np.array(find_bars(container)) == pytest.approx(np.array([(i.low, i.high) for i in intervals]))
    assert upper.get_xticks().tolist() == list(XS)


def test_each_subject_is_a_line():
    series = make_series()
    upper = draw(series).axes[0]
    lines = [line for line in upper.lines if line.get_alpha() == 0.3]
    assert len(lines) == 8
    assert lines[2].get_ydata() == pytest.approx([p.values[DICE].per_subject[2] for p in series.points])


def test_many_subjects_are_a_band_of_quartiles():
    series = make_series(n=MOST_LINES + 1)
    upper = draw(series).axes[0]
    assert not [line for line in upper.lines if line.get_alpha() == 0.3]
    (band,) = upper.collections[:1]
    first = series.points[0].values[DICE].per_subject
    low, high = np.quantile(first, (0.25, 0.75))
    at_first = band.get_paths()[0].vertices[np.isclose(band.get_paths()[0].vertices[:, 0], 0)][:, 1]
    assert (at_first.min(), at_first.max()) == pytest.approx((low, high))
    assert "quartile" in caption(upper.figure)


@pytest.mark.parametrize("n", [8, MOST_LINES + 1])
def test_subjects_that_lack_a_label_are_drawn_at_their_own_values(n):
    series = make_series(n=n)
    points = []
    for point in series.points:
        values = np.concatenate([point.values[DICE].values, np.full((n, 1), np.nan)], axis=1)
        values[:2, 1] = 0.1, 0.9
        two = replace(point.values[DICE], labels=("LV", "RV"), values=values, weights=1.0 - np.isnan(values))
        assert two.per_subject.max() > 1
        points.append(replace(point, values={DICE: two}))
    upper = draw(replace(series, points=tuple(points)), measures=[DICE]).axes[0]
    own = [np.nanmean(point.values[DICE].values, axis=1) for point in points]
    if n == 8:
        lines = [line.get_ydata() for line in upper.lines if line.get_alpha() == 0.3]
        assert np.array(lines) == pytest.approx(np.array(own).T)
    else:
        vertices = upper.collections[0].get_paths()[0].vertices
        at_first = vertices[np.isclose(vertices[:, 0], 0)][:, 1]
        assert (at_first.min(), at_first.max()) == pytest.approx(tuple(np.quantile(own[0], (0.25, 0.75))))
    # The means and their intervals stay those of the table.
    assert find_means(upper)[0].get_ydata() == pytest.approx([point.values[DICE].mean for point in points])
    assert "the labels that the subject has averaged" in caption(upper.figure)


def caption(figure):
    return " ".join(text.get_text() for text in figure.texts)


def test_the_change_is_against_the_reference_subject_by_subject():
    series, other = make_series(), {m: make_values(m, 0.02) for m in (DICE, HD95)}
    figure = draw(series, references={"CE": other})
    lower = figure.axes[1]
    differences = [point.values[DICE].values[:, 0] - other[DICE].values[:, 0] for point in series.points]
    container = find_means(lower)
    assert container[0].get_ydata() == pytest.approx([d.mean() for d in differences])
    intervals = [compute_interval(d) for d in differences]
    assert np.array(find_bars(container)) == pytest.approx(np.array([(i.low, i.high) for i in intervals]), abs=1e-9)
    assert lower.get_ylabel() == "minus CE"
    assert "differences to CE" in caption(figure)
    dashed = [line for line in figure.axes[0].lines if line.get_label() == "CE"]
    assert dashed[0].get_ydata()[0] == pytest.approx(other[DICE].mean)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CE"]


def test_without_a_reference_it_is_against_the_smallest_value():
    figure = draw(make_series())
    lower = figure.axes[1]
    assert lower.get_ylabel() == "change from 0"
    assert "differences to m = 0" in caption(figure)
    assert find_means(lower)[0].get_ydata()[0] == 0


def test_two_lines_have_no_lower_row_and_are_named():
    figure = draw(make_series("linear"), make_series("quadratic", step=0.02))
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["linear", "quadratic"]
    colours = {container[0].get_color() for container in figure.axes[0].containers}
    assert len(colours) == 2
    assert len(draw(make_series("a"), references={}).axes) == 4


def test_two_subjects_have_no_interval_and_the_caption_says_so():
    figure = draw(make_series(n=2))
    assert find_bars(find_means(figure.axes[0])) == []
    assert len(find_bars(find_means(draw(make_series()).axes[0]))) == 4
    assert "fewer than 3 have no interval" in caption(figure)
    assert "95% interval" not in caption(figure)


def test_few_subjects_of_two_lines_are_drawn_one_by_one():
    figure = draw(make_series("a", n=FEWEST_BANDED - 1), make_series("b", n=FEWEST_BANDED - 1))
    assert len([line for line in figure.axes[0].lines if line.get_alpha() == 0.3]) == 2 * (FEWEST_BANDED - 1)
    assert "Thin lines" in caption(figure)
    figure = draw(make_series("a", n=FEWEST_BANDED), make_series("b", n=FEWEST_BANDED))
    assert not [line for line in figure.axes[0].lines if line.get_alpha() == 0.3]
    assert "quartile" in caption(figure)


def test_the_caption_says_where_far_values_come_from():
    series = make_series()
    assert "missed" not in caption(draw(series))
    values = replace(series.points[0].values[HD95], n_missed=3, n_invented=1)
    points = (replace(series.points[0], values={**series.points[0].values, HD95: values}), *series.points[1:])
    assert "in HD95 the image diagonal: 4." in caption(draw(replace(series, points=points)))
    assert "diagonal" not in caption(draw(replace(series, points=points), measures=[DICE]))


def test_the_caption_says_what_a_region_is():
    ece = Measure(evaluation="default", metric="ece", region="foreground")
    points = [replace(point, values={ece: point.values[DICE]}) for point in make_series().points]
    figure = draw(TrendSeries(name="", points=tuple(points)), measures=[ece])
    assert "Regions: foreground = voxels where the reference is not background." in caption(figure)


def test_a_point_without_values_leaves_a_gap():
    series = make_series()
    series.points[1].values[DICE].values[:] = np.nan
    series.points[1].values[DICE].weights[:] = 0
    drawn = find_means(draw(series).axes[0])[0].get_ydata()
    assert np.isnan(drawn).tolist() == [False, True, False, False]


def test_scores_have_their_units_and_directions():
    figure = draw(make_series(), about="8 test subjects.")
    words = [text.get_text() for text in figure.texts]
    first = words.index("Dice")
    assert words[first : first + 4] == ["Dice", "higher is better", "HD95 (mm)", "lower is better"]
    assert "8 test subjects." in caption(figure)
    assert figure.axes[1].get_xlabel() == "m (loss.margin)"


def test_everything_is_on_the_page_and_apart():
    figure = draw(
        make_series(),
        measures=[DICE, HD95, DICE, HD95],
        references={"CE": {DICE: make_values(DICE), HD95: make_values(HD95)}},
    )
    figure.draw_without_rendering()
    page = figure.bbox
    for axes in figure.axes:
        words = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
        for word in (word for word in words if word.get_text()):
            box = word.get_window_extent()
            assert page.x0 <= box.x0
            assert box.x1 <= page.x1
            assert page.y0 <= box.y0
    numbers = [label.get_window_extent() for label in figure.axes[1].get_xticklabels() if label.get_text()]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(numbers))


def test_nothing_or_too_much_is_refused():
    with pytest.raises(RunError, match="at least two values"):
        draw(make_series(xs=(1.0,)))
    with pytest.raises(RunError, match="at most 3 lines"):
        draw(*[make_series(str(n)) for n in range(4)])
