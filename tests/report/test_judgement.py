"""The report of any judged folder: what is there is reported, and nothing of an earlier judgement stays."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.functional.bins_file import write_bins
from mlseg.functional.views_file import write_views
from mlseg.records import write_scores
from mlseg.report.judgement import Judgement, report_judgement

CALIBRATION = {"reliability.png", "reliability_classes.png", "reliability_subjects.png", "ece_bins.png"}


@pytest.fixture(autouse=True)
def coarse_figures(monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 20)


def make_judgement(**changes):
    fields = {"title": "nnU-Net on acdc", "about": "Predictions from elsewhere.", "protocols": ("default", "paper")}
    labels = ("background", "RV", "Myo", "LV")
    return Judgement(**{**fields, "labels": labels, "bins": {"default": 20}, "settings": {"bins": 20}, **changes})


def list_figures(folder):
    return {path.name for path in (folder / "figures").iterdir()}


def test_scores_alone_are_enough(make_scores, tmp_path, capsys):
    write_scores(tmp_path / "scores.csv", make_scores())
    report_judgement(tmp_path, make_judgement(), commands={"do more": "mlseg-score --more"})
    assert list_figures(tmp_path) == set()
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "Predictions from elsewhere." in summary
    assert "### Figures" not in summary
    assert "pooled" not in summary
    text = capsys.readouterr().out
    assert "evaluation=default (headline)" in text
    assert "20 equal bins" in " ".join(text.split())
    assert "mlseg-score --more" in text


def test_the_heading_says_whose_scores_they_are(make_scores, tmp_path, capsys):
    write_scores(tmp_path / "scores.csv", make_scores())
    report_judgement(tmp_path, make_judgement(heading="Validation scores"), commands={})
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("# Validation scores\n")
    shown = capsys.readouterr().out
    assert "Validation scores, evaluation=default (headline)" in shown
    assert "Test scores" not in shown


def test_what_is_known_is_drawn_and_named(make_scores, make_case, make_view, tmp_path, capsys):
    write_scores(tmp_path / "scores.csv", make_scores())
    cases = ("patient000_ED", "patient001_ES")
    regions = {("default", "image"): 0, ("default", "roi"): 1, ("paper", "foreground"): 2}
    bins = {(*key, "all", case): make_case(seed) for key, seed in regions.items() for case in cases}
    write_bins(tmp_path / "bins.npz", bins)
    write_views(tmp_path / "views.npz", [make_view(score.case_id) for score in make_scores()[::20]])
    report_judgement(tmp_path, make_judgement(), commands={})
    paper = {name.replace(".png", "_paper.png") for name in CALIBRATION}
    assert list_figures(tmp_path) == CALIBRATION | paper | {"cases.png"}
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    for name in CALIBRATION | {"cases.png"}:
        assert f"](figures/{name})\n" in summary
    assert "- [figures/ece_bins_paper.png](figures/ece_bins_paper.png): " in summary
    # The paper's authors did not pool.
    assert summary.count("Calibration pooled over all voxels") == 1
    assert "figures/cases.png" in capsys.readouterr().out


def test_figures_of_an_earlier_judgement_go_and_other_files_stay(make_scores, make_case, tmp_path):
    write_scores(tmp_path / "scores.csv", make_scores())
    write_bins(tmp_path / "bins.npz", {("default", "image", "all", "patient000_ED"): make_case()})
    report_judgement(tmp_path, make_judgement(), commands={})
    (tmp_path / "figures" / "mine.png").touch()
    assert list_figures(tmp_path) == CALIBRATION | {"mine.png"}
    (tmp_path / "bins.npz").unlink()
    report_judgement(tmp_path, make_judgement(), commands={})
    assert list_figures(tmp_path) == {"mine.png"}


def test_the_headline_has_the_short_names(make_scores, make_case, tmp_path):
    write_scores(tmp_path / "scores.csv", make_scores())
    bins = {(name, "foreground", "all", "patient000_ED"): make_case() for name in ("default", "paper")}
    write_bins(tmp_path / "bins.npz", bins)
    report_judgement(tmp_path, make_judgement(protocols=("paper", "default")), commands={})
    assert list_figures(tmp_path) == CALIBRATION | {name.replace(".png", "_default.png") for name in CALIBRATION}


def test_usual_bins_are_taken_where_nothing_is_said():
    judgement = make_judgement()
    assert (judgement.count_bins("default"), judgement.count_bins("paper")) == (20, 15)


def test_a_folder_without_scores_and_a_file_in_the_way_are_told(make_scores, tmp_path):
    with pytest.raises(RunError, match="must be a file of scores"):
        report_judgement(tmp_path, make_judgement(), commands={})
    write_scores(tmp_path / "scores.csv", make_scores())
    (tmp_path / "figures").touch()
    with pytest.raises(RunError, match="cannot be made"):
        report_judgement(tmp_path, make_judgement(), commands={})
