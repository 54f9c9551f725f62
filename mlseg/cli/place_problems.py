"""Settings that are places on disk: the data, its split and its cache, and where the run goes."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from typing import Any

from mlseg.cli.known_keys import state
from mlseg.data.splits import DEFAULT_FOLDS, find_split_problems


def find_place_problems(tree: dict[str, Any]) -> Iterator[str]:
    """Places that are none, and those that a run cannot do without: the data set's folder and the split.

    Args:
        tree: the resolved configuration as plain dicts.
    """
    data = tree["data"]
    yield from _find_root_problems(data)
    split = data.get("split")
    if not isinstance(split, str):
        yield state("data.split", "random, kfold, loso, the name of a split or the path of a split file", split)
    else:
        yield from find_split_problems(split, fold=data.get("fold", 0), folds=data.get("folds", DEFAULT_FOLDS))
    if not _is_place(data.get("cache_dir")):
        yield state("data.cache_dir", "a folder", data.get("cache_dir"), "Give data.cache_dir=/path/to/a/folder.")
    if tree.get("run_dir") is None and not _is_place(tree.get("output_root", "outputs")):
        yield state("output_root", "a folder", tree["output_root"], "Give output_root=/path/to/a/folder.")
    if tree.get("run_dir") is not None and not _is_place(tree["run_dir"]):
        yield state("run_dir", "a folder", tree["run_dir"])
    name = tree.get("run_name")
    if name is not None and (not str(name).strip() or re.search(r"[/\\]", str(name))):
        yield state("run_name", "the name of a folder", name, "A whole path goes into run_dir=.")


def _is_place(value: Any) -> bool:
    """A path that a file system can hold; numbers are fine names too."""
    is_word = isinstance(value, str | int | float) and not isinstance(value, bool)
    return is_word and bool(str(value).strip()) and "\0" not in str(value)


def _find_root_problems(data: dict[str, Any]) -> Iterator[str]:
    root, name = data.get("root"), str(data.get("name"))
    if not isinstance(root, str) or not root:
        yield state("data.root", "a folder", root, "Give data.root=/path/to/the/data.")
    elif not os.path.isdir(os.path.expanduser(root)):
        here = "" if os.path.isabs(os.path.expanduser(root)) else f" in {os.getcwd()}"
        what = "the/data" if name == "None" else name.upper()
        remedy = f"Give data.root=/path/to/{what}, or write a phantom and give its place (mlseg-phantom --help)."
        if name == "phantom":
            remedy = f"Write it with `mlseg-phantom root={shlex.quote(root)}`."
        yield f"data.root: no such folder '{root}'{here}. {remedy}"
