"""Who is trained on and who is tested on: splits by subject, from a committed file or drawn from what is on disk."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlseg
from mlseg.checks import ConfigError, DataError
from mlseg.types import CaseFiles

RANDOM = "random"
PARTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Split:
    """Subject ids by part, each part sorted; a subject is in one part only, with all its frames."""

    name: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


def resolve_split(spec: str, cases: Sequence[CaseFiles], *, fractions: Sequence[float], seed: int) -> Split:
    """The split that a configuration asks for, checked against the cases on disk.

    Args:
        spec: "random", the name of a committed split, or the path of a split file.
        cases: what is on disk.
        fractions: shares of train, validation and test for "random".
        seed: of "random".

    Raises:
        ConfigError: no such split, or fractions that are no shares.
        DataError: a broken split file, or one that names subjects who are not on disk.
    """
    groups = {case.subject_id: case.group for case in cases}
    split = random_split(groups, fractions=fractions, seed=seed) if spec == RANDOM else read_split(spec)
    problems = split_problems(split, groups)
    if problems:
        raise DataError("\n".join(problems))
    return split


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
                "Download more subjects or change data.split_fractions."
            )
    missing = sorted(subject for subject in parts if subject not in on_disk)
    if missing:
        shown = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
        problems.append(
            f"split {split.name}: all its subjects must be on disk, got {len(missing)} of {len(parts)} missing "
            f"({shown}). Download the rest, or say data.split=random to split the subjects that are there."
        )
    return problems


def random_split(groups: Mapping[str, str], *, fractions: Sequence[float], seed: int) -> Split:
    """A split drawn by lot from the subjects on disk, stratified by group.

    Subjects are ordered within their group by a hash of seed and id, and the groups are interleaved by relative
    position; the parts are consecutive pieces of that list. So each part has its share of each group to within one
    subject, and the result is the same on every platform.

    Args:
        groups: subject id -> stratum ("" if unknown).
        fractions: shares of train, validation and test, adding up to 1. A part with a share above 0 gets at least one
            subject as long as there are enough; train comes first, then test, then validation.
    """
    counts = _part_sizes(len(groups), fractions)
    members: dict[str, list[str]] = defaultdict(list)
    for subject, group in groups.items():
        members[group].append(subject)
    places: list[tuple[float, str, str]] = []
    for stratum in members.values():
        drawn = sorted((_lot(seed, subject), subject) for subject in stratum)
        places += [((rank + 0.5) / len(drawn), lot, subject) for rank, (lot, subject) in enumerate(drawn)]
    subjects = [subject for _, _, subject in sorted(places)]
    train, val = counts[0], counts[1]
    return Split(
        name=f"random-{seed}",
        train=tuple(sorted(subjects[:train])),
        val=tuple(sorted(subjects[train : train + val])),
        test=tuple(sorted(subjects[train + val :])),
    )


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
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: must be a JSON file, got {error}. Correct it.") from error
    lists: list[Any] = [record.get(part) for part in PARTS] if isinstance(record, dict) else []
    if len(lists) != 3 or not all(isinstance(part, list) and all(isinstance(i, str) for i in part) for part in lists):
        raise DataError(f"{path}: must hold the lists of ids {', '.join(PARTS)}, got something else. Correct the file.")
    train, val, test = (tuple(sorted(part)) for part in lists)
    return Split(name=str(record.get("name", path.stem)), train=train, val=val, test=test)


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
    choices = [*names, RANDOM]
    near = difflib.get_close_matches(spec, choices, n=1)
    hint = f"Did you mean {near[0]}?" if near else "Write one of these."
    raise ConfigError(f"data.split: must be {', '.join(choices)} or a path ending in .json, got {spec!r}. {hint}")


def _part_sizes(total: int, fractions: Sequence[float]) -> tuple[int, int, int]:
    """Whole numbers by largest remainder; then parts that got nothing take one subject from the largest part."""
    if len(fractions) != 3 or min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise ConfigError(
            f"data.split_fractions: must be three shares that add up to 1, got {list(fractions)}. "
            "Write [0.7, 0.1, 0.2]."
        )
    exact = [total * fraction for fraction in fractions]
    counts = [math.floor(share + 1e-9) for share in exact]
    priority = (0, 2, 1)
    by_remainder = sorted(priority, key=lambda part: counts[part] - exact[part])
    for part in by_remainder[: total - sum(counts)]:
        counts[part] += 1
    for part in priority:
        largest = max(range(3), key=lambda other: counts[other])
        spare = counts[largest] > 1 or (part == 0 and counts[largest] == 1)
        if fractions[part] > 0 and counts[part] == 0 and spare:
            counts[largest] -= 1
            counts[part] += 1
    return counts[0], counts[1], counts[2]


def _lot(seed: int, subject: str) -> str:
    return hashlib.sha256(f"{seed}:{subject}".encode()).hexdigest()
