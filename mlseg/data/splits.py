"""Who is trained on and who is tested on: splits by subject, from a file or drawn from what is on disk.

The rules of the draws are in `draws`.
"""

from __future__ import annotations

import difflib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlseg
from mlseg.checks import ConfigError, DataError, Range
from mlseg.data.draws import kfold_parts, loso_parts, random_parts
from mlseg.types import CaseFiles

RANDOM, KFOLD, LOSO = "random", "kfold", "loso"
# What is drawn from the subjects on disk; anything else is a split file.
DRAWN = (RANDOM, KFOLD, LOSO)
DEFAULT_FOLDS = 5
PARTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Split:
    """Subject ids by part, each part sorted; a subject is in one part only, with all its frames."""

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


def resolve_split(
    spec: str,
    cases: Sequence[CaseFiles],
    *,
    fractions: Sequence[float],
    seed: int,
    fold: int = 0,
    folds: int = DEFAULT_FOLDS,
) -> Split:
    """The split that a configuration asks for, checked against the cases on disk.

    Args:
        spec: "random", "kfold", "loso", the name of a committed split, or the path of a split file.
        cases: what is on disk.
        fractions: shares of train, validation and test for "random"; "kfold" takes the first two.
        seed: of what is drawn.
        fold: which part is the test of "kfold", which subject that of "loso"; from 0.
        folds: number of parts of "kfold".

    Raises:
        ConfigError: no such split or fold, or fractions that are no shares.
        DataError: a broken split file, one that names subjects who are not on disk, or too few subjects.
    """
    groups = read_groups(cases)
    split = draw_split(spec, groups, fractions=fractions, seed=seed, fold=fold, folds=folds) or read_split(spec)
    problems = split_problems(split, groups)
    if problems:
        raise DataError("\n".join(problems))
    return split


def draw_split(
    spec: str, groups: Mapping[str, str], *, fractions: Sequence[float], seed: int, fold: int, folds: int
) -> Split | None:
    """One of the splits that are drawn; None if `spec` is none of them. Arguments as for `resolve_split`."""
    if spec == RANDOM:
        return random_split(groups, fractions=fractions, seed=seed)
    if spec == KFOLD:
        parts = kfold_parts(groups, fold=fold, folds=folds, fractions=fractions, seed=seed)
        return _name_parts(f"kfold{folds}-{seed}-fold{fold}", *parts)
    if spec == LOSO:
        return _name_parts(f"loso-{seed}-fold{fold}", *loso_parts(groups, fold=fold, seed=seed))
    return None


def random_split(groups: Mapping[str, str], *, fractions: Sequence[float], seed: int) -> Split:
    """A split drawn by lot from the subjects on disk, stratified by group; see `draws.random_parts`."""
    return _name_parts(f"random-{seed}", *random_parts(groups, fractions=fractions, seed=seed))


def find_split_problems(spec: str, *, fold: Any = 0, folds: Any = DEFAULT_FOLDS) -> list[str]:
    """What can be said against data.split, data.fold and data.folds before the subjects are known; one line each."""
    if spec not in DRAWN:
        try:
            read_split(spec)
        except (ConfigError, DataError) as error:
            return [str(error)]
    high = folds - 1 if spec == KFOLD and isinstance(folds, int) and folds >= 2 else None
    rules = {
        "data.fold": (fold, Range(low=0, high=high, integer=True)),
        "data.folds": (folds, Range(low=2, integer=True)),
    }
    return [
        f"{key}: must be {rule}, got {value!r}. Give {key} such a value."
        for key, (value, rule) in rules.items()
        if not rule.accepts(value)
    ]


def read_groups(cases: Sequence[CaseFiles]) -> dict[str, str]:
    """Subject id -> group; where a subject's cases differ, that of its first case id that has one."""
    groups: dict[str, str] = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        groups[case.subject_id] = groups.get(case.subject_id) or case.group
    return groups


