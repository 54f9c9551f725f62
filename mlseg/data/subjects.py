"""Which person a case is of, where a layout names cases only.

Splits are made by subject. A layout without subjects says nothing of two scans of one person: each case then counts as
a person, and the two scans may end up on either side of the split, which makes every test score too good. A pattern
that finds the person in the case id prevents that.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from mlseg.checks import ConfigError, DataError

# Persons have a few scans each; a start that more ids have in common is the name of a site or of the data set.
_SCANS_PER_PERSON = 12


def find_subject(case_id: str, pattern: str | None) -> str:
    r"""The person that a case is of: the case itself, or what a pattern finds in its id.

    Args:
        pattern: a regular expression with one group, searched for anywhere in the id; None makes each case a person.

    Raises:
        ConfigError: the pattern is no such expression.
        DataError: it is not found in this id.

    Example:
        >>> find_subject("patient001_frame12", r"(patient\d+)_")
        'patient001'
        >>> find_subject("hippocampus_001", None)
        'hippocampus_001'
    """
    if pattern is None:
        return case_id
    match = check_pattern(pattern).search(case_id)
    if not match or not match[1]:
        raise DataError(
            f"{case_id}: data.source.subject_pattern must find a subject in every case id, got none with {pattern!r}. "
            "Correct the pattern or rename the case."
        )
    return match[1]


def find_shared_start(case_ids: Iterable[str]) -> tuple[str, ...]:
    """Two case ids that look like scans of one person, such as patient001_frame01 and patient001_frame12; or none.

    They do if they differ in what follows their last _ or - only, if what stands before it has a number, and if no more
    than a few ids have that in common.

    Example:
        >>> find_shared_start(["patient001_ED", "patient001_ES", "patient002_ED"])
        ('patient001_ED', 'patient001_ES')
        >>> find_shared_start(["hippocampus_001", "hippocampus_002"])
        ()
    """
    starts: defaultdict[str, list[str]] = defaultdict(list)
    for case_id in case_ids:
        match = re.fullmatch(r"(.*\d.*)[_-][^_-]+", case_id)
        if match:
            starts[match[1]].append(case_id)
    shared = [ids for ids in starts.values() if len(ids) > 1]
    if len(starts) < 2 or not shared or max(map(len, shared)) > _SCANS_PER_PERSON:
        return ()
    return tuple(shared[0][:2])


def check_subjects(case_ids: Iterable[str], pattern: str | None) -> None:
    """Refuse to draw a split of cases that look like several scans of one person but count as persons.

    Raises:
        ConfigError: there is no pattern, and two cases look like scans of one person.
    """
    alike = find_shared_start(case_ids) if pattern is None else ()
    if alike:
        raise ConfigError(
            f"data.source.subject_pattern: must say whose scans the cases are before a split is drawn, got null where "
            f"{' and '.join(alike)} look like scans of one person. "
            f"Give e.g. 'data.source.subject_pattern=\"(.+)_\"', or "
            "with (.+) if each case is another person."
        )


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a subject pattern. Raises ConfigError unless it is a regular expression with exactly one group."""
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise ConfigError(_state(pattern, str(error))) from error
    if compiled.groups != 1:
        raise ConfigError(_state(pattern, f"{compiled.groups} groups"))
    return compiled


def _state(pattern: str, reason: str) -> str:
    return (
        f"data.source.subject_pattern: must be a regular expression with one group, got {pattern!r} ({reason}). "
        r"Write e.g. '(patient\d+)_', or null."
    )
