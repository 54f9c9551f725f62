"""Axes of a setting's values."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.report.figure_axis import choose_labels, set_limits, set_values


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def test_values_stand_where_they_are(axes):
    set_values(axes, [20, 0, 3, 5, 8, 10, 15, 3], width=1.3)
    assert axes.get_xticks().tolist() == [0, 3, 5, 8, 10, 15, 20]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "3", "5", "8", "10", "15", "20"]
    assert axes.get_xscale() == "linear"
    assert axes.get_xlim()[0] < 0
    assert axes.get_xlim()[1] > 20


def test_powers_of_ten_have_a_logarithmic_axis(axes):
    set_values(axes, [1e-4, 1e-3, 1e-2], width=1.3)
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.0001", "0.001", "0.01"]
    low, high = axes.get_xlim()
    assert 0 < low < 1e-4
    assert high > 1e-2


def test_names_can_be_left_out(axes):
    set_values(axes, [1, 2], width=1.3, named=False)
    assert {label.get_text() for label in axes.get_xticklabels()} == {""}


def test_labels_leave_each_other_room():
    names = [str(n) for n in range(100, 140)]
    places = list(np.linspace(0, 1.3, 40))
    shown = [place for place, name in zip(places, choose_labels(names, places), strict=True) if name]
    assert (shown[0], shown[-1]) == (places[0], places[-1])
    assert min(np.diff(shown)) > 0.18
    assert len(shown) > 4


def test_far_subjects_are_counted_not_shown(axes):
    subjects = np.array([*np.linspace(4, 6, 18), 410.0, np.nan, 400.0])
    set_limits(axes, [4.5, 5.5, float("nan")], subjects)
    low, high = axes.get_ylim()
    assert low < 4
    assert 6 < high < 20
    assert axes.texts[0].get_text() == "2 subject values outside"


def test_means_and_near_subjects_are_always_seen(axes):
    set_limits(axes, [4.5, 30.0], np.linspace(4, 6, 18))
    low, high = axes.get_ylim()
    assert low < 4
    assert high > 30
    assert not axes.texts


def test_equal_values_have_a_range(axes):
    set_limits(axes, [0.5], np.array([0.5, 0.5]))
    assert axes.get_ylim() == (0.49, 0.51)
    set_limits(axes, [float("nan")], np.array([]))
    assert axes.get_ylim() == (0.49, 0.51)
