"""The files of mlseg/report/page, from which the report page is put together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

SCRIPTS = ("planes.js", "layers.js", "panel.js", "viewer.js", "tables.js", "start.js")
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def fill_template(template: str, parts: Mapping[str, str]) -> str:
    """Put parts into their places; what stands in braces inside a part stays as it is.

    Example:
        >>> fill_template("<p>{{a}}</p>", {"a": "{{b}}", "b": "x"})
        '<p>{{b}}</p>'
    """
    return _PLACE.sub(lambda found: parts[found[1]], template)


@cache
def read_part(name: str) -> str:
    """A file of mlseg/report/page."""
    return (files("mlseg.report") / "page" / name).read_text(encoding="utf-8")


def read_script() -> str:
    """All scripts, in one scope."""
    body = "\n".join(read_part(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{body}}})();'
