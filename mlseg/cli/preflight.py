"""All that is wrong with a composed configuration, found at once and before anything heavy is imported."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlseg.checks import (
    COUNT,
    FRACTION,
    POSITIVE,
    RANGES,
    ConfigError,
    OneOf,
    Range,
    Rule,
    Subset,
    find_merged_problems,
)
from mlseg.cli.complete import find_dataset_problem, find_missing
from mlseg.cli.compose import flatten, read_choices
from mlseg.cli.known_keys import find_key_problems, state
from mlseg.cli.network_fit import find_fit_problems
from mlseg.cli.place_problems import find_place_problems
from mlseg.cli.suggest import suggest
from mlseg.cli.targets import find_target_problems
from mlseg.data.splits import PARTS as SPLIT_PARTS

PARTS = ("data", "model", "loss", "optimizer", "scheduler", "augment", "trainer", "evaluation")

# What no constructor checks, because no constructor takes it; `_find_data_problems` and the like know the rest.
RULES: dict[str, Rule] = {
    "seed": Range(low=0, integer=True),
    "data.batch_size": COUNT,
    "data.num_classes": Range(low=2, integer=True),
    "data.in_channels": COUNT,
    "data.crop_jitter": Range(low=0, integer=True),
    "data.dims": Range(low=2, high=3, integer=True),
    "data.residency": OneOf(("auto", "device", "memory", "disk")),
    "data.skip_blank": OneOf((False, True)),
    "data.normalise_over": RANGES["mlseg.data.preprocess.Preprocessing"]["normalise_over"],
    "data.flip_axes": Subset(("d", "h", "w")),
    "data.patches_per_case": COUNT,
    "data.foreground_share": FRACTION,
    "data.split_seed": Range(integer=True),
    "data.year": RANGES["mlseg.data.brats.BraTSSource"]["year"],
    "data.workers": Range(low=1, integer=True, optional=True),
    "evaluation.batch_size": COUNT,
    "evaluation.checkpoint_score": OneOf(("dice", "iou", "last")),
    "evaluation.inference": OneOf(("full", "window")),
    "evaluation.precision": OneOf(("float32", "bf16")),
    "trainer.amp": OneOf(("auto", "bf16", "fp16", "off")),
}


def check_config(cfg: DictConfig, choices: Mapping[str, str] | None = None) -> None:
    """Raise ConfigError with every problem of a run's configuration, one line each."""
    problems = find_config_problems(cfg, choices)
    if problems:
        raise ConfigError("\n".join(problems))


def find_config_problems(cfg: DictConfig, choices: Mapping[str, str] | None = None) -> list[str]:
    """Every problem of a run's configuration: `<key>: <rule>, got <value>. <Remedy>.`

    Args:
        cfg: the composed configuration, without Hydra's part.
        choices: the choice of each group; None takes them from the running Hydra. Without any, keys are not compared
            with the ones that the choices have.
    """
    problems: list[str] = []
    tree = _resolve(cfg, problems)
    missing = [part for part in PARTS if not isinstance(tree.get(part), dict)]
    problems += [f"{part}: a run needs one, got none. Give {part}=... (see --help)." for part in missing]
    if missing:
        return problems
    problems += find_target_problems(tree)
    for find in (find_rule_problems, _find_data_problems, find_place_problems, find_evaluation_problems):
        problems += find(tree)
    problems += _find_run_problems(tree)
    if choices is None and HydraConfig.initialized():
        choices = read_choices(HydraConfig.get().runtime.choices)
    if choices is not None:
        problems += find_fit_problems(cfg, tree, choices)
        problems += find_key_problems(cfg, tree, choices)
    unknown = find_missing(cfg) if isinstance(cfg.get("data"), DictConfig) else []
    return drop_echoes(problems, flatten(OmegaConf.to_container(cfg, resolve=False)), unknown)  # type: ignore[arg-type]


def drop_echoes(problems: list[str], written: Mapping[str, Any], unknown: Sequence[str]) -> list[str]:
    """One problem `<key>: ...` a setting, the first found, and none for a mere reference to a setting that has one.

    Args:
        written: the flat configuration with references as they are written.
        unknown: settings that the data set should have told; why it did not is a problem of its own.
    """
    first = {problem.split(":", 1)[0]: problem for problem in reversed(problems)}
    first = {key: problem for key, problem in first.items() if key not in unknown}
    references = {f"${{{key}}}" for key in [*first, *unknown]}
    return [problem for key, problem in reversed(first.items()) if str(written.get(key)) not in references]


def _resolve(node: DictConfig, problems: list[str], prefix: str = "") -> dict[str, Any]:
    """The configuration as plain dicts with references filled in; those that lead nowhere are reported and left out."""
    tree: dict[str, Any] = {}
    for name in map(str, node):
        key = f"{prefix}{name}"
        try:
            value = node[name]
            is_list = OmegaConf.is_list(value)
            tree[name] = OmegaConf.to_container(value, resolve=True) if is_list else value
        except OmegaConfBaseException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            written = node._get_node(name)
            problems.append(f"{key}: must have a value, got '{written}' ({reason}). Give {key}=...")
            continue
        if OmegaConf.is_dict(value):
            tree[name] = _resolve(value, problems, f"{key}.")
    return tree


