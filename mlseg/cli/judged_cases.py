"""Who an evaluation may judge: from which split, never seen by the network, and by the files that the run knew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlseg.checks import DataError
from mlseg.cli.judged_run import PARTS, JudgedRun

if TYPE_CHECKING:
    from mlseg.types import CaseFiles

# A split that holds, as its test part, every subject on disk that the run has not seen.
UNSEEN = "unseen"
_SHOWN = 3
WORDS = {"train": "trained on", "val": "validated with", "test": "tested on", "calibrated": "calibrated with"}


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How a split is drawn anew: arguments of `mlseg.data.splits.draw_split`."""

    fractions: Sequence[float]
    seed: int
    fold: int
    folds: int


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The subjects that are judged.

    Args:
        split: the name of the split that they are from.
        part: "train", "val" or "test".
        own: True for the part of the split that the run recorded.
        subjects: sorted.
    """

    split: str
    part: str
    own: bool
    subjects: tuple[str, ...]


def select_subjects(
    run: JudgedRun, files: Sequence[CaseFiles], *, part: str, split: str | None, draw: Draw
) -> Selection:
    """The subjects of a part of a split, all of them on disk.

    Args:
        run: whose own split is taken for `split=None`, as it recorded it.
        files: what is on disk.
        part: "train", "val" or "test".
        split: None, "unseen", a split that is drawn from what is on disk, or the name or path of a split file.
        draw: how to draw.

    Raises:
        ConfigError: no such split.
        DataError: the part is empty, not on disk, or not apart from the others.
    """
    from mlseg.data.splits import read_groups

    groups = read_groups(files)
    if split is None:
        name, subjects = run.split, run.parts[part]
    elif split == UNSEEN:
        name, subjects = UNSEEN, tuple(sorted(groups.keys() - run.seen().keys()))
    else:
        name, subjects = _read_part(split, groups, part, draw)
    if not subjects:
        raise DataError(
            f"part: {part} of split {name} must hold at least one subject, got none. "
            f"Give another part={'|'.join(PARTS)}, or another split=..."
        )
    missing = [subject for subject in subjects if subject not in groups]
    if missing:
        raise DataError(
            f"split {name}: all subjects of {part} must be on disk, got {len(missing)} of {len(subjects)} missing "
            f"({_list(missing)}). Restore them, or say where they are with data.root=..."
        )
    return Selection(split=name, part=part, own=split is None, subjects=subjects)


def _read_part(split: str, groups: Mapping[str, str], part: str, draw: Draw) -> tuple[str, tuple[str, ...]]:
    from mlseg.data.splits import draw_split, read_split

    found = draw_split(
        split, groups, fractions=draw.fractions, seed=draw.seed, fold=draw.fold, folds=draw.folds
    ) or read_split(split)
    subjects: tuple[str, ...] = getattr(found, part)
    others = {subject for other in PARTS if other != part for subject in getattr(found, other)}
    twice = [subject for subject in subjects if subject in others]
    if twice:
        raise DataError(
            f"split {found.name}: a subject must be in one part only, got {len(twice)} of {part} in another one too "
            f"({_list(twice)}). Correct the split file."
        )
    return found.name, subjects


def find_seen(
    selection: Selection,
    seen: Mapping[str, str],
    *,
    cases: Mapping[str, Sequence[str]],
    known: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Judged subject -> where the network has seen it, in words.

    A subject is seen if its name is, or if one of its cases has the very files of a case that was: a data set that
    numbers its people anew would otherwise make a training case look like a new one.

    Args:
        selection: who is judged.
        seen: subject -> a key of WORDS.
        cases: judged case -> subject and hash of its files.
        known: the same of the run's own cases.
    """
    found = {subject: WORDS[seen[subject]] for subject in selection.subjects if subject in seen}
    contents = {content: (case, seen[subject]) for case, (subject, content) in known.items() if subject in seen}
    for subject, content in cases.values():
        if subject not in found and content in contents:
            case, part = contents[content]
            found[subject] = f"the same files as {case}, {WORDS[part]}"
    return found


def check_unseen(selection: Selection, seen: Mapping[str, str]) -> None:
    """Refuse subjects that the network has seen, unless they were asked for as such.

    Raises:
        DataError: names the first few.
    """
    if seen and not (selection.own and selection.part != "test"):
        listed = [f"{subject} ({how})" for subject, how in seen.items()]
        raise DataError(
            f"split {selection.split}: {selection.part} must hold subjects that the network has not seen, got "
            f"{len(seen)} of {len(selection.subjects)} that it has: {_list(listed)}. "
            f"Give another split{'' if selection.split == UNSEEN else f' (split={UNSEEN})'}, or "
            "allow_seen_subjects=true, which the summary will say."
        )


def find_changed(
    selection: Selection, *, cases: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Case -> "changed", "gone" or "new", for judged subjects that the run knew with other files.

    Args:
        selection: who is judged.
        cases: judged case -> subject and hash of its files.
        known: the same as the run recorded it; subjects that are not in it cannot be compared.
    """
    subjects = {subject for subject, _ in known.values()} & set(selection.subjects)
    there = {case: content for case, (subject, content) in cases.items() if subject in subjects}
    before = {case: content for case, (subject, content) in known.items() if subject in subjects}
    words = {case: "changed" for case in there.keys() & before.keys() if there[case] != before[case]}
    words |= dict.fromkeys(before.keys() - there.keys(), "gone")
    words |= dict.fromkeys(there.keys() - before.keys(), "new")
    return dict(sorted(words.items()))


def check_unchanged(changed: Mapping[str, str]) -> None:
    """Refuse files that are not the ones of the run. Raises DataError, which names the first few."""
    if changed:
        listed = [f"{case} ({how})" for case, how in changed.items()]
        raise DataError(
            f"data: the judged cases must be those that the run recorded, got {len(changed)} that are not: "
            f"{_list(listed)}. Restore the files, or give allow_changed_data=true, which the summary will say."
        )


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
