"""Pieces of a page: text that can do no harm in it, JSON inside a script, links to files, tables."""

from __future__ import annotations

import html
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table.

    Args:
        inner: HTML.
        kind: its class, "" for none.
        head: True for the heading of a row.
    """

    inner: str
    kind: str = ""
    head: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Args:
        title: text.
        kind: its class; "number" is set right and sorted by value.
        hint: what the title means, shown beside the pointer.
        note: a word under the title.
        better: "higher" shows the largest first when it is sorted, all others the smallest.
    """

    title: str
    kind: str = ""
    hint: str = ""
    note: str = ""
    better: str = "lower"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table, with its attributes, e.g. {"data-run": "3"}."""

    cells: Sequence[Cell]
    attributes: Mapping[str, str] = field(default_factory=dict)


def escape(text: object) -> str:
    """Text for an element or for an attribute in double quotes.

    Example:
        >>> escape('<script> & "x"')
        '&lt;script&gt; &amp; &quot;x&quot;'
    """
    return html.escape(str(text), quote=True)


def embed_json(value: Any) -> str:
    r"""JSON for a script element: nothing in it can end the element or open a comment; NaN becomes null.

    Example:
        >>> embed_json({"a": "</script><!--", "b": float("nan")})
        '{"a":"\\u003c/script\\u003e\\u003c!--","b":null}'
    """
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def link_to(target: Path, page: Path) -> str:
    """The address of a file as a page names it: relative to the page, so that both can be moved together.

    Args:
        target: file or folder.
        page: the page.

    Example:
        >>> link_to(Path("outputs/a b/seed1"), Path("reports/report.html"))
        '../outputs/a%20b/seed1'
    """
    try:
        relative = os.path.relpath(target.resolve(), page.resolve().parent)
    except ValueError:  # another drive
        return target.resolve().as_uri()
    return quote(Path(relative).as_posix())


def draw_table(
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    caption: str,
    kind: str = "",
    sorts: bool = True,
    tall: bool = False,
) -> str:
    """A table; its headings are buttons that sort it, if `sorts`.

    Args:
        columns, rows: what stands in it.
        caption: text for those who cannot see where the table stands.
        kind: its class.
        sorts: False for a table whose order means something.
        tall: True for a long table that scrolls by itself.
    """
    heads = "".join(_draw_head(column, sorts) for column in columns)
    lines = "\n".join(_draw_row(row) for row in rows)
    # What scrolls must be reached by the keyboard.
    around = f'<div class="scroll{" tall" if tall else ""}" tabindex="0" role="region" aria-label="{escape(caption)}">'
    return (
        f'{around}<table class="{escape(kind)}"><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )


def _draw_head(column: Column, sorts: bool) -> str:
    looks = f' class="{escape(column.kind)}"' if column.kind else ""
    hint = f' title="{escape(column.hint)}"' if column.hint else ""
    note = f"<small>{escape(column.note)}</small>" if column.note else ""
    if not sorts:
        return f'<th scope="col"{looks}{hint}>{escape(column.title)}{note}</th>'
    first = "descending" if column.better == "higher" else "ascending"
    button = f'<button type="button" data-first="{first}">{escape(column.title)}</button>'
    return f'<th scope="col" aria-sort="none"{looks}{hint}>{button}{note}</th>'


def _draw_row(row: Row) -> str:
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in row.attributes.items())
    cells = []
    for cell in row.cells:
        looks = f' class="{escape(cell.kind)}"' if cell.kind else ""
        cells.append(f'<th scope="row"{looks}>{cell.inner}</th>' if cell.head else f"<td{looks}>{cell.inner}</td>")
    return f"<tr{attributes}>{''.join(cells)}</tr>"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
