"""Which runs a paper's table needs, where they live and which of them are done; nothing heavy is imported for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlseg.checks import ConfigError, RunError
from mlseg.cli.calibrate_preflight import METHODS
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import find_config_dir, read_yaml
from mlseg.cli.done_runs import is_complete
from mlseg.cli.naming import claim, run_directory
from mlseg.cli.suggest import suggest
from mlseg.cli.table_posthoc import Posthoc, PosthocState, quote
from mlseg.cli.table_words import build_words, compose_words, find_phantom
from mlseg.engine.run_directory import RunDirectory
from mlseg.records import read_json

TABLES, PROFILES = "table", "profile"
# What of a run's words a later command about it needs too, beside where its data is.
LATER_KEYS = ("data.cache_dir", "data.workers", "trainer.device")


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """The runs of one method on one data set.

    Args:
        data, row: where it stands.
        words: what is typed to train them, without the seed.
        runs: seed -> run directory.
        missing: seeds that are not done.
        reason: why they are not to be trained, or calibrated; "" if they are.
        method: how they are calibrated afterwards; "" if they are judged as they were trained.
        states: with a method, seed -> how far its calibrated scores are, for seeds that are done.
        later: what is typed for a later command about them, beside run=...
    """

    data: str
    row: str
    words: tuple[str, ...]
    runs: Mapping[int, Path] = field(default_factory=dict)
    missing: tuple[int, ...] = ()
    reason: str = ""
    method: str = ""
    states: Mapping[int, PosthocState] = field(default_factory=dict)
    later: tuple[str, ...] = ()

    @property
    def ready(self) -> tuple[int, ...]:
        """Seeds whose scores are there."""
        trained = (seed for seed in self.runs if seed not in self.missing)
        return tuple(seed for seed in trained if not self.method or self.states[seed].done)

    @property
    def uncalibrated(self) -> tuple[int, ...]:
        """Seeds that are trained, whose calibrated scores are not there and may be made."""
        return tuple(seed for seed, state in self.states.items() if not state.done and not state.final)

    def find_posthoc(self, seed: int) -> Posthoc | None:
        """The calibration of a run, None without a method."""
        return Posthoc(run=self.runs[seed], method=self.method) if self.method else None


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
        ConfigError: no such table, profile or data set; the table calibrates what it does not have.
        RunError: a run directory belongs to another configuration.
    """
    table, settings = read_named(TABLES, name), read_named(PROFILES, profile)
    sets = settings["tables"].get(name, table["data"])
    unknown = [one for one in data if one not in _list_all_data()]
    if unknown:
        known = _list_all_data()
        raise ConfigError(f"data: must be some of {', '.join(known)}, got {unknown[0]!r}.{suggest(unknown[0], known)}")
    posthoc = _read_posthoc(name, table)
    cells = {}
    for one in sets:
        for row, own in table["rows"].items():
            cell = PlannedCell(
                data=one,
                row=row,
                words=build_words(one, [*table["words"], *own], settings, extra),
                reason="" if not data or one in data else "not asked for",
                method=posthoc.get(row, ""),
            )
            cells[one, row] = _plan_cell(cell, settings, seeds=seeds or settings["seeds"])
    return TablePlan(name=name, profile=profile, table=table, settings=settings, cells=cells)


def _plan_cell(cell: PlannedCell, settings: Mapping[str, Any], *, seeds: Sequence[int]) -> PlannedCell:
    job = compose_words(cell.words)
    model = job.choices["model"]
    if model in settings["without"]:
        return replace(cell, reason=str(settings["without"][model]))
    cfg = complete_config(job.cfg.copy())
    runs, missing = {}, []
    for seed in seeds:
        cfg.seed = seed
        runs[seed] = run_directory(cfg, job.choices)
        if is_complete(RunDirectory(runs[seed]), cfg.trainer.max_epochs):
            _check_claim(runs[seed], claim(cfg))
        else:
            missing.append(seed)
    cell = replace(cell, runs=runs, missing=tuple(missing))
    if cell.method:
        done = [seed for seed in runs if seed not in missing]
        states = {seed: Posthoc(run=runs[seed], method=cell.method).find_state() for seed in done}
        kept = [word for word in cell.words if word.partition("=")[0] in LATER_KEYS]
        cell = replace(cell, states=states, later=(f"data.root={quote(str(cfg.data.root))}", *kept))
    return replace(cell, reason=cell.reason or _find_obstacle(cell, cfg, settings))


def _find_obstacle(cell: PlannedCell, cfg: DictConfig, settings: Mapping[str, Any]) -> str:
    """Why what is missing cannot be made here; "" if it can, or nothing is."""
    weights = cfg.model.get("weights_path")
    without_data = find_phantom(cell.data, settings) is None and not Path(str(cfg.data.root)).expanduser().is_dir()
    if (cell.missing or cell.uncalibrated) and without_data:
        return f"no data at {cfg.data.root}"
    if cell.missing and weights is not None and not Path(str(weights)).expanduser().is_file():
        return f"no weights at {weights}"
    return ""


def _read_posthoc(name: str, table: Mapping[str, Any]) -> dict[str, str]:
    """Row -> how its runs are calibrated after the training, of the rows that are."""
    posthoc = dict(table.get("posthoc", {}))
    for row, method in posthoc.items():
        if row not in table["rows"] or method not in METHODS:
            raise ConfigError(
                f"{TABLES}/{name}.yaml: posthoc must map rows of the table to one of {', '.join(METHODS)}, got "
                f"{row!r}: {method!r}. Correct the file."
            )
    return posthoc


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


def _list_all_data() -> list[str]:
    return list(dict.fromkeys(one for name in list_names(TABLES) for one in read_named(TABLES, name)["data"]))
