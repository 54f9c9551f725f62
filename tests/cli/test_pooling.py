"""A cross-validation in one sweep ends in one report over all its subjects."""

from __future__ import annotations

import json
from pathlib import Path

from mlseg.cli.app import App, run_command
from mlseg.cli.pooling import pool_folds
from mlseg.cli.train import train
from mlseg.data.phantom import write_phantom_acdc
from mlseg.records import read_scores

SMALL = (
    "data=phantom loss=mbls model.widths=[4,8] model.strides=[2] data.crop=[32,32] data.workers=1 trainer.amp=off "
    "trainer.max_epochs=1 trainer.image_every=0 evaluation.protocols=[default] evaluation.checkpoint_score=last "
    "data.split=kfold data.folds=2 data.split_fractions=[1.0,0.0,0.0]"
)


def test_the_folds_of_a_sweep_are_reported_together(tmp_path: Path, capsys) -> None:
    root = write_phantom_acdc(tmp_path / "phantom", subjects=4, shape=(3, 40, 36))
    places = [f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}", f"output_root={tmp_path / 'outputs'}"]
    words = SMALL.replace("[1.0,0.0,0.0]", "[0.5,0.25,0.25]").split()
    app = App(task=train, config_name="train", prog="mlseg-train", after_sweep=pool_folds)
    assert run_command(app, ["-m", *words, *places, "data.fold=0,1"]) == 0
    (pooled,) = (tmp_path / "outputs").rglob("*+pooled/seed1")
    runs = [Path(run) for run in json.loads((pooled / "pooled.json").read_text())["runs"]]
    assert len(runs) == 2
    tested = [{row.subject_id for row in read_scores(run / "scores.csv")} for run in runs]
    assert not tested[0] & tested[1]
    rows = read_scores(pooled / "scores.csv")
    assert {row.subject_id for row in rows} == {"patient001", "patient002", "patient003", "patient004"}
    assert len(rows) == sum(len(read_scores(run / "scores.csv")) for run in runs)
    assert "2 runs together, 4 subjects" in (pooled / "summary.md").read_text()
    assert (pooled / "figures" / "reliability.png").is_file()
    assert "Test scores of all runs together" in capsys.readouterr().out


def test_one_fold_or_no_cross_validation_is_left_alone(tmp_path: Path) -> None:
    root = write_phantom_acdc(tmp_path / "phantom", subjects=4, shape=(3, 40, 36))
    places = [f"data.root={root}", f"output_root={tmp_path / 'outputs'}"]
    done: list[str] = []
    app = App(
        task=lambda cfg, info: done.append(cfg.data.split) or 0,
        config_name="train",
        prog="mlseg-train",
        after_sweep=pool_folds,
    )
    assert run_command(app, ["-m", "data=phantom", *places, "data.split=kfold", "loss=ce,mbls"]) == 0
    assert run_command(app, ["-m", "data=phantom", *places, "data.split=random", "data.split_seed=1,2"]) == 0
    assert done == ["kfold", "kfold", "random", "random"]
    assert not (tmp_path / "outputs").exists() or not list((tmp_path / "outputs").rglob("*+pooled"))