def split_problems(split: Split, subjects: Iterable[str]) -> list[str]:
    """One sentence for each rule that a split breaks on a data set with these subjects."""
    on_disk = set(subjects)
    problems = []
    parts: dict[str, list[str]] = defaultdict(list)
    for part in PARTS:
        for subject in getattr(split, part):
            parts[subject].append(part)
    twice = {subject: places for subject, places in parts.items() if len(places) > 1}
    if twice:
        shown = ", ".join(f"{subject} ({' and '.join(places)})" for subject, places in [*twice.items()][:3])
        problems.append(
            f"split {split.name}: a subject must be in one part only, got {len(twice)} in more: {shown}. "
            "Correct the split file."
        )
    for part in ("train", "test"):
        if not getattr(split, part):
            problems.append(
                f"split {split.name}: {part} must hold at least one subject, got none of {len(on_disk)} on disk. "
                "Download more subjects, or change data.split_fractions or the split file."
            )
    missing = sorted(subject for subject in parts if subject not in on_disk)
    if missing:
        shown = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
        problems.append(
            f"split {split.name}: all its subjects must be on disk, got {len(missing)} of {len(parts)} missing "
            f"({shown}). Download the rest, or say data.split=random to split the subjects that are there."
        )
    return problems


def read_split(name_or_path: str | Path) -> Split:
    """Read a split file: an object with the lists "train", "val" and "test" of subject ids.

    Args:
        name_or_path: the name of a committed split, or a path that ends in .json.

    Raises:
        ConfigError: no such split.
        DataError: the file is not a split.
    """
    path = _find_split(str(name_or_path))
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: must be a JSON file, got {error}. Correct it.") from error
    lists: list[Any] = [record.get(part) for part in PARTS] if isinstance(record, dict) else []
    if len(lists) != 3 or not all(isinstance(part, list) and all(isinstance(i, str) for i in part) for part in lists):
        raise DataError(f"{path}: must hold the lists of ids {', '.join(PARTS)}, got something else. Correct the file.")
    return _name_parts(str(record.get("name", path.stem)), *lists)


def write_splits(splits: Mapping[Path, Split], *, note: str) -> None:
    """Write split files, each in one step; those that are there with the same content are left alone.

    Raises:
        ConfigError: another file is in the place of one of them; then none is written.
        DataError: one can't be written.
    """
    path = Path()
    try:
        for path, split in splits.items():
            if path.exists() and path.read_bytes() != format_split(split, note=note).encode():
                raise ConfigError(f"{path}: must be a new file, got one that holds something else. Give another name.")
        for path, split in splits.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            temporary.write_bytes(format_split(split, note=note).encode())
            os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: must be a file that can be written, got {error}. Give another place.") from error


def format_split(split: Split, *, note: str) -> str:
    """The text of a split file: ids only, the same bytes for the same split."""
    record = {"name": split.name, "note": note, **{part: list(getattr(split, part)) for part in PARTS}}
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def split_folder() -> Path:
    """Where the committed splits are: inside the installed package, or in the checkout."""
    package = Path(mlseg.__file__).parent
    installed = package / "splits"
    return installed if installed.is_dir() else package.parent / "data" / "splits"


def _find_split(spec: str) -> Path:
    if spec.endswith(".json"):
        path = Path(spec).expanduser()
        if path.is_file():
            return path
        raise ConfigError(f"data.split: must be a split file that exists, got {spec}. Correct the path.")
    names = sorted(path.stem for path in split_folder().glob("*.json"))
    if spec in names:
        return split_folder() / f"{spec}.json"
    choices = [*names, *DRAWN]
    near = difflib.get_close_matches(spec, choices, n=1)
    hint = f"Did you mean {near[0]}?" if near else "Write one of these."
    raise ConfigError(f"data.split: must be {', '.join(choices)} or a path ending in .json, got {spec!r}. {hint}")


def _name_parts(name: str, train: Sequence[str], val: Sequence[str], test: Sequence[str]) -> Split:
    return Split(name=name, train=tuple(sorted(train)), val=tuple(sorted(val)), test=tuple(sorted(test)))
