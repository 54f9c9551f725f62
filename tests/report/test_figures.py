"""Which figures a protocol gets, and that they are drawn from the right histograms and cases."""

from __future__ import annotations

import pytest

from mlseg.functional.bins import compute_ece
from mlseg.functional.bins_file import BinsKey
from mlseg.report import figures
from mlseg.report.figure_style import start_sheet
from mlseg.report.figures import draw_calibration, draw_cases

NAMES = ["reliability.png", "reliability_classes.png", "reliability_subjects.png", "ece_bins.png"]
SUBJECTS = {"p1_ED": "p1", "p1_ES": "p1", "p2_ED": "p2"}
BUILDERS = ("build_reliability", "build_subject_reliability", "build_ece_bins", "build_cases")


@pytest.fixture
def drawn(monkeypatch):
    """What each builder was called with, in place of the figures, which cost time."""
    calls = {}

    def record(name):
        def build(content, **options):
            calls.setdefault(name, []).append((content, options))
            return start_sheet(1.0, 0.2, title="t", caption="c").figure

        monkeypatch.setattr(figures, name, build)

    for name in BUILDERS:
        record(name)
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 20)
    return calls


def make_bins(make_case, label="all", evaluation="default", classes=4):
    return {
        BinsKey(evaluation, region, label, case_id): make_case(seed, classes=classes)
        for seed, (region, case_id) in enumerate((r, c) for r in ("roi", "image") for c in SUBJECTS)
    }


def draw(folder, bins, **changes):
    options = {"evaluation": "default", "title": "acdc", "labels": ("background", "RV", "Myo", "LV"), **changes}
    return draw_calibration(folder, bins, subjects=SUBJECTS, **options)


def test_a_protocol_gets_its_four_figures(make_case, tmp_path, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 20)
    paths = draw(tmp_path, make_bins(make_case), suffix="_x")
    assert [path.name for path in paths] == [name.replace(".png", "_x.png") for name in NAMES]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)


def test_a_protocol_without_histograms_gets_none(make_case, tmp_path):
    assert draw(tmp_path, make_bins(make_case, evaluation="paper")) == []
    assert list(tmp_path.iterdir()) == []


def test_histograms_are_pooled_for_the_diagrams(make_case, tmp_path, drawn):
    bins = make_bins(make_case)
    draw(tmp_path, bins, count=20)
    (tops, options), (classes, _) = drawn["build_reliability"]
    assert (options["title"], options["bins"]) == ("acdc; evaluation=default", 20)
    assert options["n_cases"] == {"image": 3, "roi": 3}
    ((name, counts),) = [(row.name, row.counts) for row in tops]
    assert (name, list(counts)) == ("", ["image", "roi"])
    assert counts["image"].voxels == 1200
    assert [(row.name, row.row) for row in classes] == [("background", 1), ("RV", 2), ("Myo", 3), ("LV", 4)]


def test_subjects_and_not_cases_are_the_unit(make_case, tmp_path, drawn):
    bins = make_bins(make_case)
    draw(tmp_path, bins)
    ((rows, _),) = drawn["build_subject_reliability"]
    panel = rows[""]["image"]
    ece = {case: compute_ece(bins[BinsKey("default", "image", "all", case)]) for case in SUBJECTS}
    mean = (ece["p1_ED"] + ece["p1_ES"]) / 2
    assert panel.errors == [pytest.approx(mean), pytest.approx(ece["p2_ED"])]
    assert {subject: part.voxels for subject, part in panel.parts.items()} == {"p1": 800, "p2": 400}
    ((curves, options),) = drawn["build_ece_bins"]
    curve = curves["ECE", ""]["image"]
    assert curve.means[15] == pytest.approx((mean + ece["p2_ED"]) / 2)
    assert (curve.n, options["unit"]) == (2, "subject")
    assert list(curves) == [("ECE", ""), ("CECE", "")]


def test_the_paper_means_over_cases(make_case, tmp_path, drawn):
    bins = make_bins(make_case, evaluation="paper")
    draw(tmp_path, bins, evaluation="paper")
    ((curves, options),) = drawn["build_ece_bins"]
    ece = [compute_ece(bins[BinsKey("paper", "image", "all", case)]) for case in SUBJECTS]
    assert curves["ECE", ""]["image"].means[15] == pytest.approx(sum(ece) / 3)
    assert (curves["ECE", ""]["image"].n, options["unit"]) == (3, "case")


def test_the_protocols_own_number_of_bins_is_on_the_line(make_case, tmp_path, drawn):
    draw(tmp_path, make_bins(make_case), count=12)
    ((curves, _),) = drawn["build_ece_bins"]
    assert 12 in curves["ECE", ""]["image"].pooled


def test_merged_labels_are_rows_in_their_order(make_case, tmp_path, drawn):
    bins = {}
    for label in ("ET", "TC", "WT"):
        bins |= make_bins(make_case, label=label, evaluation="merged", classes=2)
    draw(tmp_path, bins, evaluation="merged", merged=["WT", "TC", "ET"])
    (tops, _), (classes, _) = drawn["build_reliability"]
    assert [(row.name, row.row) for row in tops] == [("WT", 0), ("TC", 0), ("ET", 0)]
    assert [(row.name, row.row) for row in classes] == [("WT", 2), ("TC", 2), ("ET", 2)]
    ((curves, _),) = drawn["build_ece_bins"]
    assert list(curves) == [("ECE", "WT"), ("ECE", "TC"), ("ECE", "ET"), ("CECE", "")]


def test_cases_are_chosen_by_their_mean_dice(make_score, make_view, tmp_path, drawn):
    dice = {"p1_ED": (0.9, 0.7), "p1_ES": (0.2, 0.4), "p2_ED": (0.6, float("nan"))}
    scores = [
        make_score(case_id=case_id, label=label, value=value)
        for case_id, values in dice.items()
        for label, value in zip(("RV", "LV"), values, strict=True)
    ]
    scores += [make_score(case_id="p1_ED", evaluation="paper", value=0.0)]
    scores += [
        make_score(case_id="p1_ED", label="all", region=region, metric="ece", value=value)
        for region, value in (("image", 0.01), ("foreground", 0.2), ("roi", 0.1))
    ]
    views = {case_id: make_view(case_id) for case_id in dice}
    paths = draw_cases(tmp_path, views, scores, evaluation="default", title="acdc", labels=("background", "RV"))
    assert [path.name for path in paths] == ["cases.png"]
    ((rows, _),) = drawn["build_cases"]
    assert [row.heading for row in rows] == ["Best: p1_ED", "Median: p2_ED", "Worst: p1_ES"]
    assert rows[0].details == "Dice 0.800; ECE 0.010 (image), 0.200 (foreground); slice 5"
    assert rows[2].details == "Dice 0.300; slice 5"


def test_without_views_there_is_no_figure_of_cases(make_score, make_view, tmp_path, drawn):
    options = {"evaluation": "default", "title": "acdc", "labels": ("background", "RV")}
    assert draw_cases(tmp_path, {}, [make_score()], **options) == []
    assert draw_cases(tmp_path, {"other": make_view("other")}, [make_score()], **options) == []
    assert list(tmp_path.iterdir()) == []
