"""Which settings a configuration may hold: those that its choices have, with values of the same kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.cli.compose import compose_choices, flatten, read_choice_keys
from mlseg.cli.suggest import suggest

# What Hydra itself reads beside a component's arguments.
HYDRA_KEYS = frozenset({"_target_", "_partial_", "_args_", "_convert_", "_recursive_"})
# Mappings that the user fills: any key may stand there.
MAPPINGS = ("data.merged_labels", "data.label_map")
KINDS = {bool: "true or false", str: "a word", list: "a list in brackets"}


def find_key_problems(cfg: DictConfig, tree: Mapping[str, Any], choices: Mapping[str, str]) -> Iterator[str]:
    """Settings that the choices do not have, settings that are gone, and values of another kind.

    A misspelt key in an experiment, or one given with `+`, would be taken silently otherwise. Components of other
    libraries may get arguments that our YAML does not list (`+optimizer.amsgrad=true`), unless a key looks misspelt.

    Args:
        cfg: the composed configuration.
        tree: the same with references filled in, as plain dicts.
        choices: the choice of each group.
    """
    base = compose_choices(choices)
    written = flatten(OmegaConf.to_container(cfg, resolve=False))  # type: ignore[arg-type]
    standard, values = flatten(base.tree), flatten(dict(tree))
    for key in written:
        if key not in standard and not _is_allowed(key, written, standard):
            group = key.split(".", 1)[0]
            owner = f"{group}={choices[group]} has" if group in choices and "." in key else "there is"
            here = key.rpartition(".")[0]
            near = [name for name in standard if name.rpartition(".")[0] == here and "._" not in name]
            yield f"{key}: {owner} no such setting.{suggest(key, near) or _advise(key, choices)}"
    for key in standard:
        component = _find_component(key, standard)
        if key not in written and component is None and not _has_children(key, written):
            yield f"{key}: must be there, got nothing. Leave ~{key} out."
    for key, value in values.items():
        problem = _describe_kind(key, value, standard.get(key)) if written.get(key) != standard.get(key) else None
        if problem:
            yield problem


def _advise(key: str, choices: Mapping[str, str]) -> str:
    group, experiment = key.split(".", 1)[0], choices.get("experiment", "")
    if group in choices and f"experiment.{key}" in read_choice_keys("experiment", experiment):
        return f" experiment={experiment} sets it: leave {group}=... to the experiment, or choose another."
    return " Leave it out."


def _is_allowed(key: str, written: Mapping[str, Any], standard: Mapping[str, Any]) -> bool:
    """True within a mapping, and for an additional argument of a component that is not ours or not our choice."""
    if key.startswith(tuple(f"{mapping}." for mapping in MAPPINGS)):
        return True
    component = _find_component(key, written)
    if component is None:
        return False
    name, target = key.removeprefix(f"{component}."), written[f"{component}._target_"]
    if name in HYDRA_KEYS or target != standard.get(f"{component}._target_"):
        return True
    listed = [other.removeprefix(f"{component}.") for other in standard if other.startswith(f"{component}.")]
    return not str(target).startswith("mlseg.") and not suggest(name, listed)


def _find_component(key: str, keys: Mapping[str, Any]) -> str | None:
    """The innermost node with a `_target_` that `key` lies in."""
    while "." in key:
        key = key.rsplit(".", 1)[0]
        if f"{key}._target_" in keys:
            return key
    return None


def _has_children(key: str, keys: Mapping[str, Any]) -> bool:
    return any(other.startswith(f"{key}.") for other in keys)


def _describe_kind(key: str, value: Any, standard: Any) -> str | None:
    """A problem if `value` is of another kind than the standard one; null, auto and references say nothing of kinds."""
    if standard in (None, "auto") or isinstance(standard, dict) or (isinstance(standard, str) and "${" in standard):
        return None
    kind = next((k for k in (bool, str, list) if isinstance(standard, k)), (int, float))
    # true is a number to Python, but not to a reader of the configuration.
    if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
        return None
    rule = KINDS[kind] if isinstance(kind, type) else "a number"
    return f"{key}: must be {rule}, got {show(value)}. The default is {show(standard)}."


def state(key: str, rule: object, value: Any, remedy: str = "") -> str:
    """A problem in one line.

    Example:
        >>> state("seed", "a whole number", "x")
        "seed: must be a whole number, got 'x'. Give seed such a value."
    """
    return f"{key}: must be {rule}, got {show(value)}. {remedy or f'Give {key} such a value.'}"


def show(value: Any) -> str:
    """A value as it is typed after `key=`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"'{value}'" if isinstance(value, str) else str(value).replace(" ", "")
