"""The configuration of a run as what Hydra composes a command line on: the words are laid over what the run had."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override

from mlseg.checks import ConfigError
from mlseg.cli.compose import compose_choices, config_dirs, find_config_dir, flatten, list_groups, read_yaml
from mlseg.cli.judged_run import JudgedRun, read_run
from mlseg.cli.suggest import parse_word

CONFIG = "evaluate"
# What a judgement needs of a run's configuration.
PARTS = ("data", "model", "evaluation")
DEVICE_KEYS = ("device", "amp", "channels_last", "deterministic")
# Of the run's settings, those that can be given anew; all others would make it another run.
CHANGEABLE = (
    "data.root",
    "data.cache_dir",
    "data.workers",
    "data.split_seed",
    "data.split_fractions",
    "data.fold",
    "data.folds",
    "trainer.device",
)
ADDABLE = ("evaluation.", "data.merged_labels.", *CHANGEABLE)
# It chose the epoch when the run was trained, and chooses nothing now.
PAST_KEY = "evaluation.checkpoint_score"
_REFERENCE = re.compile(r"\$\{([a-z_][\w.]*)\}", re.IGNORECASE)


def find_base(words: Sequence[str]) -> str:
    """The primary config of a job: the configuration of the run that it names; "evaluate" if it names none.

    Raises:
        ConfigError: the run is none, or a word would make it another one.
        RunError: the run's records cannot be read.
    """
    overrides = [parse_word(word) for word in words]
    places = [o.value() for o in overrides if o.key_or_group == "run" and not o.is_sweep_override()]
    if not places:
        # Which settings there are is known with the run only.
        needing = [o.input_line for o in overrides if o.key_or_group.split(".")[0] in (*PARTS, "trainer")]
        if needing and not any(o.key_or_group == "run" for o in overrides):
            raise ConfigError(f"{needing[0]}: must be a setting of a run, got no run. Give run=<its directory> too.")
        return CONFIG
    run = read_run(places[-1])
    _check_fixed(run, overrides)
    return store_base(run)


def store_base(run: JudgedRun) -> str:
    """Make a run's configuration one that Hydra can compose from, and return its name."""
    node = {**read_yaml(find_config_dir() / f"{CONFIG}.yaml"), **build_base(run)}
    node["run"] = str(run.path)
    digest = hashlib.sha256(repr(node).encode()).hexdigest()[:16]
    ConfigStore.instance().store(name=f"{CONFIG}-{digest}", node=node)
    return f"{CONFIG}-{digest}"


def build_base(run: JudgedRun) -> dict[str, Any]:
    """What a judgement needs of a run's configuration, made whole.

    A run's config.yaml has all references filled in. They are put back where the shipped configuration has them and the
    value agrees, so that data.root=... moves the data of the source too. Settings that the run's version did not have
    yet are taken from the shipped configuration, see `find_added`.
    """
    tree: dict[str, Any] = {part: copy.deepcopy(run.config[part]) for part in PARTS if part in run.config}
    shipped, there = _read_shipped(run), flatten(run.config)
    for key, written in shipped.items():
        reference = _REFERENCE.fullmatch(written) if isinstance(written, str) else None
        if reference and key in there and there[key] == there.get(reference[1], _ABSENT):
            _put(tree, key, written)
    for key in find_added(run):
        _put(tree, key, shipped[key])
    trainer = run.config.get("trainer", {})
    return {**tree, "trainer": {"device": "auto", **{key: trainer[key] for key in DEVICE_KEYS if key in trainer}}}


def find_added(run: JudgedRun) -> list[str]:
    """Settings of the shipped configuration that the run's has no place for, because it was made by an older version.

    Only those about the evaluation itself. How the data is prepared and what the constructors take was once left to the
    code, which still does what it did for a run that does not say.
    """
    there = flatten(run.config)
    components = {key.removesuffix("_target_") for key in there if key.endswith("._target_")}
    return [
        key
        for key in _read_shipped(run)
        if key.startswith(ADDABLE)
        and key not in there
        and not key.startswith(tuple(components))
        and not any(other.startswith(f"{key}.") or key.startswith(f"{other}.") for other in there)
    ]


_ABSENT = object()


def _read_shipped(run: JudgedRun) -> dict[str, Any]:
    """The parts "data" and "evaluation" as they are shipped for this run's choices, flat, references as written."""
    data = run.choices.get("data", str(run.config["data"].get("name")))
    is_shipped = any((folder / "data" / f"{data}.yaml").is_file() for folder in config_dirs())
    chosen = {"data": data} if is_shipped else {}
    tree = compose_choices(chosen).tree
    return flatten({part: tree[part] for part in ("data", "evaluation") if part == "evaluation" or chosen})


def _check_fixed(run: JudgedRun, overrides: Sequence[Override]) -> None:
    """Refuse words that would make the run another one."""
    lines = [str(override.input_line) for override in overrides if _is_fixed(override, run)]
    if lines:
        changeable = ", ".join(["evaluation", *CHANGEABLE])
        raise ConfigError(
            f"{', '.join(lines)}: must be left to the run, which keeps its settings. What can be changed: {changeable}."
        )
    if any(override.key_or_group == PAST_KEY for override in overrides):
        raise ConfigError(
            f"{PAST_KEY}: must be left to the run, which chose its best epoch by it. Give checkpoint=last or a file."
        )


def _is_fixed(override: Override, run: JudgedRun) -> bool:
    key = override.key_or_group
    if key.split(".")[0] == "evaluation" or key in CHANGEABLE or override.is_hydra_override():
        return False
    part = key.split(".")[0]
    if part in ("data", "trainer") and "." in key and not override.is_add() and not override.is_force_add():
        # Others are misspelt: there is one to suggest.
        return any(name == key or name.startswith(f"{key}.") for name in flatten(run.config))
    return part in run.config or part in list_groups()


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, name = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[name] = value
