"""Numbers published by others, read from published_results.csv: where each is from and how far it can be trusted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mlseg.checks import RunError

PUBLISHED_PATH = Path(__file__).with_name("published_results.csv")
COLUMNS = ("table", "data", "row", "metric", "value", "source", "status")
RANK_SUM = "rank_sum_"
ALL_DATA = "all"


@dataclass(frozen=True, kw_only=True)
class PublishedValue:
    """One number of somebody else's.

    Args:
        table: which of our tables it stands in.
        data: the data set, "all" for a number over the source's data sets.
        row: what our table calls the method.
        metric: e.g. "dice"; "rank_sum_dice" for a sum of ranks.
        value: as published.
        source: where it is from.
        status: how far it was checked.
    """

    table: str
    data: str
    row: str
    metric: str
    value: float
    source: str
    status: str


@lru_cache(maxsize=8)
def read_published(path: Path = PUBLISHED_PATH) -> tuple[PublishedValue, ...]:
    """All numbers. What is not known has no row.

    Raises:
        RunError: the file has other columns, a number twice, or one without its source.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RunError(
                f"{path}: columns must be {', '.join(COLUMNS)}, got {reader.fieldnames}. Install mlseg again."
            )
        found = tuple(PublishedValue(**{**row, "value": float(row["value"])}) for row in reader)  # type: ignore[arg-type]
    seen: set[tuple[str, ...]] = set()
    for one in found:
        key = (one.table, one.data, one.row, one.metric)
        if key in seen or not one.source or not one.status:
            raise RunError(
                f"{path}: each number must stand once, with source and status, got {' '.join(key)}. Correct it."
            )
        seen.add(key)
    return found


def find_published(
    table: str, data: str, row: str, metric: str, *, known: Sequence[PublishedValue] | None = None
) -> PublishedValue | None:
    """One number, or None if it is not known.

    Example:
        >>> find_published("main", "acdc", "MbLS", "ece").value
        0.049
        >>> find_published("main", "acdc", "CE+DSC", "ece") is None
        True
    """
    wanted = (table, data, row, metric)
    for one in read_published() if known is None else known:
        if (one.table, one.data, one.row, one.metric) == wanted:
            return one
    return None
