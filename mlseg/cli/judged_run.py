"""A run as an evaluation finds it: its configuration, who it was trained on, how far it is. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError, RunError
from mlseg.cli.compose import read_yaml
from mlseg.cli.judging import CASES
from mlseg.cli.suggest import CLOSE, suggest
from mlseg.records import read_json

PARTS = ("train", "val", "test")
BEST, LAST = "best", "last"
EVALUATIONS = "evaluations"
EXAMPLE = "run=outputs/<data>/<model>/<loss>/<what differs>/seed<k>"
_DEPTH, _SHOWN = 5, 3


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """The records of one run.

    Args:
        path: its directory, as it was given.
        config: its whole configuration, references filled in.
        choices: the choice of each group; {} for a run that has not come to its end, which records them.
        split: the name of its split.
        parts: "train", "val" and "test" -> the subjects.
        cases: case id -> subject and hash of the files; {} for a run from before they were recorded.
        state: "done", "running", "interrupted" or "failed".
        epoch: epochs that it has; None where its status does not say.
        best_epoch: the one of best.pt, by the record that it left at its end; None if it has not come to it.
    """

    path: Path
    config: dict[str, Any]
    choices: dict[str, str]
    split: str
    parts: dict[str, tuple[str, ...]]
    cases: dict[str, tuple[str, str]]
    state: str
    epoch: int | None
    best_epoch: int | None

    @property
    def is_done(self) -> bool:
        """True if it has come to its end."""
        return self.state == "done"

    def describe_state(self) -> str:
        """How far it is, in words."""
        return self.state if self.epoch is None else f"{self.state}, with {self.epoch} epochs"

    def seen(self) -> dict[str, str]:
        """Subject -> "train" or "val", for those that the network or the choice of its epoch was fitted to."""
        return {subject: part for part in ("train", "val") for subject in self.parts[part]}

    def find_checkpoint(self, which: str) -> Path:
        """The file of "best", "last" or a path, taken from here or else from the run's directory.

        Raises:
            ConfigError: there is no such file.
            RunError: the run has not written it yet.
        """
        if which in (BEST, LAST):
            path = self.path / f"{which}.pt"
            if path.is_file():
                return path
            raise RunError(
                f"{path}: must be there, got nothing; the run is {self.describe_state()}. "
                "Train it first, or give checkpoint=/path/to/a/checkpoint."
            )
        path = Path(which).expanduser()
        found = next((place for place in (path, self.path / path) if place.is_file()), None)
        if found is None:
            meant = suggest(which, (BEST, LAST)) or " Correct the path."
            raise ConfigError(f"checkpoint: must be best, last or a file, got '{which}'.{meant}")
        return found


def read_run(place: Any) -> JudgedRun:
    """Read the records of a run.

    Args:
        place: its directory.

    Raises:
        ConfigError: it is not a run.
        RunError: a record cannot be read.
    """
    path = _find_run(place)
    record = _read(path / "run.json")
    config = read_yaml(path / "config.yaml") if (path / "config.yaml").is_file() else record.get("config")
    facts, split, status = _read(path / "data.json"), record.get("split", {}), _read(path / "status.json")
    facts, cases = facts or split, _read(path / CASES)
    if not all(isinstance(found, list) and len(found) == 2 for found in cases.values()):
        raise RunError(f"{path / CASES}: must hold a subject and a hash for each case, got others. Restore it.")
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict) or not facts:
        raise RunError(f"{path}: the run never came to its data, so there is nothing to judge. Train it first.")
    done = status.get("state", "done" if record else "unknown")
    return JudgedRun(
        path=path,
        config=config,
        choices=dict(record.get("choices", {})),
        split=str(split.get("name", config["data"].get("split", "own"))),
        parts={part: tuple(facts.get(part, ())) for part in PARTS},
        cases={case: (str(found[0]), str(found[1])) for case, found in cases.items()},
        state=str(done),
        epoch=status.get("epoch", len(record["history"]) if "history" in record else None),
        best_epoch=record.get("best_epoch") if done == "done" else None,
    )


def read_seen(folder: Path) -> dict[str, str] | None:
    """Subject -> "train" or "val" by the record in the folder of a checkpoint; None if there is none."""
    facts: Mapping[str, Any] = _read(folder / "data.json")
    return {subject: part for part in ("train", "val") for subject in facts.get(part, ())} if facts else None


def _read(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _find_run(place: Any) -> Path:
    if not isinstance(place, str) or not place:
        raise ConfigError(f"run: must be the directory of a run, got {place or 'nothing'}. Give {EXAMPLE}.")
    path = Path(place).expanduser()
    if path.is_file() and _is_run(path.parent):
        raise ConfigError(f"run: must be a directory, got the file '{place}'. Give run={path.parent}.")
    if not path.is_dir():
        raise ConfigError(f"run: no such folder '{place}'.{_suggest_path(path) or f' Give {EXAMPLE}.'}")
    if _is_run(path):
        return path
    owner = path.parent.parent
    if path.parent.name == EVALUATIONS and _is_run(owner):
        raise ConfigError(f"run: must be a run, got an evaluation of one, '{place}'. Give run={owner}.")
    below = islice((p.parent for n in range(1, _DEPTH + 1) for p in path.glob("*/" * n + "config.yaml")), _SHOWN + 1)
    runs = sorted(str(found) for found in below)
    if runs:
        more = ", ..." if len(runs) > _SHOWN else ""
        raise ConfigError(
            f"run: must be the directory of a run, got '{place}', which holds {', '.join(runs[:_SHOWN])}{more}. "
            "Give one of them, or several with -m."
        )
    raise ConfigError(f"run: must be the directory of a run, with its config.yaml, got '{place}'. Give {EXAMPLE}.")


def _is_run(path: Path) -> bool:
    # An evaluation has a run.json too, but no status.
    return (path / "config.yaml").is_file() or ((path / "run.json").is_file() and (path / "status.json").is_file())


def _suggest_path(path: Path) -> str:
    """The nearest name where the path leaves what is there."""
    there = path
    while not there.parent.is_dir():
        there = there.parent
    near = get_close_matches(there.name, [entry.name for entry in there.parent.iterdir()], n=1, cutoff=CLOSE)
    return f" Did you mean {there.parent / near[0]}?" if near else ""
