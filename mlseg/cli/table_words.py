"""What is typed for a cell of a table, and the configuration that it means."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import OverrideType
from omegaconf import OmegaConf

from mlseg.cli.compose import Composition, compose_choices, compose_config, flatten
from mlseg.cli.suggest import parse_word

PHANTOMS = "phantom_quick"


def build_words(data: str, own: Sequence[str], settings: Mapping[str, Any], extra: Sequence[str]) -> tuple[str, ...]:
    """What is typed for one cell; of a setting that is given several times the last counts.

    The order is: the profile's, the data set's, the network's, what was chosen for the loss, the row's own, `extra`.
    """
    choices = dict(word.split("=", 1) for word in own if word.startswith(("model=", "loss=")))
    model, loss = choices.get("model", "unet"), choices.get("loss", "ce")
    words = [f"data={data}", *_place(data, settings), *settings["words"], *settings["data"].get(data, [])]
    words += [*settings["model"].get(model, []), *settings["chosen"].get(f"{data}/{loss}", []), *own, *extra]
    weights = os.environ.get("MLSEG_WEIGHTS", "data/weights")
    last = {word.partition("=")[0]: word.replace("{weights}", weights) for word in words}
    # Choices first, then what is set within them.
    return tuple(last[key] for key in sorted(last, key=lambda key: "." in key))


def compose_words(words: Sequence[str]) -> Composition:
    """What `compose_config` gives, quicker for many cells: Hydra composes the choices, which cells share, once.

    Args:
        words: choices and values; where one is neither (an experiment, +key, ~key), Hydra composes all of them.
    """
    standard = compose_config(()).choices
    parsed = [parse_word(word) for word in words]
    chosen = {one.key_or_group: str(one.value()) for one in parsed if one.key_or_group in standard}
    values = [one for one in parsed if one.key_or_group not in standard]
    base = compose_choices({**standard, **chosen})
    cfg = base.cfg.copy()
    keys = flatten(base.tree)
    plain = all(one.type == OverrideType.CHANGE and not one.is_sweep_override() for one in parsed)
    if not plain or not all(one.key_or_group in keys for one in values):
        return compose_config(words)
    for one in values:
        OmegaConf.update(cfg, one.key_or_group, one.value())
    tree = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(tree, dict)
    return replace(base, cfg=cfg, tree=tree)  # type: ignore[arg-type]


def find_phantom(data: str, settings: Mapping[str, Any]) -> Path | None:
    """Where the phantom lies that stands in for a data set; None if the profile has none."""
    if data not in settings["phantoms"]:
        return None
    return Path(os.environ.get("MLSEG_DATA", "data/raw")) / PHANTOMS / data


def _place(data: str, settings: Mapping[str, Any]) -> list[str]:
    words = []
    phantom = find_phantom(data, settings)
    if phantom is not None:
        words.append(f"data.root={phantom}")
    if settings["outputs"]:
        words.append(f"output_root={Path(os.environ.get('MLSEG_OUTPUTS', 'outputs')) / settings['outputs']}")
    return words
