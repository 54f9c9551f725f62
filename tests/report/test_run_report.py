"""The report of a run, from nothing but its own files."""

from __future__ import annotations

import pytest

from mlseg.checks import RunError
from mlseg.functional.bins_file import write_bins
from mlseg.records import read_json, write_json, write_scores
from mlseg.report.run_report import build_judgement, report_run


def write_run(run_dir, make_scores, make_counts):
    protocol = {"bins": 20, "tolerance_mm": 2.0, "boundary_mm": 4.0, "roi_margin_mm": 10.0}
    protocol |= {"labels": ["background", "RV", "Myo", "LV"]}
    config = {
        "data": {"name": "phantom"},
        "loss": {"_target_": "mlseg.losses.mbls.MbLSLoss"},
        "trainer": {"max_epochs": 6},
        "seed": 3,
        "evaluation": {"default": protocol, "paper": {}, "checkpoint_score": "dice"},
    }
    record = {
        "config": config,
        "protocols": ["default", "paper"],
        "choices": {"data": "phantom", "model": "unet", "loss": "mbls"},
        "can_grow": True,
        "best_epoch": 4,
        "history": [{}] * 6,
        "split": {"name": "random-0", "test": ["a", "b"]},
        "can_change_loss": True,
    }
    write_json(run_dir / "run.json", {**record, "overrides": ["experiment=demo", "loss.margin=5"]})
    write_scores(run_dir / "scores.csv", make_scores())
    counts = make_counts([0.6, 0.7, 0.99], [1, 0, 1])
    write_bins(
        run_dir / "bins.npz", {("default", "image", "all", "a"): counts, ("paper", "foreground", "all", "a"): counts}
    )


def test_a_run_gets_its_summary_and_its_figures(make_scores, make_counts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mlseg.report.figure_style.DPI", 20)
    write_run(tmp_path, make_scores, make_counts)
    report_run(tmp_path)
    made = {path.name for path in tmp_path.iterdir()} - {"run.json", "scores.csv", "bins.npz"}
    assert made == {"summary.md", "figures"}
    assert {"reliability.png", "ece_bins_paper.png"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    text = " ".join(capsys.readouterr().out.split())
    assert "evaluation=default (headline)" in text
    assert "20 equal bins" in text
    assert "within 4 mm" in text
    assert "tensorboard --logdir" in text
    assert "mlseg-train experiment=demo loss.margin=5 trainer.max_epochs=12" in text
    assert "mlseg-train experiment=demo loss.margin=3,5,8,10 -m" in text
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "within 4 mm" in summary
    assert "data phantom, model unet, loss mbls, seed 3; epoch 4 of 6 by dice; 2 test subjects" in summary
    # Confidences 0.6, 0.7, 0.99 in bins of their own, right, wrong, right: (0.4 + 0.7 + 0.01) / 3.
    assert "| image | 0.370 |" in summary


def test_the_record_says_what_was_judged(make_scores, make_counts, tmp_path):
    write_run(tmp_path, make_scores, make_counts)
    judgement = build_judgement(read_json(tmp_path / "run.json"), tmp_path)
    assert judgement.title == "phantom, unet, mbls"
    assert judgement.protocols == ("default", "paper")
    assert judgement.labels == ("background", "RV", "Myo", "LV")
    assert judgement.bins == {"default": 20, "paper": 15}
    assert judgement.settings == {"bins": 20, "tolerance_mm": 2.0, "boundary_mm": 4.0, "roi_margin_mm": 10.0}


def test_a_run_without_histograms_is_told_to_evaluate_again(make_scores, make_counts, tmp_path):
    write_run(tmp_path, make_scores, make_counts)
    (tmp_path / "bins.npz").unlink()
    with pytest.raises(RunError, match="Evaluate the run again"):
        report_run(tmp_path)
