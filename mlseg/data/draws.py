"""Who is drawn for which part: stratified draws, cross-validation folds, and leaving one subject out.

Everything is decided by hashes of seed and subject id, so a draw is the same on every platform, whatever the order the
subjects are listed in. Draws are stratified by group, except when one subject at a time is left out.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from mlseg.checks import ConfigError, DataError

Parts = tuple[list[str], list[str], list[str]]


def random_parts(groups: Mapping[str, str], *, fractions: Sequence[float], seed: int) -> Parts:
    """Train, validation and test drawn by lot, stratified by group.

    Subjects are ordered within their group by a hash of seed and id, and the groups are interleaved by relative
    position; the parts are consecutive pieces of that list. So each part has its share of each group to within two
    subjects, mostly to within one.

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
        drawn = sorted((lot(seed, subject), subject) for subject in stratum)
        places += [((rank + 0.5) / len(drawn), drew, subject) for rank, (drew, subject) in enumerate(drawn)]
    subjects = [subject for _, _, subject in sorted(places)]
    train, kept = counts[0], counts[0] + counts[1]
    return subjects[:train], subjects[train:kept], subjects[kept:]


def kfold_parts(groups: Mapping[str, str], *, fold: int, folds: int, fractions: Sequence[float], seed: int) -> Parts:
    """Train, validation and test of one fold of a stratified k-fold cross-validation.

    Test: the subjects of each group, in an order drawn by lot, are dealt to the folds one by one, group after group.
    Over the folds each subject is tested once, and the folds' sizes, and their counts of each group, differ by one at
    most. Validation: drawn from the other folds' subjects, stratified, in the proportion that `fractions` gives
    training and validation, anew for each fold.

    Args:
        groups: subject id -> stratum ("" if unknown).
        fold: from 0 to folds - 1.
        folds: from 2 to the number of subjects.
        fractions: shares of train, validation and test as for a random split; the last one is not used.
        seed: of both draws.

    Raises:
        ConfigError: `fold` or `folds` is out of range, or `fractions` are no shares.
        DataError: fewer than two subjects.
    """
    _check_fractions(fractions)
    _check_count(groups, least=2, kind="kfold")
    if not 2 <= folds <= len(groups):
        raise ConfigError(
            f"data.folds: must be from 2 to the number of subjects ({len(groups)}), got {folds}. Give fewer folds."
        )
    check_fold(fold, folds)
    dealt = [subject for members in _by_group(groups) for subject in sorted(members, key=lambda s: lot(seed, s))]
    test = set(dealt[fold::folds])
    rest = {subject: group for subject, group in groups.items() if subject not in test}
    kept = fractions[0] + fractions[1]
    count = round_half_up(len(rest) * fractions[1] / kept) if kept > 0 else 0
    if fractions[1] > 0:
        count = max(1, count)
    val = draw_stratified(rest, min(count, len(rest) - 1), key=f"val:{seed}:{fold}")
    return sorted(rest.keys() - val), sorted(val), sorted(test)


def loso_parts(groups: Mapping[str, str], *, fold: int, seed: int) -> Parts:
    """Train, validation and test where one subject is left out for the test and another for validation.

    Test: the subject at place `fold` of the sorted ids. Validation: one of the others, by lot, anew for each fold.

    Raises:
        ConfigError: there is no such place.
        DataError: fewer than three subjects.
    """
    _check_count(groups, least=3, kind="loso")
    check_fold(fold, len(groups))
    subjects = sorted(groups)
    test = subjects.pop(fold)
    val = min(subjects, key=lambda subject: lot(f"val:{seed}:{fold}", subject))
    subjects.remove(val)
    return subjects, [val], [test]


def draw_stratified(groups: Mapping[str, str], count: int, *, key: str) -> set[str]:
    """`count` subjects, of each group its share rounded up or down.

    Args:
        groups: subject id -> stratum.
        count: how many, from 0 to all.
        key: of the lots; another key draws others.

    Example:
        >>> sorted(draw_stratified({"a1": "a", "a2": "a", "b1": "b", "b2": "b"}, 2, key="0"))
        ['a1', 'b1']
    """
    strata = _by_group(groups)
    exact = [len(members) * count / len(groups) for members in strata] if groups else []
    counts = [math.floor(share + 1e-9) for share in exact]
    # Largest remainder; among equal ones the lot decides, or the first groups of the alphabet would always have more.
    order = sorted(
        range(len(strata)),
        key=lambda n: (round(counts[n] - exact[n], 9), lot(key, f"group:{groups[strata[n][0]]}")),
    )
    for n in order[: count - sum(counts)]:
        counts[n] += 1
    drawn = (sorted(members, key=lambda s: lot(key, s))[:n] for members, n in zip(strata, counts, strict=True))
    return {subject for members in drawn for subject in members}


def check_fold(fold: int, folds: int) -> None:
    """Raise ConfigError unless `fold` is one of 0 to folds - 1."""
    if not 0 <= fold < folds:
        raise ConfigError(
            f"data.fold: must be a whole number from 0 to {folds - 1}, for {folds} folds, got {fold}. "
            "Give one of these, or sweep over them: -m data.fold=0,1,..."
        )


def lot(key: object, subject: str) -> str:
    """What decides a draw: text that is random in the key and the subject, and the same everywhere."""
    return hashlib.sha256(f"{key}:{subject}".encode()).hexdigest()


def round_half_up(number: float) -> int:
    """The nearest whole number; halves go up, where Python's `round` takes the even one."""
    return math.floor(number + 0.5 + 1e-9)


def _by_group(groups: Mapping[str, str]) -> list[list[str]]:
    """The subjects of each group; the groups in alphabetical order."""
    members: dict[str, list[str]] = defaultdict(list)
    for subject, group in groups.items():
        members[group].append(subject)
    return [members[group] for group in sorted(members)]


def _check_count(subjects: Collection[str], *, least: int, kind: str) -> None:
    if len(subjects) < least:
        raise DataError(
            f"data.split: {kind} needs {least} subjects or more on disk, got {len(subjects)}. Download more."
        )


def _check_fractions(fractions: Sequence[float]) -> None:
    if len(fractions) != 3 or min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise ConfigError(
            f"data.split_fractions: must be three shares that add up to 1, got {list(fractions)}. "
            "Write [0.7, 0.1, 0.2]."
        )


def _part_sizes(total: int, fractions: Sequence[float]) -> tuple[int, int, int]:
    """Whole numbers by largest remainder; then parts that got nothing take one subject from the largest part."""
    _check_fractions(fractions)
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
