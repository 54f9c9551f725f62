"""What an inspection has to say, in one sentence each, and how cases and shares are written in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN_CASES = 3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to know.

    Args:
        kind: a word for what it is about, e.g. "duplicate".
        text: `<what>: <rule>, got <value>. <Remedy>.`
        cases: ids of the cases that it is about; empty if it is about the whole.
    """

    kind: str
    text: str
    cases: tuple[str, ...] = ()


def list_ids(ids: Sequence[str]) -> str:
    """The first ids, and how many there are beside.

    Example:
        >>> list_ids(["a", "b"]), list_ids(["a", "b", "c", "d", "e"])
        ('a, b', 'a, b, c and 2 more')
    """
    more = f" and {len(ids) - SHOWN_CASES} more" if len(ids) > SHOWN_CASES else ""
    return ", ".join(ids[:SHOWN_CASES]) + more


def count_cases(ids: Sequence[str]) -> str:
    """How many cases, and the first of them.

    Example:
        >>> count_cases(["a"]), count_cases(["a", "b"])
        ('1 case (a)', '2 cases (a, b)')
    """
    return f"{len(ids)} case{'' if len(ids) == 1 else 's'} ({list_ids(ids)})"


def format_share(share: float) -> str:
    """A share in per cent with two digits; what is there is never 0 %, what is not all never 100 %.

    Example:
        >>> [format_share(share) for share in (0, 1e-9, 0.00123, 0.5, 0.9999, 1)]
        ['0 %', '<0.001 %', '0.12 %', '50 %', '>99 %', '100 %']
    """
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if share < 1e-5:
        return "<0.001 %"
    if share > 0.99:
        return ">99 %"
    digits = max(0, 1 - math.floor(math.log10(share * 100)))
    return f"{share * 100:.{digits}f} %"


def format_bytes(size: int) -> str:
    """Bytes as MB or GB.

    Example:
        >>> format_bytes(23_400_000), format_bytes(7_250_000_000)
        ('24 MB', '7.2 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{math.ceil(size / 1e6)} MB"
