"""How findings are written."""

from __future__ import annotations

import pytest

from mlseg.data.inspection_findings import count_cases, format_bytes, format_share, list_ids


def test_long_lists_are_cut() -> None:
    assert list_ids(["a", "b", "c"]) == "a, b, c"
    assert list_ids([*"abcd"]) == "a, b, c and 1 more"
    assert count_cases(["a"]) == "1 case (a)"
    assert count_cases([*"abcde"]) == "5 cases (a, b, c and 2 more)"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0999, "10.0 %"), (0.05, "5.0 %"), (1e-5, "0.0010 %"), (0.991, ">99 %"), (0.25, "25 %"), (1.0, "100 %")],
)
def test_shares_have_two_digits(share: float, text: str) -> None:
    assert format_share(share) == text


def test_bytes_are_never_nothing() -> None:
    assert [format_bytes(size) for size in (0, 1, 10**6, 10**9, 15 * 10**8)] == [
        "0 MB",
        "1 MB",
        "1 MB",
        "1.0 GB",
        "1.5 GB",
    ]
