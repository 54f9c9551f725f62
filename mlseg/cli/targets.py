"""Whether a `_target_` exists, found without importing it: torch is not loaded for a misspelt class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlseg.cli.suggest import suggest

# A run cannot be built without these.
COMPONENTS = ("data.source", "model", "loss", "optimizer", "scheduler", "augment", "trainer")


def find_target_problems(tree: Mapping[str, Any]) -> Iterator[str]:
    """Components without a `_target_`, and targets in mlseg that do not exist or whose file cannot be parsed.

    Args:
        tree: the resolved configuration as plain dicts.
    """
    for component in COMPONENTS:
        node: Any = tree
        for part in component.split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        target = node.get("_target_") if isinstance(node, Mapping) else None
        if not isinstance(target, str) or "." not in target:
            yield f"{component}._target_: must be the dotted path of a class, got {target!r}. Give it in the YAML."
        elif target.startswith("mlseg."):
            yield from _find_own_problems(component, target)
        elif find_spec(target.split(".", 1)[0]) is None:
            yield f"{component}._target_: package {target.split('.', 1)[0]!r} is not installed. pip install it."


def _find_own_problems(component: str, target: str) -> Iterator[str]:
    module, name = target.rsplit(".", 1)
    path = _find_file(module)
    if path is None:
        yield f"{component}._target_: there is no module {module}. Write the file, or correct the path."
        return
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except SyntaxError as error:
        yield f"{path}: line {error.lineno}: {error.msg}. Correct it; {component} is defined there."
        return
    names = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    if name not in names and not any(isinstance(node, ast.ImportFrom | ast.Assign) for node in _binding(body, name)):
        yield f"{component}._target_: {path.name} has no {name}.{suggest(name, names) or ' Correct the name.'}"


def _binding(body: list[ast.stmt], name: str) -> Iterator[ast.stmt]:
    """Statements that give `name` to something that is defined elsewhere."""
    for node in body:
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            yield node
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            yield node


def _find_file(module: str) -> Path | None:
    """The source file of a module of mlseg; parents are looked up, not imported."""
    import mlseg

    places: list[str] = list(mlseg.__path__)
    spec = None
    name = "mlseg"
    for part in module.split(".")[1:]:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    return Path(spec.origin) if spec is not None and spec.origin else None
