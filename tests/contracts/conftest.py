"""The contract tests find the YAML files by themselves: a new loss or network is tested as soon as it has one.

A test that asks for `loss_name`, `model_name`, ... runs once for each configs/loss/*.yaml, configs/model/*.yaml, ...;
`config_file` is every YAML there is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
GROUPS = ("data", "model", "loss", "optimizer", "scheduler", "augment", "trainer", "evaluation", "experiment")


def find_stems(group: str) -> list[str]:
    stems = sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
    assert stems, f"no YAML in {CONFIGS / group}: the contract tests would test nothing"
    return stems


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for group in GROUPS:
        if f"{group}_name" in metafunc.fixturenames:
            metafunc.parametrize(f"{group}_name", find_stems(group))
    if "choice" in metafunc.fixturenames:
        metafunc.parametrize("choice", [f"{group}={stem}" for group in GROUPS for stem in find_stems(group)])
    if "config_file" in metafunc.fixturenames:
        files = sorted(CONFIGS.rglob("*.yaml"))
        assert len(files) > len(GROUPS), f"hardly any YAML in {CONFIGS}"
        metafunc.parametrize("config_file", files, ids=lambda path: path.relative_to(CONFIGS).as_posix())


@functools.cache
def compose_once(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base=None):
        return compose("train", overrides=list(overrides))


@pytest.fixture(scope="session")
def compose_run() -> Callable[..., DictConfig]:
    """`compose_run("loss=mbls", "data.dims=3")` composes configs/train.yaml as the command line does."""
    return compose_once
