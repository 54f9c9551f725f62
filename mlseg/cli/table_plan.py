"""Which runs a paper's table needs, where they live and which of them are done; nothing heavy is imported for that."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import OverrideType
from omegaconf import OmegaConf

from mlseg.checks import ConfigError, RunError
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import Composition, compose_choices, compose_config, find_config_dir, flatten, read_yaml
from mlseg.cli.done_runs import is_complete
from mlseg.cli.naming import claim, run_directory
from mlseg.cli.suggest import parse_word, suggest
from mlseg.engine.run_directory import RunDirectory
from mlseg.records import read_json

TABLES, PROFILES = "table", "profile"
PHANTOMS = "phantom_quick"


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """The runs of one method on one data set.

    Args:
        data, row: where it stands.
        words: what is typed to train them, without the seed.
        runs: seed -> run directory.
        missing: seeds that are not done.
        reason: why they are not to be trained; "" if they are.
    """

    data: str
    row: str
    words: tuple[str, ...]
    runs: Mapping[int, Path] = field(default_factory=dict)
    missing: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """A table and its runs.

    Args:
        name: of the table.
        profile: its name.
        table, settings: the two YAML files.
        cells: (data, row) -> runs.
    """

    name: str
    profile: str
    table: Mapping[str, Any]
    settings: Mapping[str, Any]
    cells: Mapping[tuple[str, str], PlannedCell]


def list_names(group: str) -> list[str]:
    """The tables, or the profiles, in alphabetical order."""
    return sorted(path.stem for path in (find_config_dir() / group).glob("*.yaml"))


def read_named(group: str, name: str) -> dict[str, Any]:
    """One YAML of configs/table or configs/profile. Raises ConfigError if there is none of that name."""
    known = list_names(group)
    if name not in known:
        raise ConfigError(f"{group}: must be one of {', '.join(known)}, got {name!r}.{suggest(name, known)}")
    return read_yaml(find_config_dir() / group / f"{name}.yaml")


def plan_table(
    name: str,
    profile: str,
    *,
    data: Sequence[str] = (),
    seeds: Sequence[int] = (),
    extra: Sequence[str] = (),
) -> TablePlan:
    """Find the runs of a table; to be called in an open session.

    Args:
        name: of the table.
        profile: its name.
        data: the data sets to train on; none means those of the table.
        seeds: others than the profile's.
        extra: settings that every run gets.

    Raises:
        ConfigError: no such table, profile or data set.
        RunError: a run directory belongs to another configuration.
    """
    table, settings = read_named(TABLES, name), read_named(PROFILES, profile)
    sets = settings["tables"].get(name, table["data"])
    unknown = [one for one in data if one not in _list_all_data()]
    if unknown:
        known = _list_all_data()
        raise ConfigError(f"data: must be some of {', '.join(known)}, got {unknown[0]!r}.{suggest(unknown[0], known)}")
    cells = {}
    for one in sets:
        for row, own in table["rows"].items():
            words = build_words(one, [*table["words"], *own], settings, extra)
            reason = "" if not data or one in data else "not asked for"
            cells[one, row] = _plan_cell(one, row, words, settings, seeds=seeds or settings["seeds"], reason=reason)
    return TablePlan(name=name, profile=profile, table=table, settings=settings, cells=cells)


def build_words(data: str, own: Sequence[str], settings: Mapping[str, Any], extra: Sequence[str]) -> tuple[str, ...]:
    """What is typed for one cell; of a setting that is given several times the last counts.

    The order is: the profile's, the data set's, the network's, what was chosen for the loss, the row's own, `extra`.
    """
    choices = dict(word.split("=", 1) for word in own if word.startswith(("model=", "loss=")))
    model, loss = choices.get("model", "unet"), choices.get("loss", "ce")
    words = [f"data={data}", *_place(data, settings), *settings["words"], *settings["data"].get(data, [])]
    words += [*settings["model"].get(model, []), *settings["chosen"].get(f"{data}/{loss}", []), *own, *extra]
    weights = os.environ.get("MLSEG_WEIGHTS", "data/weights")
    last = {word.partition("=")[0]: word.replace("{weights}", weights) for word in words}
    # Choices first, then what is set within them.
    return tuple(last[key] for key in sorted(last, key=lambda key: "." in key))


def compose_words(words: Sequence[str]) -> Composition:
    """What `compose_config` gives, quicker for many cells: Hydra composes the choices, which cells share, once.

    Args:
        words: choices and values; where one is neither (an experiment, +key, ~key), Hydra composes all of them.
    """
    standard = compose_config(()).choices
    parsed = [parse_word(word) for word in words]
    chosen = {one.key_or_group: str(one.value()) for one in parsed if one.key_or_group in standard}
    values = [one for one in parsed if one.key_or_group not in standard]
    base = compose_choices({**standard, **chosen})
    cfg = base.cfg.copy()
    keys = flatten(base.tree)
    plain = all(one.type == OverrideType.CHANGE and not one.is_sweep_override() for one in parsed)
    if not plain or not all(one.key_or_group in keys for one in values):
        return compose_config(words)
    for one in values:
        OmegaConf.update(cfg, one.key_or_group, one.value())
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    return replace(base, cfg=cfg, tree=tree)  # type: ignore[arg-type]


def find_phantom(data: str, settings: Mapping[str, Any]) -> Path | None:
    """Where the phantom lies that stands in for a data set; None if the profile has none."""
    if data not in settings["phantoms"]:
        return None
    return Path(os.environ.get("MLSEG_DATA", "data/raw")) / PHANTOMS / data


def _plan_cell(
    data: str, row: str, words: tuple[str, ...], settings: Mapping[str, Any], *, seeds: Sequence[int], reason: str
) -> PlannedCell:
    job = compose_words(words)
    model = job.choices["model"]
    if model in settings["without"]:
        return PlannedCell(data=data, row=row, words=words, reason=str(settings["without"][model]))
    cfg = complete_config(job.cfg.copy())
    runs, missing = {}, []
    for seed in seeds:
        cfg.seed = seed
        runs[seed] = run_directory(cfg, job.choices)
        if is_complete(RunDirectory(runs[seed]), cfg.trainer.max_epochs):
            _check_claim(runs[seed], claim(cfg))
        else:
            missing.append(seed)
    weights = cfg.model.get("weights_path")
    place = find_phantom(data, settings)
    if missing and not reason:
        if place is None and not Path(str(cfg.data.root)).expanduser().is_dir():
            reason = f"no data at {cfg.data.root}"
        elif weights is not None and not Path(str(weights)).expanduser().is_file():
            reason = f"no weights at {weights}"
    return PlannedCell(data=data, row=row, words=words, runs=runs, missing=tuple(missing), reason=reason)


def _check_claim(run: Path, wanted: Mapping[str, Any]) -> None:
    """A finished run counts for a cell only if it has the cell's configuration."""
    there = read_json(run / "claim.json")
    for key in sorted(there.keys() | wanted.keys()):
        value = list(wanted[key]) if isinstance(wanted.get(key), tuple) else wanted.get(key)
        if there.get(key) != value:
            raise RunError(
                f"{run}: belongs to a run with another configuration: {key} ({there.get(key)} there, {value} in the "
                "table). Move it away, or give output_root=... for new runs."
            )


def _place(data: str, settings: Mapping[str, Any]) -> list[str]:
    words = []
    phantom = find_phantom(data, settings)
    if phantom is not None:
        words.append(f"data.root={phantom}")
    if settings["outputs"]:
        words.append(f"output_root={Path(os.environ.get('MLSEG_OUTPUTS', 'outputs')) / settings['outputs']}")
    return words


def _list_all_data() -> list[str]:
    return list(dict.fromkeys(one for name in list_names(TABLES) for one in read_named(TABLES, name)["data"]))