def find_rule_problems(tree: dict[str, Any]) -> Iterator[str]:
    """RULES, and the RANGES of every component that is there."""
    values = flatten(tree)
    rules = {key: rule for key, rule in RULES.items() if key in values}
    for key, target in values.items():
        if key.endswith("._target_"):
            node = key.removesuffix("_target_")
            rules |= {node + argument: rule for argument, rule in RANGES.get(str(target), {}).items()}
    for key, rule in rules.items():
        # A list or a dict is looked up as a whole.
        value = values.get(key, _get(tree, key))
        if value is _ABSENT:
            continue
        if not rule.accepts(value):
            yield state(key, rule, value)
        elif isinstance(rule, Range) and rule.integer and isinstance(value, float):
            yield state(key, rule, value, f"Write {key}={int(value)}.")


_ABSENT = object()


def _get(tree: dict[str, Any], key: str) -> Any:
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return _ABSENT
        node = node[part]
    return node


def _find_data_problems(tree: dict[str, Any]) -> Iterator[str]:
    data = tree["data"]
    untold = find_dataset_problem(data)
    if untold and os.path.isdir(os.path.expanduser(str(data.get("root")))):
        yield untold
    source = data.get("source")
    source = source if isinstance(source, dict) else {}
    for key, names in (("num_classes", "labels"), ("in_channels", "channels")):
        listed, number = source.get(names), data.get(key)
        if isinstance(listed, list) and isinstance(number, int) and number != len(listed):
            rule = f"the number of data.source.{names} ({len(listed)})"
            yield state(f"data.{key}", rule, number, f"Give data.{key}={len(listed)}, or other {names}.")
    dims = data.get("dims") if data.get("dims") in (2, 3) else 2
    if not _is_list_of(data.get("crop"), dims, COUNT):
        count = {2: "two", 3: "three"}[dims]
        rule = f"{count} whole numbers of at least 1"
        yield state("data.crop", rule, data.get("crop"), f"Give e.g. data.crop=[{','.join(['192'] * dims)}].")
    if dims == 3 and data.get("crop_jitter"):
        yield state(
            "data.crop_jitter", "0 with data.dims=3, whose patches lie anywhere", data["crop_jitter"], "Set it to 0."
        )
    if data.get("spacing_mm") is not None and not _is_list_of(data["spacing_mm"], 2, POSITIVE):
        rule = "null or two numbers above 0"
        yield state("data.spacing_mm", rule, data["spacing_mm"], "Give e.g. data.spacing_mm=[1.4,1.4].")
    clip = data.get("clip_percentiles")
    if not _is_list_of(clip, 2, Range(low=0, high=100)) or not clip[0] < clip[1]:
        rule = "two rising numbers within 0 and 100"
        yield state("data.clip_percentiles", rule, clip, "Give e.g. data.clip_percentiles=[0.5,99.5].")
    shares = data.get("split_fractions")
    above = [Range(low=0, high=1, open_low=part != "val") for part in SPLIT_PARTS]
    fits = isinstance(shares, list) and len(shares) == 3 and all(map(Range.accepts, above, shares))
    if not fits or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        rule = "three shares that add up to 1, above 0 but for the second (validation)"
        yield state("data.split_fractions", rule, shares, "Give e.g. data.split_fractions=[0.7,0.1,0.2].")


def _is_list_of(value: Any, length: int, rule: Range) -> bool:
    return isinstance(value, list) and len(value) == length and all(rule.accepts(item) for item in value)


def find_evaluation_problems(tree: dict[str, Any]) -> Iterator[str]:
    """Protocols that are not there, or that lack what they need."""
    evaluation = tree["evaluation"]
    known = [key for key, value in evaluation.items() if isinstance(value, dict) and "_target_" in value]
    names = evaluation.get("protocols")
    if not isinstance(names, list) or not names or len(set(map(str, names))) != len(names):
        rule = f"a list of different protocols out of {', '.join(known)}"
        yield state("evaluation.protocols", rule, names, f"Give evaluation.protocols=[{','.join(known)}].")
        return
    if "merged" in names:
        labels, merged = tree["data"].get("source", {}).get("labels"), evaluation.get("merged", {}).get("merged")
        for problem in find_merged_problems(merged, labels) if isinstance(labels, list) else ():
            yield f"data.merged_labels: {problem}"
    for name in names:
        if name not in known:
            meant = suggest(str(name), known).strip() or "Choose of these."
            yield state("evaluation.protocols", f"protocols out of {', '.join(known)}", name, meant)


def _find_run_problems(tree: dict[str, Any]) -> Iterator[str]:
    trainer = tree["trainer"]
    device, amp = trainer.get("device"), trainer.get("amp")
    if not isinstance(device, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        yield state("trainer.device", "auto, cpu, cuda or cuda:<number>", device)
    elif amp == "fp16" and device == "cpu":
        yield state("trainer.amp", f"auto, bf16 or off on trainer.device={device}", amp, "fp16 needs a CUDA GPU.")
    scheduler = tree["scheduler"]
    steps, climb = scheduler.get("total_steps"), scheduler.get("pct_start")
    # torch divides by the epochs of the climb less one.
    if isinstance(steps, int) and isinstance(climb, int | float) and 0 < climb < 1 and steps * climb <= 1:
        rule, remedy = f"above 1 / scheduler.pct_start ({1 / climb:g})", "Train longer, or take scheduler=constant."
        yield state("scheduler.total_steps", rule, steps, remedy)
    for key in ("channels_last", "progress"):
        if trainer.get(key) != "auto" and not isinstance(trainer.get(key), bool):
            yield state(f"trainer.{key}", "true, false or auto", trainer.get(key))
