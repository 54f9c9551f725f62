"""Every YAML: it binds to its constructor, explains its keys and holds no machine's paths."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from mlseg.checks import RANGES, find_problems

KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]\w*):(?P<value>.*)$")
ABSOLUTE = re.compile(r"^\s*(/|~|[A-Za-z]:[\\/])|\$\{[^}]*[,:]\s*(/|~)")
# Keys that need no comment: the component's name, a list of files, and what Hydra defines.
SELF_EXPLANATORY = {"name", "defaults"}


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping with a `_target_`, at any depth."""
    if isinstance(tree, dict):
        if "_target_" in tree:
            yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def check_binding(node: dict[str, Any], *, partial: bool) -> None:
    arguments = {key: value for key, value in node.items() if not re.fullmatch("_.*_", key)}
    signature = inspect.signature(get_object(node["_target_"]))
    try:
        (signature.bind_partial if partial else signature.bind)(**arguments)
    except TypeError as error:
        pytest.fail(f"{node['_target_']}{signature}: {error}")


def load(path: Path) -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        tree = tree.values()
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | type({}.values())):
        for value in tree:
            yield from strings(value)


def depth(tree: Any) -> int:
    return 1 + max(map(depth, tree.values()), default=0) if isinstance(tree, dict) else 0


def uncommented_keys(text: str) -> list[str]:
    """Keys with no comment on the line above nor behind them; mappings, interpolations and Hydra's own keys aside."""
    missing, above, in_hydra = [], "", False
    for line in text.splitlines():
        match = KEY.match(line)
        if match:
            in_hydra = match["key"] == "hydra" if not match["indent"] else in_hydra
            value = match["value"].strip()
            exempt = in_hydra or match["key"] in SELF_EXPLANATORY or not value or re.fullmatch(r"\$\{[^}]*\}", value)
            if not (exempt or "#" in value or above.strip().startswith("#")):
                missing.append(match["key"])
        above = line
    return missing


def test_every_choice_binds_to_its_constructors(compose_run, choice):
    config = OmegaConf.to_container(compose_run(choice), resolve=False)
    found = list(nodes(config))
    assert len(found) >= 5
    for node in found:
        check_binding(node, partial=node.get("_partial_", False))


def test_every_file_binds_as_it_stands(config_file):
    tree = load(config_file)
    for node in nodes(tree):
        check_binding(node, partial=node.get("_partial_", False) or "defaults" in tree)


@pytest.mark.parametrize("target", sorted(RANGES))
def test_every_rule_is_about_an_argument_that_exists(target):
    assert set(RANGES[target]) <= set(inspect.signature(get_object(target)).parameters)


def test_the_values_of_every_choice_keep_the_rules(compose_run, choice):
    config = OmegaConf.to_container(compose_run(choice), resolve=False)
    for node in nodes(config):
        given = {key: value for key, value in node.items() if "${" not in str(value)}
        assert find_problems(node["_target_"], given) == []


def test_a_component_has_a_constructor(compose_run, choice):
    group = choice.split("=")[0]
    config = OmegaConf.to_container(compose_run(choice), resolve=False)
    assert group == "experiment" or list(nodes(config[group]))


def test_each_file_says_what_it_is(config_file):
    lines = config_file.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("#") and not line.startswith("# @") for line in lines[:3])


def test_each_key_has_a_comment(config_file):
    text = config_file.read_text(encoding="utf-8")
    # A file that builds on others repeats keys that are explained there.
    if config_file.name != "train.yaml" and "defaults" in load(config_file):
        return
    assert uncommented_keys(text) == []


def test_the_comment_rule_sees_a_missing_comment():
    text = (
        "# what\n_target_: a.B\n# why\nlr: 1\ngamma: 2\nk: ${data.k}\nb: 3  # inline\nsub:\n  c: 4\nhydra:\n  run: 5\n"
    )
    assert uncommented_keys(text) == ["gamma", "c"]


def test_no_absolute_paths(config_file):
    assert [text for text in strings(load(config_file)) if ABSOLUTE.search(text)] == []


@pytest.mark.parametrize("text", ["/home/me", "~/data", "C:\\data", "${oc.env:X,/data}/acdc"])
def test_the_path_rule_sees_an_absolute_path(text):
    assert ABSOLUTE.search(text)


def test_at_most_two_levels_of_nesting(config_file):
    tree = load(config_file)
    assert depth({key: value for key, value in tree.items() if key != "hydra"}) <= 3 - (
        config_file.name != "train.yaml"
    )


def test_experiments_can_override_train_yaml(repo_root):
    assert load(repo_root / "configs" / "train.yaml")["defaults"][0] == "_self_"
