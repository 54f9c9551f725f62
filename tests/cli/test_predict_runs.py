"""Runs read back to predict with: their settings, and what several must agree in."""

from __future__ import annotations

import pytest

from mlseg.checks import ConfigError, DataError, RunError
from mlseg.cli.compose import compose_config
from mlseg.cli.predict_runs import join_settings, read_runs


def read(*words):
    return read_runs(compose_config(list(words), config_name="predict").cfg)


def test_what_was_typed_is_laid_over_the_runs_own(make_run):
    make_run("data.crop=[64,48]", "evaluation.batch_size=3", changes={"trainer.device": "cuda:3"})
    (one,) = read("run=run")
    assert (one.labels, one.channels, one.orientation) == (("background", "RV", "Myo", "LV"), ("MR",), "native")
    assert list(one.cfg.data.crop) == [64, 48]
    assert (one.cfg.evaluation.batch_size, one.cfg.evaluation.inference) == (3, "full")
    assert one.cfg.trainer.device == "auto"
    assert one.checkpoint.name == "best.pt"
    words = ("data.root=elsewhere", "evaluation.inference=window", "evaluation.batch_size=5", "device=cpu")
    (other,) = read("run=run", "checkpoint=last", "orientation=RAS", *words)
    assert (other.cfg.data.root, other.cfg.data.source.root) == ("elsewhere", "elsewhere")
    assert (other.cfg.evaluation.batch_size, other.cfg.evaluation.inference) == (5, "window")
    assert (other.cfg.trainer.device, other.orientation, other.checkpoint.name) == ("cpu", "RAS", "last.pt")


def test_the_data_sets_orientation_is_not_for_the_user(make_run):
    make_run("data.source.orientation=LPS")
    assert read("run=run")[0].orientation == "LPS"
    with pytest.raises(ConfigError, match="must be left out for run, which brings every scan to LPS itself, got RAS"):
        read("run=run", "orientation=RAS")


def test_several_runs_must_name_the_same_classes_and_channels(make_run):
    make_run(name="one")
    make_run(name="two")
    make_run(name="three", changes={"data.source.labels": ["background", "RV", "LV", "Myo"]})
    make_run(name="four", changes={"data.source.channels": ["CT"]})
    assert [run.run.path.name for run in read("run=[one,two]")] == ["one", "two"]
    for name, message in (
        ("three", "labels to be averaged, got .*Myo, LV of one and .*LV, Myo of three"),
        ("four", "channels to be averaged, got MR of one and CT of four"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(f"run=[one,two,{name}]")


def test_a_data_set_that_is_gone_is_needed_only_for_what_it_alone_knows(make_run, workplace):
    make_run("data=msd")
    assert read("run=run")[0].labels == ("background", "anterior", "posterior")
    (workplace / "data" / "raw" / "msd" / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"dataset.json: must exist, got no such file"):
        read("run=run")
    names = {"data.source.labels": ["background", "a", "b"], "data.source.channels": ["MRI", "CT"]}
    make_run("data=msd", name="whole", changes=names)
    (one,) = read("run=whole")
    assert (one.source, one.labels, one.channels) == (None, ("background", "a", "b"), ("MRI", "CT"))
    assert "dataset.json: must exist" in one.lacking


def test_a_run_without_weights(make_run, workplace):
    make_run()
    (workplace / "run" / "best.pt").unlink()
    with pytest.raises(RunError, match=r"run/best.pt: must be there"):
        read("run=run")


def test_settings_are_listed_run_by_run():
    assert join_settings([{"a": 1, "b": [2]}, {"a": 3, "b": []}], tta="none") == {
        "a": [1, 3],
        "b": [[2], []],
        "tta": "none",
    }
