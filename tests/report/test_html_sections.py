"""A group of runs as the page holds it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlseg.functional.views_file import write_views
from mlseg.report.html_groups import group_sets
from mlseg.report.html_sections import build_section
from mlseg.report.run_set import group_runs, read_run


@pytest.fixture
def build(tmp_path, write_run, make_view):
    def call(*kinds, seeds=(1,)):
        runs = []
        for place, options in enumerate(kinds):
            for seed in seeds:
                path = write_run(tmp_path / f"{place}-{seed}", seed=seed, subjects=3, **options)
                write_views(path / "views.npz", [make_view("p01_ES")])
                runs.append(read_run(path))
        (group,) = group_sets(group_runs(runs))
        return build_section(0, group, tmp_path / "report.html")

    return call


def list_options(section, name):
    (select,) = re.findall(rf'<select name="{name}">(.*?)</select>', section.html) or [""]
    return re.findall(r'value="([^"]*)"', select)


def test_its_parts(build):
    section = build({}, {"loss": "mbls"})
    assert [title for _, title in section.anchors] == [
        *("Scores", "Differences", "Cases", "Reliability", "Figures of each run", "Settings that differ", "Runs"),
        "What the scores mean",
    ]
    assert section.title == "acdc, 3 test subjects"
    assert "6 cases, split random-0; 2 runs of 2 configurations." in section.html


def test_one_run_has_nothing_to_compare(build):
    section = build({})
    assert "Differences" not in [title for _, title in section.anchors]
    assert "1 run of 1 configuration." in section.html


def test_only_what_varies_can_be_filtered_by(build):
    section = build({}, {"loss": "mbls"})
    assert list_options(section, "loss") == ["", "ce", "mbls"]
    assert list_options(section, "model") == list_options(section, "seed") == []
    assert list_options(build({"settings": {"a": 1}}, seeds=(5, 7)), "seed") == ["", "5", "7"]


def test_both_protocols_are_there_and_the_headline_is_shown(build):
    section = build({}, {"loss": "mbls"})
    assert 'data-evaluation="default"' in section.html
    assert re.findall(r'name="protocol-0" value="(\w+)"', section.html) == ["default", "paper"]
    assert section.html.count('<div class="for-paper">') == section.html.count('<div class="for-default">') == 3


def test_one_set_is_the_base_at_first(build):
    section = build({}, {"loss": "mbls"}, {"loss": "ls"})
    shown = re.findall(r'<div data-base="(\d)"( hidden)?>', section.html)
    assert shown == [("0", ""), ("1", " hidden"), ("2", " hidden")] * 2


def test_what_the_script_knows(build):
    section = build({}, {"loss": "mbls"}, seeds=(1, 2))
    runs, cases = section.data["runs"], section.data["cases"]
    assert [(run["set"], run["seed"], run["loss"], run["model"]) for run in runs] == [
        *(("ce", 1, "ce", "unet"), ("ce", 2, "ce", "unet")),
        *(("mbls", 1, "mbls", "unet"), ("mbls", 2, "mbls", "unet")),
    ]
    # The labels average to the value in the table, protocol by protocol.
    for evaluation in ("default", "paper"):
        (row,) = re.findall(r'<tr data-run="1" data-case="3">.*?</tr>', section.html)
        (shown, *_) = re.findall(rf'<td class="number for-{evaluation}">(.*?)</td>', row)
        labels = re.fullmatch(r"RV (0\.\d+), LV (0\.\d+)", runs[1]["dice"][evaluation][3]).groups()
        assert sum(map(float, labels)) / 2 == pytest.approx(float(shown), abs=1.1e-3)
    assert runs[1]["dice"]["default"] != runs[1]["dice"]["paper"]
    assert cases[3]["search"] == "p01_es p01 es "
    assert cases[3]["runs"] == {"0": 2, "1": 2, "2": 2, "3": 2}
    assert section.data["seeds"]
    assert [name for name, _ in section.blocks] == ["planes-0-3"]


def test_a_run_with_another_slice_is_named_beside_the_slices(build, make_view, tmp_path, write_run):
    assert "Left out of the slices" not in build({}, {"loss": "mbls"}).html
    runs = []
    for seed, view in ((1, make_view("p01_ES")), (2, replace(make_view("p01_ES"), slice_index=6))):
        path = write_run(tmp_path / f"other-{seed}", seed=seed, subjects=3)
        write_views(path / "views.npz", [view])
        runs.append(read_run(path))
    (group,) = group_sets(group_runs(runs))
    section = build_section(0, group, tmp_path / "report.html")
    assert re.search(
        r"differs from that of the first run that has the case: [^:]*, seed 2 \(1 case\)\.</p>", section.html
    )
    assert section.data["cases"][3]["differing"] == [1]
