"""Which person a case is of, where a layout names cases only.

Splits are made by subject. A layout without subjects says nothing of two scans of one person: each case then counts as
a person, and the two scans may end up on either side of the split, which makes every test score too good. A pattern
that finds the person in the case id prevents that.
"""

from __future__ import annotations

import re

from mlseg.checks import ConfigError, DataError


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
