"""Whether network and scores are made for the data: as many axes, channels and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import RANGES
from mlseg.cli.compose import compose_choices, config_dirs, find_config_dir, flatten, read_yaml
from mlseg.cli.known_keys import show, state

DIMS = "data.dims"
# What the shipped configuration takes over from the data set; another value fits no image or no target of it.
FACTS = tuple(f"${{{key}}}" for key in (DIMS, "data.in_channels", "data.num_classes", "data.source.labels"))


def find_fit_problems(cfg: DictConfig, tree: Mapping[str, Any], choices: Mapping[str, str]) -> Iterator[str]:
    """A network that sees slices only for volumes, and values of one's own where the data set's belong.

    A network is for volumes too if a key of its YAML takes ${data.dims}, unless a rule of its class forbids it.

    Args:
        cfg: the composed configuration.
        tree: the same with references filled in, as plain dicts.
        choices: the choice of each group.
    """
    values, standard = flatten(dict(tree)), flatten(compose_choices(choices).tree)
    written: dict[str, Any] = flatten(OmegaConf.to_container(cfg, resolve=False))  # type: ignore[arg-type]
    for key, reference in standard.items():
        if not key.startswith(("model.", "evaluation.")) or reference not in FACTS or key not in written:
            continue
        fact = values.get(reference[2:-1])
        if written[key] != reference and values.get(key) != fact and fact is not None:
            yield state(key, f"{reference[2:-1]} ({show(fact)})", values.get(key), f"Leave {key} out.")
    choice, target = str(choices.get("model")), written.get("model._target_")
    shipped = find_config_dir() / "model" / f"{choice}.yaml"
    # Of a network of one's own only its author knows.
    if values.get(DIMS) == 3 and shipped.is_file() and target == standard.get("model._target_"):
        node = {key.removeprefix("model."): value for key, value in standard.items() if key.startswith("model.")}
        if not _sees_volumes(node):
            rule = f"2 with model={choice}, which sees slices only"
            yield state(DIMS, rule, 3, f"Give data.dims=2, or model={'|'.join(_list_for_volumes())}.")


def _sees_volumes(node: Mapping[str, Any]) -> bool:
    """Whether a network's YAML, references as they are written, hands ${data.dims} to something that takes 3."""
    rules = RANGES.get(str(node.get("_target_")), {})
    takes = [key for key, value in node.items() if value == FACTS[0]]
    return bool(takes) and all(key not in rules or rules[key].accepts(3) for key in takes)


def _list_for_volumes() -> list[str]:
    """The choices of `model` that see volumes."""
    paths = {path.stem: path for folder in config_dirs() for path in (folder / "model").glob("*.yaml")}
    return [choice for choice, path in sorted(paths.items()) if _sees_volumes(read_yaml(path))]
