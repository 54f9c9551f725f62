"""Composition with Hydra: where the configs are, which choices there are, and what a list of overrides gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

import mlseg
from mlseg.checks import ConfigError

HYDRA_VERSION = "1.3"


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What a list of overrides composes to; shared by all who ask for it, so not to be changed.

    Args:
        cfg: the configuration without Hydra's own part.
        choices: the choice of each group, e.g. {"loss": "mbls"}; groups without one are left out.
        tree: `cfg` as plain dicts, interpolations as they are written.
        multirun: True if the configuration itself asks for a sweep.
        groups: the groups that have a place in it, chosen from or left empty.
        sweeper: Hydra's settings of the sweep, as they are written.
    """

    cfg: DictConfig
    choices: dict[str, str]
    tree: dict[str, Any]
    multirun: bool
    groups: tuple[str, ...]
    sweeper: Mapping[str, Any]


def find_config_dir() -> Path:
    """The folder of configs: inside an installed mlseg, or beside it in a checkout.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(mlseg.__file__).resolve().parent
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / "train.yaml").is_file():
            return folder
    raise ConfigError(f"mlseg: needs its folder of configs, found none in {package.parent}. Install mlseg again.")


# Folders of configs that no command line of a run takes choices from.
OTHER_GROUPS = ("hydra", "table", "profile")


@contextmanager
def open_session(prog: str, *, extra: Path | None = None) -> Iterator[Hydra]:
    """Hydra with our configs, and those in `extra` behind them, as the process's only one.

    Raises:
        ConfigError: `extra` is not a folder.
    """
    version.setbase(HYDRA_VERSION)
    search_path = create_config_search_path(str(find_config_dir()))
    if extra is not None:
        if not extra.is_dir():
            raise ConfigError(
                f"--config-dir: no such folder '{extra}'. Give the folder that holds your loss/, model/, ..."
            )
        where = SearchPathQuery(provider="schema", path=None)
        search_path.prepend("command-line", f"file://{extra.resolve()}", anchor=where)
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2(task_name=prog, config_search_path=search_path)
    finally:
        GlobalHydra.instance().clear()


def compose_config(overrides: Sequence[str], *, config_name: str = "train") -> Composition:
    """Compose one configuration, in the running session or, without one, in a session of its own.

    Raises:
        hydra.errors.HydraException: the overrides do not compose.
    """
    return _compose(tuple(overrides), config_name, tuple(config_dirs()))


def compose_choices(choices: Mapping[str, str], *, config_name: str = "train") -> Composition:
    """The composition of choices alone: no experiment, no values.

    Args:
        choices: group -> choice; groups without a part of their own in the configuration (experiment) are passed over.
    """
    parts = compose_config([], config_name=config_name).tree
    words = [f"{group}={choice}" for group, choice in sorted(choices.items()) if group in parts]
    return compose_config(words, config_name=config_name)


@lru_cache(maxsize=256)
def _compose(overrides: tuple[str, ...], config_name: str, dirs: tuple[Path, ...]) -> Composition:
    del dirs  # a part of the key only: the same words mean something else with other configs
    running = GlobalHydra.instance().is_initialized()
    with nullcontext() if running else initialize_config_dir(str(find_config_dir()), version_base=HYDRA_VERSION):
        cfg = compose(config_name, list(overrides), return_hydra_config=True)
    choices, mode = read_choices(cfg.hydra.runtime.choices), cfg.hydra.mode
    groups = tuple(str(group) for group in cfg.hydra.runtime.choices if not str(group).startswith("hydra/"))
    sweeper: Any = OmegaConf.to_container(cfg.hydra.sweeper, resolve=False)
    with open_dict(cfg):
        del cfg["hydra"]
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    multirun = mode == RunMode.MULTIRUN
    parts: dict[str, Any] = {"cfg": cfg, "choices": choices, "tree": tree}
    return Composition(**parts, multirun=multirun, groups=groups, sweeper=sweeper)


def read_choices(choices: Mapping[str, Any]) -> dict[str, str]:
    """Hydra's record of the choices without its own groups and those left empty."""
    return {str(k): str(v) for k, v in choices.items() if v is not None and not str(k).startswith("hydra/")}


def config_dirs() -> list[Path]:
    """The folders that the running session composes from; without one, ours."""
    if not GlobalHydra.instance().is_initialized():
        return [find_config_dir()]
    search_path = GlobalHydra.instance().config_loader().get_search_path().get_path()
    return [Path(str(e.path).removeprefix("file://")) for e in search_path if e.provider in ("main", "command-line")]


def list_groups() -> list[str]:
    """The groups of the session, Hydra's own and those of mlseg-tables left out."""
    groups: list[str] = GlobalHydra.instance().config_loader().list_groups("")
    return [group for group in groups if group not in OTHER_GROUPS]


def list_choices(group: str) -> list[str]:
    """What can be written after `group=`; empty for a word that is no group."""
    return list(GlobalHydra.instance().config_loader().get_group_options(group, ObjectType.CONFIG))


def read_choice_keys(group: str, choice: str) -> set[str]:
    """The settings of one choice, e.g. {"loss.margin", "loss.alpha"}, read from its YAML without composing."""
    for folder in config_dirs():
        path = folder / group / f"{choice}.yaml"
        if path.is_file():
            tree = read_yaml(path)
            parents = [entry for entry in tree.pop("defaults", []) if isinstance(entry, str) and entry != "_self_"]
            inherited = [read_choice_keys(group, parent) for parent in parents]
            return set(flatten(tree, prefix=group)).union(*inherited)
    return set()


def read_yaml(path: Path) -> dict[str, Any]:
    """One file of the configs as plain dicts, references as they are written.

    Raises:
        ConfigError: it is no mapping, or not even text; what is no YAML is an error of yaml's.
    """
    try:
        tree = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: must be a YAML file, got {error}. Restore it.") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: must hold keys with values, got {type(tree).__name__}. Restore it.")
    return tree  # type: ignore[return-value]


def flatten(tree: dict[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Leaves by dotted key; lists and empty dicts are leaves.

    Example:
        >>> flatten({"a": {"b": 1, "c": [2, 3]}})
        {'a.b': 1, 'a.c': [2, 3]}
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        leaves.update(flatten(value, prefix=name) if isinstance(value, dict) and value else {name: value})
    return leaves
