"""What is wrong with the words of a command line, said before Hydra sees them: one line each, with what was meant."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mlseg.checks import ConfigError
from mlseg.cli.compose import Composition, compose_config, flatten, list_choices, list_groups, read_choice_keys

CLOSE = 0.6


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line as it was typed.

    Args:
        prog: the command, for remedies that can be typed.
        config_name: the configuration it composes.
        words: the overrides.
        multirun: True for a sweep.
    """

    prog: str
    config_name: str
    words: tuple[str, ...]
    multirun: bool


def expand_jobs(command: Command) -> list[tuple[str, ...]]:
    """The overrides of each job of a sweep, or of the one run.

    Raises:
        ConfigError: words that cannot be read, or several values without -m.
    """
    overrides = [_parse(word) for word in command.words]
    if not command.multirun:
        problems = [_describe_sweep(o, command) for o in overrides if o.is_sweep_override()]
        if problems:
            raise ConfigError("\n".join(problems))
    # An interval has no list of values: its sweeper draws them.
    return list(itertools.product(*(_list_variants(o) for o in overrides if not o.is_interval_sweep())))


def check_words(command: Command, jobs: Sequence[tuple[str, ...]]) -> None:
    """Refuse choices and settings that do not exist, in any job, before one of them is composed.

    Raises:
        ConfigError: one line per mistake.
    """
    parsed = [[_parse(word) for word in job] for job in jobs]
    groups = list_groups()
    choices = _unique(o for job in parsed for o in job if o.key_or_group in groups and o.package is None)
    problems = [_describe_choice(override) for override in choices]
    if not any(problems):
        problems = _describe_settings(command, parsed, groups)
    found = [problem for problem in problems if problem]
    if found:
        raise ConfigError("\n".join(found))


def suggest(word: str, candidates: Iterable[str]) -> str:
    """A question (with a space before it) for the nearest candidate, or "" if none is near.

    Example:
        >>> suggest("mblz", ["ce", "mbls"])
        ' Did you mean mbls?'
    """
    near = get_close_matches(word, list(candidates), n=1, cutoff=CLOSE)
    return f" Did you mean {near[0]}?" if near else ""


def _parse(word: str) -> Override:
    try:
        return OverridesParser.create(GlobalHydra.instance().config_loader()).parse_override(word)
    except HydraException as error:
        if "=" in word:
            reason = " ".join(str(error).split("\n")[0].split())
            raise ConfigError(
                f"{word}: cannot be read ({reason}). Write key=value, special characters in quotes."
            ) from error
        groups = [group for group in list_groups() if word in list_choices(group)]
        meant = f" Did you mean {groups[0]}={word}?" if groups else ""
        raise ConfigError(f"{word}: must be written key=value.{meant}") from error


