"""What is wrong with the words of a command line, said before Hydra sees them: one line each, with what was meant."""

from __future__ import annotations

import itertools
import shlex
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
        typed: how the command is typed, for remedies.
        config_name: the configuration it composes.
        words: the overrides.
        multirun: True for a sweep.
    """

    typed: str
    config_name: str
    words: tuple[str, ...]
    multirun: bool


def expand_jobs(command: Command) -> list[tuple[str, ...]]:
    """The overrides of each job of a sweep, or of the one run.

    Raises:
        ConfigError: words that cannot be read, or several values without -m.
    """
    overrides = [parse_word(word) for word in command.words]
    problems = [f"{o.input_line}: must be written key=value." for o in overrides if not o.key_or_group]
    if not command.multirun:
        problems += [_describe_sweep(o, command) for o in overrides if o.is_sweep_override()]
    # An interval has no list of values: its sweeper draws them.
    # Of two words for one setting the last counts, as for Hydra.
    variants = {o.get_key_element(): _list_variants(o) for o in overrides if not o.is_interval_sweep()}
    problems += [f"{key}: a sweep needs values, got none. Give at least one." for key in variants if not variants[key]]
    if problems:
        raise ConfigError("\n".join(problems))
    return [tuple(job) for job in itertools.product(*variants.values())]


def check_words(command: Command, jobs: Sequence[tuple[str, ...]]) -> None:
    """Refuse choices and settings that do not exist, in any job, before one of them is composed.

    Raises:
        ConfigError: one line per mistake.
    """
    parsed = [[parse_word(word) for word in job] for job in jobs]
    base = compose_config([], config_name=command.config_name)
    groups = [group for group in list_groups() if group in base.groups]
    choices = _unique(o for job in parsed for o in job if o.key_or_group in groups and o.package is None)
    problems = [problem for problem in map(_describe_choice, choices) if problem]
    # Without the right choices it cannot be said which settings there are.
    problems = problems or _describe_settings(command, parsed, groups)
    if problems:
        raise ConfigError("\n".join(problems))


def suggest(word: str, candidates: Iterable[str]) -> str:
    """A question (with a space before it) for the nearest candidate, or "" if none is near.

    Example:
        >>> suggest("mblz", ["ce", "mbls"])
        ' Did you mean mbls?'
    """
    near = get_close_matches(word, list(candidates), n=1, cutoff=CLOSE)
    return f" Did you mean {near[0]}?" if near else ""


def parse_word(word: str) -> Override:
    """One word of a command line as Hydra reads it. Raises ConfigError if it cannot."""
    try:
        return OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides([word])[0]
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
        return [override.input_line or ""]
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
    return f"{line}: several values make a sweep, which needs -m. Type {_join_command(command.typed, command.words)}."


def _describe_choice(override: Override) -> str | None:
    group, choice, choices = override.key_or_group, override.value(), list_choices(override.key_or_group)
    listed = f"Choices: {', '.join(choices)}."
    if override.is_add():
        return f"{override.input_line}: {group} is there already. Write {str(override.input_line)[1:]}."
    if override.is_delete() or choice in choices:
        return None
    if not isinstance(choice, str):
        return f"{override.input_line}: {group} takes one choice. {listed}"
    return f"{override.input_line}: no such choice.{suggest(choice, choices)} {listed}"


def _describe_settings(command: Command, jobs: Sequence[Sequence[Override]], groups: list[str]) -> list[str]:
    """Settings that are not there: in all jobs a misspelling, in some a sweep that cannot be."""
    missing: dict[str, list[Sequence[Override]]] = {}
    having: dict[str, list[Sequence[Override]]] = {}
    problems: list[str] = []
    for job in jobs:
        tree = _compose_chosen(command, job, groups).tree
        for override in job:
            if override.key_or_group in groups or override.is_hydra_override():
                continue
            present, value = _look_up(tree, override.key_or_group)
            if override.is_add() and present and value is not None and not isinstance(value, dict | list):
                problems.append(f"{override.input_line}: is there already. Write {str(override.input_line)[1:]}.")
            elif not override.is_add() and not override.is_force_add():
                (having if present else missing).setdefault(override.key_or_group, []).append(job)
    for key, lacking in missing.items():
        if key in having:
            problems.append(_describe_mismatch(key, lacking, having[key], command))
        else:
            problems.append(_describe_unknown(key, _compose_chosen(command, lacking[0], groups), groups))
    return list(dict.fromkeys(problems))


def _compose_chosen(command: Command, job: Sequence[Override], groups: list[str]) -> Composition:
    """The configuration that a job's choices give, before its values."""
    chosen = [str(o.input_line) for o in job if o.key_or_group in groups or o.is_hydra_override()]
    return compose_config(chosen, config_name=command.config_name)


