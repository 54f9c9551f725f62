"""Sheets, files and the words that all figures share."""

from __future__ import annotations

import struct

import matplotlib
import pytest

from mlseg.checks import RunError
from mlseg.report.figure_style import DPI, MARGIN, format_count, save_figure, set_unit_ticks, start_sheet, styled


def read_png_size(path):
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_parts_lie_where_they_are_put():
    with styled():
        sheet = start_sheet(4.0, 2.0, title="t", caption="c")
        axes = sheet.add_axes(1.0, sheet.body + 0.5, 1.5, 0.75)
    width, height = sheet.figure.get_size_inches()
    box = axes.get_position()
    assert (width, height) == (4.0, pytest.approx(sheet.body + 2.0))
    assert box.x0 * width == pytest.approx(1.0)
    assert (1 - box.y1) * height == pytest.approx(sheet.body + 0.5)
    assert (box.width * width, box.height * height) == (pytest.approx(1.5), pytest.approx(0.75))


def test_titles_and_captions_stay_on_the_sheet():
    with styled():
        sheet = start_sheet(3.4, 1.0, title="acdc, unet, mbls; evaluation=default " * 3, caption="word " * 60)
        sheet.figure.draw_without_rendering()
    edges = [text.get_window_extent() for text in sheet.figure.texts]
    assert len(edges) > 8
    assert all(edge.x1 <= sheet.figure.bbox.x1 - MARGIN * DPI / 2 for edge in edges)
    assert not any(a.overlaps(b) for place, a in enumerate(edges) for b in edges[:place])


def test_the_file_is_whole_and_has_its_size(tmp_path):
    with styled():
        sheet = start_sheet(2.0, 1.0, title="phantom $5 mbls_m=5 ^{", caption="c")
    save_figure(sheet.figure, tmp_path / "f.png")
    assert read_png_size(tmp_path / "f.png") == tuple(int(DPI * side) for side in sheet.figure.get_size_inches())
    assert [path.name for path in tmp_path.iterdir()] == ["f.png"]
    with pytest.raises(RunError, match="cannot be written"):
        save_figure(sheet.figure, tmp_path / "missing" / "f.png")


def test_the_readers_own_settings_neither_reach_the_figure_nor_change():
    with matplotlib.rc_context({"axes.spines.top": True, "axes.facecolor": "red"}):
        with styled():
            axes = start_sheet(2.0, 1.0, title="t", caption="c").add_axes(0.5, 0.5, 1, 1)
            set_unit_ticks(axes)
        assert matplotlib.rcParams["axes.facecolor"] == "red"
    assert axes.get_facecolor() == (1, 1, 1, 1)
    assert not axes.spines["top"].get_visible()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.25", "0.5", "0.75", "1"]


def test_counts_are_readable():
    assert format_count(0, "case") == "0 cases"
    assert format_count(2_894_244, "voxel") == "2.9 million voxels"