def _list_variants(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [str(override.input_line)]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def _describe_sweep(override: Override, command: Command) -> str:
    line = str(override.input_line)
    key, values = override.key_or_group, override.get_value_string()
    try:
        standard = flatten(compose_config([], config_name=command.config_name).tree).get(key)
    except ConfigError:
        standard = None
    if isinstance(standard, list):
        return f"{line}: a list is written in brackets. Write {key}=[{values}]."
    others = " ".join(command.words)
    return f"{line}: several values make a sweep, which needs -m. Type {command.prog} -m {others}."


def _describe_choice(override: Override) -> str | None:
    group, choice, choices = override.key_or_group, override.value(), list_choices(override.key_or_group)
    listed = f"Choices: {', '.join(choices)}."
    if override.is_add():
        return f"{override.input_line}: {group} is there already. Write {str(override.input_line)[1:]}."
    if override.is_delete() or choice is None or choice in choices:
        return None
    if not isinstance(choice, str):
        return f"{override.input_line}: {group} takes one choice. {listed}"
    return f"{override.input_line}: no such choice.{suggest(choice, choices)} {listed}"


def _describe_settings(command: Command, jobs: Sequence[Sequence[Override]], groups: list[str]) -> list[str]:
    """Settings that are not there: in all jobs a misspelling, in some a sweep that cannot be."""
    missing: dict[str, list[Composition]] = {}
    having: dict[str, list[Composition]] = {}
    lines: dict[str, str] = {}
    problems: list[str] = []
    for job in jobs:
        chosen = [str(o.input_line) for o in job if o.key_or_group in groups or o.is_hydra_override()]
        base = compose_config(chosen, config_name=command.config_name)
        for override in job:
            if override.key_or_group in groups or override.is_hydra_override():
                continue
            present, value = _look_up(base.tree, override.key_or_group)
            lines.setdefault(override.key_or_group, str(override.input_line))
            if override.is_add() and present and value is not None and not isinstance(value, dict | list):
                problems.append(f"{override.input_line}: is there already. Write {str(override.input_line)[1:]}.")
            elif not override.is_add() and not override.is_force_add():
                (having if present else missing).setdefault(override.key_or_group, []).append(base)
    for key, bases in missing.items():
        if key in having:
            problems.append(_describe_mismatch(key, lines[key], bases, having[key], command))
        else:
            problems.append(_describe_unknown(key, bases[0], groups))
    return list(dict.fromkeys(problems))


def _describe_mismatch(
    key: str, line: str, without: Sequence[Composition], having: Sequence[Composition], command: Command
) -> str:
    """A sweep over choices of which only some have the setting."""
    group = key.split(".", 1)[0]
    lacking, owning = (sorted({b.choices.get(group, "null") for b in bases}) for bases in (without, having))
    rest = [w for w in command.words if not w.startswith((f"{group}=", f"{key}="))]
    setting = next((w for w in command.words if w.startswith(f"{key}=")), line)
    first = _join_command(command.prog, [f"{group}={','.join(lacking)}", *rest])
    second = _join_command(command.prog, [f"{group}={','.join(owning)}", setting, *rest])
    return (
        f"{setting}: {group}={','.join(lacking)} has no such setting, only {group}={','.join(owning)} has. "
        f"Type two commands, `{first}` and `{second}`, or sweep over experiment=... that each set their own."
    )


def _join_command(prog: str, words: Sequence[str]) -> str:
    sweep = any(_parse(word).is_sweep_override() for word in words)
    return " ".join([prog, *(["-m"] if sweep else []), *words])


def _describe_unknown(key: str, base: Composition, groups: list[str]) -> str:
    """A setting that is not there, with the nearest that is, here or in another choice of its group."""
    group, present = key.split(".", 1)[0], flatten(base.tree)
    if group not in groups:
        same_end = [name for name in present if name.rsplit(".", 1)[-1] == key]
        if same_end:
            return f"{key}: no such setting. Did you mean {same_end[0]}?"
        known = [*base.tree, *groups]
        if "." in key and get_close_matches(group, known, n=1, cutoff=CLOSE):
            known = list(present)
        return f"{key}: no such group or setting.{suggest(key, known)} Groups: {', '.join(groups)}."
    chosen = base.choices.get(group, "null")
    what = f"{key}: {group}={chosen} has no such setting."
    elsewhere = {c: read_choice_keys(group, c) for c in list_choices(group) if c != chosen}
    owners = [choice for choice, keys in elsewhere.items() if key in keys]
    if owners:
        return f"{what} {_enumerate(f'{group}={owner}' for owner in owners)} has it: add {group}={owners[0]}."
    own = [name for name in present if name.startswith(f"{group}.") and not name.rsplit(".", 1)[-1].startswith("_")]
    if suggest(key, own) and get_close_matches(
        key.rsplit(".", 1)[-1], [n.rsplit(".", 1)[-1] for n in own], cutoff=CLOSE
    ):
        return f"{what}{_suggest_setting(key, own)}"
    for choice, keys in elsewhere.items():
        near = _suggest_setting(key, keys)
        if near:
            return f"{what}{near[:-1]} of {group}={choice}? Then add {group}={choice}."
    return f"{what} It has: {', '.join(name.removeprefix(f'{group}.') for name in own)}."


def _suggest_setting(key: str, names: Iterable[str]) -> str:
    """As `suggest`, by the last part of the key: the rest of it is the same for all and would make all look near."""
    by_end = {name.rsplit(".", 1)[-1]: name for name in names}
    near = get_close_matches(key.rsplit(".", 1)[-1], list(by_end), n=1, cutoff=CLOSE)
    return f" Did you mean {by_end[near[0]]}?" if near else ""


def _enumerate(words: Iterable[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _look_up(tree: Any, key: str) -> tuple[bool, Any]:
    """Whether `key` is there, and what stands there as it is written."""
    for part in key.split("."):
        if isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
            tree = tree[int(part)]
        elif isinstance(tree, dict) and part in tree:
            tree = tree[part]
        else:
            return False, None
    return True, tree


def _unique(overrides: Iterable[Override]) -> list[Override]:
    return list({override.input_line: override for override in overrides}.values())
