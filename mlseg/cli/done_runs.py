"""Which runs of a sweep have nothing left to do, told without torch and so in a moment."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import MlsegError
from mlseg.cli.naming import claim, run_directory
from mlseg.engine.run_directory import CLAIM, RunDirectory
from mlseg.records import read_json
from mlseg.run_state import LOCK

# What build.Data tells of a run's data -> the file that the run keeps of it.
DATA_FILES = {"facts": "data.json", "cases": "cases.json"}


def is_complete(run: RunDirectory, max_epochs: int) -> bool:
    """True if a run has all its epochs and all its results."""
    status = run.status()
    whole = all(path.exists() for path in (run.scores, run.record, run.bins, run.views))
    return status.get("state") == "done" and status.get("epoch", 0) >= max_epochs and whole


def is_held(folder: Path) -> bool:
    """True if a living process is at work in a run directory, be it that it reports on a run that is done."""
    try:
        with open(folder / LOCK, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such directory, or a file system without locks
        return False
    return False


class DoneRuns:
    """Tells which runs have nothing left to do: complete, with this configuration and on these files.

    Listing the files of a data set takes longer than all the rest, so it is done once for all runs that share one.
    """

    def __init__(self) -> None:
        self._data: dict[str, dict[str, Any] | None] = {}

    def has(self, cfg: DictConfig, choices: Mapping[str, str]) -> bool:
        """True if the run of this configuration is done. Whatever is in doubt is not: the run itself will tell.

        Args:
            cfg: the composed and completed configuration.
            choices: the choice of each group.
        """
        run = RunDirectory(run_directory(cfg, choices))
        try:
            if not is_complete(run, cfg.trainer.max_epochs):
                return False
            if read_json(run.path / CLAIM) != _as_read(claim(cfg)):
                return False
            data = self._find_data(cfg)
            return data is not None and all(read_json(run.path / name) == facts for name, facts in data.items())
        except (MlsegError, OSError):
            return False

    def _find_data(self, cfg: DictConfig) -> dict[str, Any] | None:
        """What data.json and cases.json hold of the files that are there now; None if these can't be used."""
        from mlseg.cli.build import build_data

        key = OmegaConf.to_yaml(cfg.data, resolve=True)
        if key not in self._data:
            try:
                data = build_data(cfg)
                self._data[key] = {name: _as_read(getattr(data, what)()) for what, name in DATA_FILES.items()}
            except MlsegError:
                self._data[key] = None
        return self._data[key]


def _as_read(facts: Mapping[str, Any]) -> Any:
    """Facts as they come back from a JSON file."""
    return json.loads(json.dumps(facts))
