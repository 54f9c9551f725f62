"""Panels of one slice: what each kind paints, and how they are cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlseg.report.figure_case_panels import (
    CONFIDENCE,
    CONTOURS,
    PREDICTION,
    REFERENCE,
    REFERENCE_CONTOUR,
    frame_panel,
    list_classes,
    paint_panel,
)


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().add_axes((0, 0, 1, 1))


def read_colours(axes):
    from matplotlib.colors import to_hex

    return [to_hex(found.get_edgecolor()[0]).upper() for found in axes.collections]


@pytest.mark.parametrize(("kind", "colours"), [(CONTOURS, [REFERENCE, PREDICTION]), (REFERENCE_CONTOUR, [REFERENCE])])
def test_outlines_of_the_reference_alone_or_of_both(axes, make_view, kind, colours):
    paint_panel(axes, kind, make_view(), 2)
    assert read_colours(axes) == colours


def test_lines_are_thinner_in_a_small_panel(axes, make_view):
    paint_panel(axes, CONTOURS, make_view(), 2)
    usual = [found.get_linewidth()[0] for found in axes.collections]
    axes.clear()
    paint_panel(axes, CONTOURS, make_view(), 2, panel=0.7)
    small = [found.get_linewidth()[0] for found in axes.collections]
    assert usual == [1.5, 0.8]
    assert all(thin < wide for thin, wide in zip(small, usual, strict=True))


def test_confidence_that_is_not_known_leaves_its_panel_empty(axes, make_view):
    paint_panel(axes, CONFIDENCE, make_view(confidence=False), 2)
    assert not axes.images


def test_the_bar_has_a_round_length_of_at_most_a_third(axes):
    frame_panel(axes, (5.0, 0.0, 70.0), scale=True)
    assert [text.get_text() for text in axes.texts] == ["20 mm"]
    (line,) = axes.lines
    assert np.ptp(line.get_xdata()) == 20
    assert axes.get_xlim() == (5.0, 75.0)
    assert axes.get_ylim() == (70.0, 0.0)


def test_classes_are_named_and_the_background_is_not(make_view):
    view = replace(make_view(), prediction=np.full((12, 10), 2, np.uint8))
    assert [entry.name for entry in list_classes([view], ["background", "RV"])] == ["RV", "2"]
