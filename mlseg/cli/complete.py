"""What a configuration leaves to the data set itself: the channels, classes and names that its dataset.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import MlsegError
from mlseg.data.dataset_json import DatasetDescription, describe_dataset

# Null in data=msd and data=nnunet.
FILLED = ("data.name", "data.in_channels", "data.num_classes", "data.source.labels", "data.source.channels")


def complete_config(cfg: DictConfig) -> DictConfig:
    """The configuration with what it leaves to the data set, as a copy; unchanged if it leaves nothing.

    What cannot be read stays null, and `find_dataset_problem` says why.
    """
    missing = find_missing(cfg)
    if not missing:
        return cfg
    try:
        found = _describe(OmegaConf.to_container(cfg.data, resolve=True))  # type: ignore[arg-type]
    except MlsegError:
        return cfg
    values: dict[str, Any] = {
        "data.name": found.name,
        "data.in_channels": len(found.channels),
        "data.num_classes": len(found.labels),
        "data.source.labels": list(found.labels),
        "data.source.channels": list(found.channels),
    }
    completed = cfg.copy()
    for key in missing:
        OmegaConf.update(completed, key, values[key])
    return completed


def find_missing(cfg: DictConfig) -> list[str]:
    """The keys of FILLED that are there and null."""
    absent = object()
    return [key for key in FILLED if OmegaConf.select(cfg, key, default=absent, throw_on_missing=False) is None]


def find_dataset_problem(data: Mapping[str, Any]) -> str | None:
    """Why the classes and channels of a data set are not known, or None if they are.

    Args:
        data: the resolved part `data` of a configuration.
    """
    if data.get("num_classes") is not None and data.get("in_channels") is not None:
        return None
    try:
        _describe(data)
    except MlsegError as error:
        return str(error)
    return None


def _describe(data: Mapping[str, Any]) -> DatasetDescription:
    source = data.get("source") or {}
    return describe_dataset(str(data.get("root")), labels=source.get("labels"), channels=source.get("channels"))
