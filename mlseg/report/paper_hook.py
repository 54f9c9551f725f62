"""What the figures of a paper's table share: how they are called, and what stands over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from mlseg.report.paper_cells import Block, TableResult

Hook = Callable[[TableResult, Path, str], list[Path]]
"""Takes a table's numbers, the folder and the stem of the files' names; returns the files, none if there is nothing."""


def title_figure(result: TableResult, blocks: Iterable[Block], *, evaluation: str = "default") -> str:
    """What was judged and how, over a figure: the table's title, the data sets, the profile, the protocol."""
    data = ", ".join(block.data for block in blocks)
    return f"{result.spec.title}; {data}, profile {result.spec.profile}, evaluation={evaluation}"
