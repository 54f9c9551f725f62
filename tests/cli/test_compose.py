"""Where the configs are and what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException

import mlseg
from mlseg.checks import ConfigError
from mlseg.cli import compose as module
from mlseg.cli.compose import (
    OTHER_GROUPS,
    compose_choices,
    compose_config,
    find_config_dir,
    flatten,
    list_choices,
    list_groups,
    open_session,
    read_choice_keys,
    read_choices,
)


def test_the_configs_of_a_checkout(repo_root):
    assert find_config_dir() == repo_root / "configs"


def test_the_configs_inside_an_installed_package_come_first(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "mlseg"
    monkeypatch.setattr(mlseg, "__file__", str(package / "__init__.py"))
    with pytest.raises(ConfigError, match="Install mlseg again"):
        find_config_dir()
    for folder in (package.parent / "configs", package / "configs"):
        folder.mkdir(parents=True)
        (folder / "train.yaml").touch()
        assert find_config_dir() == folder


def test_a_composition_holds_configuration_choices_and_references(workplace):
    job = compose_config(["loss=mbls", "experiment=demo"])
    assert job.cfg.model.num_classes == 4
    assert job.tree["model"]["num_classes"] == "${data.num_classes}"
    assert job.choices == {
        "data": "phantom",
        "model": "unet",
        "loss": "mbls",
        "optimizer": "adam",
        "scheduler": "step",
        "augment": "none",
        "trainer": "default",
        "evaluation": "default",
        "experiment": "demo",
    }
    assert not job.multirun
    assert compose_config(["hydra.mode=MULTIRUN"]).multirun
    assert not GlobalHydra.instance().is_initialized()


def test_choices_compose_without_the_experiment():
    job = compose_choices({"data": "phantom", "loss": "mbls", "experiment": "demo"})
    assert (job.cfg.data.name, job.cfg.loss.margin, job.cfg.model.widths[0]) == ("phantom", 10, 32)


def test_choices_leave_out_hydras_own_and_the_empty_ones():
    assert read_choices({"loss": "ce", "experiment": None, "hydra/help": "default"}) == {"loss": "ce"}


def test_groups_and_choices_are_the_folders_and_files(repo_root):
    with open_session("mlseg-train"):
        folders = {path.name for path in (repo_root / "configs").iterdir() if path.is_dir()}
        assert set(OTHER_GROUPS) - {"hydra"} < folders
        assert set(list_groups()) == folders - set(OTHER_GROUPS)
        for group in list_groups():
            assert set(list_choices(group)) == {path.stem for path in (repo_root / "configs" / group).glob("*.yaml")}
        assert list_choices("xyzzy") == []


def test_the_settings_of_a_choice_include_those_it_inherits():
    acdc, phantom = read_choice_keys("data", "acdc"), read_choice_keys("data", "phantom")
    assert {"data.crop", "data.source.labels"} <= acdc
    assert phantom >= acdc
    assert "data.defaults" not in phantom
    assert read_choice_keys("data", "xyzzy") == set()


def test_a_session_with_configs_of_ones_own(tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("beta: 1\n")
    with open_session("mlseg-train", extra=tmp_path):
        assert {"mine", "ce"} <= set(list_choices("loss"))
        assert read_choice_keys("loss", "mine") == {"loss.beta"}
        assert compose_config(["loss=mine"]).cfg.loss.beta == 1
    with open_session("mlseg-train"):
        assert "mine" not in list_choices("loss")
        with pytest.raises(HydraException):
            compose_config(["loss=mine"])
    with pytest.raises(ConfigError, match="--config-dir: no such folder"), open_session("x", extra=Path("nowhere")):
        pass


def test_what_is_composed_twice_is_composed_once(monkeypatch):
    first = compose_config(["seed=4321"])
    monkeypatch.setattr(module, "compose", None)
    assert compose_config(["seed=4321"]) is first


@pytest.mark.parametrize(
    ("tree", "leaves"),
    [
        ({}, {}),
        ({"a": None, "b": {}, "c": []}, {"a": None, "b": {}, "c": []}),
        ({"a": {"b": {"c": 1}}, "d": [{"e": 2}]}, {"a.b.c": 1, "d": [{"e": 2}]}),
    ],
)
def test_flatten(tree, leaves):
    assert flatten(tree) == leaves
