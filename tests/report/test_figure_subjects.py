"""The dataset reliability histogram: each subject weighs the same, and few voxels say nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlseg.checks import RunError
from mlseg.report.figure_style import save_figure
from mlseg.report.figure_subjects import SubjectPanel, build_subject_reliability, count_cells


def make_panel(make_counts, accuracies, voxels=100, errors=(0.1, 0.3)):
    """Subjects whose voxels all have confidence 0.7, right so often."""
    parts = {}
    for place, accuracy in enumerate(accuracies):
        hits = np.arange(voxels) < round(accuracy * voxels)
        parts[f"p{place}"] = make_counts(np.full(voxels, 0.7), hits)
    return SubjectPanel(parts=parts, errors=list(errors))


def build(panel, **options):
    return build_subject_reliability({"": {"image": panel}}, title="t", bins=10, **options)


def read_texts(figure):
    return [text.get_text() for owner in (figure, *figure.axes) for text in owner.texts]


def test_cells_count_subjects():
    accuracy = np.array([[0.0, 1.0], [0.049, 0.95], [math.nan, 0.5]])
    cells = count_cells(accuracy)
    assert cells.shape == (2, 20)
    assert (cells[0, 0], cells[1, 19], cells[1, 10]) == (2, 2, 1)
    assert cells.sum() == 5


def test_few_subjects_are_drawn_one_by_one(make_counts):
    upper, lower = build(make_panel(make_counts, [0.2, 0.5, 0.9])).axes
    *subjects, _, median = upper.lines
    assert [line.get_ydata()[6] for line in subjects] == [0.2, 0.5, 0.9]
    assert median.get_ydata()[6] == 0.5
    assert np.isnan(np.delete(median.get_ydata(), 6)).all()
    assert [bar.get_height() for bar in lower.patches] == [0] * 6 + [3] + [0] * 3


def test_many_subjects_are_a_histogram(make_counts):
    figure = build(make_panel(make_counts, [0.2] * 4 + [0.52] * 8))
    upper, lower, _ = figure.axes
    mesh = upper.collections[0].get_array()
    assert mesh.shape == (20, 10)
    assert (mesh[4, 6], mesh[10, 6], mesh.count()) == (4, 8, 2)
    assert upper.lines[-1].get_ydata()[6] == 0.52
    assert lower.get_ylim() == (0, 12)
    assert "subjects in the cell" in read_texts(figure)


def test_bins_with_few_voxels_of_a_subject_do_not_count(make_counts):
    panel = make_panel(make_counts, [0.5, 0.5], voxels=24)
    _, lower = build(panel).axes
    assert max(bar.get_height() for bar in lower.patches) == 0
    _, lower = build(panel, min_voxels=24).axes
    assert max(bar.get_height() for bar in lower.patches) == 2


def test_a_median_of_less_than_half_the_subjects_is_hollow(make_counts):
    parts = make_panel(make_counts, [0.5] * 3).parts | {"p9": make_counts([0.3] * 50, [1] * 50)}
    upper, _ = build(SubjectPanel(parts=parts, errors=[])).axes
    faces = upper.collections[-1].get_facecolors()
    assert (faces[0] == 1).all()
    assert not (faces[1] == 1).all()


def test_headings_say_mean_spread_and_subjects(make_counts):
    texts = read_texts(build(make_panel(make_counts, [0.5, 0.5], errors=(0.1, 0.3, math.nan))))
    assert {"Image", "2 subjects", "ECE 0.200 ± 0.141"} <= set(texts)
    assert "ECE 0.100" in read_texts(build(make_panel(make_counts, [0.5], errors=(0.1,))))


def test_labels_have_a_row_each(make_counts, tmp_path, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 40)
    panel = make_panel(make_counts, [0.5, 0.7])
    rows = {label: {"image": panel, "roi": panel} for label in ("WT", "TC", "ET")}
    figure = build_subject_reliability(rows, title="t", bins=10)
    assert len(figure.axes) == 3 * 2 * 2
    assert {"WT", "TC", "ET"} <= set(read_texts(figure))
    save_figure(figure, tmp_path / "s.png")


def test_a_subject_without_voxels_is_no_subject(make_counts):
    panel = SubjectPanel(parts={"p1": make_counts([], []), "p2": make_counts([0.7] * 30, [1] * 30)}, errors=[0.3])
    assert "1 subject" in read_texts(build(panel))


def test_nothing_to_draw_is_refused():
    with pytest.raises(RunError, match="at least one region"):
        build_subject_reliability({}, title="t")
