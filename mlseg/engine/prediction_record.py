"""The record beside written predictions, predict.json: which weights, settings and scans they are from.

It is what lets the same command go on where it was cut, and keeps the predictions of two settings apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError, DataError
from mlseg.data.matching import join_names
from mlseg.records import read_json, write_json

VERSION, KIND = 1, "prediction"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class PredictionRecord:
    """The record of one output.

    Args:
        path: predict.json.
        settings: what two predictions in one place must agree in, as JSON holds it.
        facts: what else is to be known of how they were made.
        cases: case id -> what is known of it; {} until it is written.
    """

    path: Path
    settings: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    cases: dict[str, dict[str, Any]] = field(default_factory=dict)

    def open(self, planned: Mapping[str, Sequence[Path]], *, tables: Sequence[Path] = ()) -> None:
        """Take over what an earlier command left, and write down what this one plans.

        Args:
            planned: case id -> the files that will be written.
            tables: files of no single case that will be written.

        Raises:
            ConfigError: the place holds predictions of other settings, or a file that would be overwritten and is not
                from an earlier command.
            RunError: the record cannot be read or written.
        """
        new = [] if self.path.is_file() else list(tables)
        self.cases.update(self._read_earlier())
        new += [path for case, paths in planned.items() if case not in self.cases for path in paths]
        foreign = [path for path in new if path.exists()]
        if foreign:
            raise ConfigError(
                f"output: must hold nothing that a prediction would overwrite, got {foreign[0]}"
                f"{f' and {len(foreign) - 1} more' if len(foreign) > 1 else ''}, not from this command. "
                "Give another output=..."
            )
        for case in planned:
            self.cases.setdefault(case, {})
        self.write()

    def is_done(self, case_id: str, *, inputs: Mapping[str, str], files: Iterable[Path]) -> bool:
        """Whether all files of a case are there as they were written, from the same scan."""
        entry = self.cases.get(case_id, {})
        sizes: Mapping[str, int] = entry.get("outputs", {})
        return entry.get("inputs") == dict(inputs) and all(
            path.is_file() and sizes.get(self._name(path)) == path.stat().st_size for path in files
        )

    def add(self, case_id: str, entry: Mapping[str, Any], *, files: Iterable[Path]) -> None:
        """Note a case whose files are all written; what was written of it before, of the same scan, stays noted.

        Raises:
            RunError: the record cannot be written.
        """
        earlier = self.cases.get(case_id, {})
        known = earlier.get("outputs", {}) if earlier.get("inputs") == entry["inputs"] else {}
        noted = {**entry, "outputs": {**known, **{self._name(path): path.stat().st_size for path in files}}}
        if noted != earlier:
            self.cases[case_id] = noted
            self.write()

    def forget(self, case_id: str, *, inputs: Mapping[str, str]) -> None:
        """Remove what was written of a case from another scan under the same name."""
        entry = self.cases.get(case_id, {})
        if entry.get("inputs", dict(inputs)) != dict(inputs):
            for name in entry.get("outputs", {}):
                (self.path.parent / name).unlink(missing_ok=True)
            self.cases[case_id] = {}

    def write(self) -> None:
        """Write the record in one step."""
        record = {"version": VERSION, "kind": KIND, "settings": dict(self.settings), **self.facts, "cases": self.cases}
        write_json(self.path, record)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path.parent).as_posix()

    def _read_earlier(self) -> dict[str, dict[str, Any]]:
        if not self.path.is_file():
            return {}
        record = read_json(self.path)
        if record.get("kind") != KIND:
            raise ConfigError(
                f"{self.path}: must be the record of a prediction, got another file. Give another output=..."
            )
        there: dict[str, Any] = record.get("settings", {})
        differing = sorted(
            key for key in there.keys() | self.settings.keys() if there.get(key) != self.settings.get(key)
        )
        if differing:
            shown = [f"{key} ({_show(there.get(key))} there, {_show(self.settings.get(key))} now)" for key in differing]
            more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
            raise ConfigError(
                f"{self.path.parent}: holds predictions of other settings: {', '.join(shown[:_SHOWN])}{more}. "
                "Give another output=..."
            )
        return dict(record.get("cases", {}))


def hash_inputs(paths: Iterable[Path]) -> dict[str, str]:
    """File name -> BLAKE2 hash of its bytes. Raises DataError if one cannot be read."""
    found = {}
    for path in paths:
        try:
            with open(path, "rb") as file:
                found[path.name] = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        except OSError as error:
            raise DataError(f"{path}: must be readable, got {error.strerror}. Restore it, or leave it out.") from error
    return found


def check_apart(planned: Mapping[str, Sequence[Path]], inputs: Iterable[Path]) -> None:
    """Raise ConfigError if a file to be written is one that is read."""
    read = {path.resolve() for path in inputs}
    same = [str(path) for paths in planned.values() for path in paths if path.resolve() in read]
    if same:
        raise ConfigError(f"output: must not overwrite what is read, got {join_names(same)}. Give another output=...")


def _show(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
