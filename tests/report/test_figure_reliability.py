"""Reliability diagrams: the file, its size, and that what is drawn is what was counted."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.functional.bins import compute_ece
from mlseg.report.figures import DPI, HEIGHT, PANEL_WIDTH, build_reliability, draw_reliability


def read_png_size(path):
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def make_typical(make_counts, seed=0, n=2000):
    generator = np.random.default_rng(seed)
    confidence = 0.5 + 0.5 * generator.beta(3, 0.4, n)
    return make_counts(confidence, generator.random(n) < confidence**2)


def test_the_file_is_whole_and_has_its_size(make_counts, tmp_path):
    bins = {region: make_typical(make_counts) for region in ("image", "foreground", "boundary", "roi")}
    draw_reliability(bins, tmp_path / "reliability.png", title="phantom $5 mbls_m=5")
    width, height = read_png_size(tmp_path / "reliability.png")
    assert width == round((3 * PANEL_WIDTH + 0.3) * DPI)
    assert height == round(HEIGHT * DPI)
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.png"]


@pytest.mark.parametrize("bins", [15, 50])
def test_headings_say_the_pooled_ece_and_what_it_rests_on(make_counts, bins):
    counts = {"image": make_typical(make_counts, 1), "boundary": make_typical(make_counts, 2, n=1500)}
    figure = build_reliability(counts, title="t", bins=bins, n_cases={"image": 12, "boundary": 1})
    image, _, boundary, _ = figure.axes
    assert image.get_title(loc="left") == f"Image: ECE {compute_ece(counts['image'], bins):.3f}"
    assert boundary.get_title(loc="left") == f"Boundary: ECE {compute_ece(counts['boundary'], bins):.3f}"
    texts = [text.get_text() for axes in (image, boundary) for text in axes.texts]
    assert "pooled over 12 cases, 2,000 voxels" in texts
    assert "pooled over 1 case, 1,500 voxels" in texts


def test_dots_bars_and_strip_are_the_counts(make_counts):
    # Two bins: 3 voxels at 0.5 with 1 right, 1 voxel at 0.9 that is right.
    figure = build_reliability({"image": make_counts([0.5, 0.5, 0.5, 0.9], [1, 0, 0, 1])}, title="t")
    upper, lower = figure.axes
    bars, dots = upper.collections
    np.testing.assert_allclose(dots.get_offsets(), [[0.5, 1 / 3], [0.9, 1.0]], atol=1e-6)
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0.5, 1 / 3], [0.9, 1.0]], atol=1e-6)
    heights = {round(bar.get_x(), 3): bar.get_height() for bar in lower.patches if bar.get_height() > 0}
    assert heights == {round(7 / 15, 3): 75.0, round(13 / 15, 3): 25.0}


@pytest.mark.parametrize(
    ("confidence", "hit"),
    [([], []), ([1.0], [1]), ([0.0], [0]), ([0.999] * 50, [1] * 50), ([0.3, 0.9, 0.95], [0, 1, 0])],
    ids=["nothing", "one voxel", "no confidence", "one bin", "few voxels"],
)
def test_extremes_are_drawn_without_a_warning(make_counts, tmp_path, confidence, hit):
    draw_reliability({"image": make_counts(confidence, hit)}, tmp_path / "r.png", title="A long title " * 5)
    assert read_png_size(tmp_path / "r.png")[1] == round(HEIGHT * DPI)


def test_other_regions_are_drawn_if_there_are_no_usual_ones(make_counts):
    figure = build_reliability({"WT": make_typical(make_counts), "ET": make_typical(make_counts)}, title="t")
    assert len(figure.axes) == 4


def test_nothing_to_draw_and_wrong_bins_are_refused(make_counts, tmp_path):
    with pytest.raises(RunError, match="at least one region"):
        draw_reliability({}, tmp_path / "r.png", title="t")
    with pytest.raises(ConfigError, match="must divide 300"):
        draw_reliability({"image": make_typical(make_counts)}, tmp_path / "r.png", title="t", bins=7)
    assert list(tmp_path.iterdir()) == []