def _describe_mismatch(
    key: str, lacking: Sequence[Sequence[Override]], having: Sequence[Sequence[Override]], command: Command
) -> str:
    """A sweep over choices of which only some have the setting: which, and what to type instead."""
    setting = next(word for word in command.words if parse_word(word).key_or_group == key)
    for word in command.words:
        group = parse_word(word).key_or_group
        without, with_it = (_values_of(group, jobs) for jobs in (lacking, having))
        if without and with_it and not set(without) & set(with_it):
            rest = [other for other in command.words if other not in (word, setting)]
            first = _join_command(command.typed, [f"{group}={','.join(without)}", *rest])
            second = _join_command(command.typed, [f"{group}={','.join(with_it)}", setting, *rest])
            return (
                f"{setting}: {group}={','.join(without)} has no such setting, only {group}={','.join(with_it)} has. "
                f"Type two commands, `{first}` and `{second}`, or sweep over experiment=... that each set their own."
            )
    return f"{setting}: only some jobs of the sweep have such a setting. Sweep over experiment=... with their own."


def _values_of(group: str, jobs: Sequence[Sequence[Override]]) -> list[str]:
    return list(dict.fromkeys(str(o.value()) for job in jobs for o in job if o.key_or_group == group))


def _join_command(typed: str, words: Sequence[str]) -> str:
    sweep = any(parse_word(word).is_sweep_override() for word in words)
    return f"{typed} {shlex.join([*(['-m'] if sweep else []), *words])}"


def _describe_unknown(key: str, base: Composition, groups: list[str]) -> str:
    """A setting that is not there, with the nearest that is, here or in another choice of its group."""
    group, present = key.split(".", 1)[0], flatten(base.tree)
    if group not in groups:
        return _describe_nameless(key, base, groups)
    what = f"{key}: {f'{group}={base.choices[group]}' if group in base.choices else group} has no such setting."
    elsewhere = {c: read_choice_keys(group, c) for c in list_choices(group) if c != base.choices.get(group)}
    owners = [choice for choice, keys in elsewhere.items() if key in keys]
    if owners:
        named = " or ".join(f"{group}={owner}" for owner in owners)
        return f"{what} {named} has it: add {group}={owners[0]}."
    own = [name for name in present if name.startswith(f"{group}.") and not name.rsplit(".", 1)[-1].startswith("_")]
    near = _find_near_end(key, own)
    if near:
        return f"{what} Did you mean {near}?"
    for choice, keys in elsewhere.items():
        near = _find_near_end(key, keys)
        if near:
            return f"{what} Did you mean {near} of {group}={choice}? Then add {group}={choice}."
    return f"{what} It has: {', '.join(name.removeprefix(f'{group}.') for name in own)}."


def _describe_nameless(key: str, base: Composition, groups: list[str]) -> str:
    """A setting whose first word is no group: it may have been forgotten (margin=5) or misspelt (los=mbls)."""
    what, first = f"{key}: no such group or setting.", key.split(".", 1)[0]
    # What experiments and searches set are settings of other groups.
    parts = [group for group in groups if group not in ("experiment", "hparams_search")]
    settings = sorted({n for g in parts for c in list_choices(g) for n in read_choice_keys(g, c)})
    settings = [n for n in [*flatten(base.tree), *settings] if "._" not in n]
    same_end = [name for name in settings if name.endswith(f".{key}")]
    if same_end:
        return f"{what} Did you mean {same_end[0]}?"
    near = get_close_matches(first, [*groups, *base.tree], n=1, cutoff=CLOSE)
    if near and "." in key:
        return what + suggest(near[0] + key.removeprefix(first), settings)
    return f"{what}{suggest(key, [*groups, *base.tree])} Groups: {', '.join(groups)}."


def _find_near_end(key: str, names: Iterable[str]) -> str | None:
    """The nearest name by its last part, and of several with that part the nearest by the rest, which is much alike."""
    by_end: dict[str, list[str]] = {}
    for name in names:
        by_end.setdefault(name.rsplit(".", 1)[-1], []).append(name)
    near = get_close_matches(key.rsplit(".", 1)[-1], list(by_end), n=1, cutoff=CLOSE)
    return get_close_matches(key, by_end[near[0]], n=1, cutoff=0)[0] if near else None


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
