"""The run's configuration below the words of a calibration."""

from __future__ import annotations

import pytest

from mlseg.checks import ConfigError
from mlseg.cli.calibrate_base import CONFIG, find_calibrate_base
from mlseg.cli.compose import compose_config, open_session


def compose(*words: str):
    with open_session("mlseg-calibrate"):
        return compose_config(words, config_name=find_calibrate_base(words)).cfg


def test_the_runs_settings_are_there_with_the_commands_own(make_run):
    make_run("loss=mbls", changes={"evaluation.default.bins": 25, "data.crop": [48, 48]})
    cfg = compose("run=run", "method=vector", "data.root=elsewhere")
    assert (cfg.run, cfg.method, cfg.region, cfg.part) == ("run", "vector", "image", "val")
    assert (cfg.evaluation.default.bins, list(cfg.data.crop)) == (25, [48, 48])
    assert cfg.data.source.root == "elsewhere"
    assert "loss" not in cfg
    assert "allow_seen_subjects" not in cfg


def test_without_a_run_it_is_the_commands_own_configuration(workplace):
    with open_session("mlseg-calibrate"):
        assert find_calibrate_base([]) == find_calibrate_base(["method=vector"]) == CONFIG


def test_the_run_keeps_its_settings(make_run):
    make_run()
    with open_session("mlseg-calibrate"):
        with pytest.raises(ConfigError, match="loss=ce: must be left to the run"):
            find_calibrate_base(["run=run", "loss=ce"])
        with pytest.raises(ConfigError, match=r"data.root=x: must be a setting of a run, got no run"):
            find_calibrate_base(["data.root=x"])
