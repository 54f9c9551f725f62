"""Places of the figures, and what fills them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from mlseg.report.html_gallery import Gallery
from mlseg.report.html_groups import group_sets
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def group(tmp_path, write_run):
    runs = [read_run(write_run(tmp_path / loss, loss=loss, subjects=2)) for loss in ("ce", "<mbls>")]
    (found,) = group_sets(group_runs(runs))
    return found


def test_one_kind_is_shown_at_a_time(group, tmp_path):
    for _, run in group.runs:
        (run.path / "figures").mkdir()
        for name in ("reliability", "cases"):
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(run.path / "figures" / f"{name}.png")
    gallery = Gallery(3, group, tmp_path / "page" / "report.html")
    text = gallery.draw_own()
    assert re.findall(r'<option value="(\w+)">', text) == ["reliability", "cases"]
    places = re.findall(r'data-source="([\w-]+)" data-kind="(\w+)" data-run="(\d)" hidden>', text)
    assert [place[1:] for place in places] == [
        ("reliability", "0"),
        ("cases", "0"),
        ("reliability", "1"),
        ("cases", "1"),
    ]
    assert [place[0] for place in places] == [name for name, _ in gallery.blocks] == [f"figure-3-{k}" for k in range(4)]
    assert '<a href="../ce/figures/cases.png">ce, seed 1</a>' in text
    assert "<mbls>" not in text


def test_what_is_not_there_is_said(group, tmp_path):
    gallery = Gallery(0, group, tmp_path / "report.html")
    assert "No run has a figure" in gallery.draw_own()
    assert "bins.npz" in gallery.draw_shared()
    assert gallery.blocks == []
