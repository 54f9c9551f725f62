"""The name of a run's directory and the configuration that claims it, both from the resolved configuration."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.cli.complete import FILLED
from mlseg.cli.compose import Composition, compose_choices, flatten
from mlseg.run_identity import INERT_KEYS, select_telling

OWN_PART = ("data", "model", "loss")
# Data choices that are a layout rather than a data set.
LAYOUTS = ("msd", "nnunet")
MAX_LENGTH = 100
_REFERENCE = re.compile(r"\$\{([a-z_][\w.]*)\}", re.IGNORECASE)


def run_directory(cfg: DictConfig, choices: Mapping[str, str]) -> Path:
    """Where a run lives: <output_root>/<data>/<model>/<loss>/<what differs>/seed<k>.

    Args:
        cfg: the composed configuration of a run, without Hydra's part.
        choices: the choice of each group, e.g. {"data": "acdc", "loss": "mbls", ...}.

    Returns:
        `run_dir` if it is given; else the path above, with `run_name` for <what differs> if that is given, and the data
        set's own name after the choice of a layout.
    """
    if cfg.get("run_dir") is not None:
        return Path(str(cfg.run_dir)).expanduser()
    parts = [_safe(choices[group]) for group in OWN_PART]
    # A layout holds many data sets: outputs/msd-Hippocampus/...
    own_name = OmegaConf.select(cfg, "data.name")
    if own_name is not None and choices["data"] in LAYOUTS:
        parts[0] = f"{parts[0]}-{_safe(str(own_name))}"
    name = cfg.get("run_name")
    differing = describe_difference(cfg, choices) if name is None else _safe(str(name))
    return Path(str(cfg.output_root)).expanduser().joinpath(*parts, differing, f"seed{cfg.seed}")


def claim(cfg: DictConfig) -> dict[str, Any]:
    """The flat resolved configuration of everything that changes the result; what a run directory is claimed by."""
    settings = select_telling(_resolve(cfg))
    return {key: value for key, value in sorted(settings.items()) if key not in INERT_KEYS}


def describe_difference(cfg: DictConfig, choices: Mapping[str, str]) -> str:
    """What sets a run apart from the defaults of its data set, network and loss, e.g. `margin-5+step_size-6`.

    Choices of the other groups stand as `optimizer-adamw`, values as <last part of the key>-<value>, with as much of
    the key before it as it takes to be the only one. "default" if nothing differs. Without = and comma, which a path on
    the command line would have to quote.
    """
    base = compose_choices(choices)
    standard = compose_choices({group: choices[group] for group in OWN_PART}).choices
    words = [f"{group}-{choice}" for group, choice in base.choices.items() if standard[group] != choice]
    words += name_differences(cfg, base)
    return join_words(sorted(_safe(word) for word in words)) or "default"


def join_words(words: Sequence[str]) -> str:
    """The name of a folder; a long one ends in a hash of what was cut off."""
    text = "+".join(map(_safe, words)) if words else ""
    if len(text) > MAX_LENGTH:
        text = f"{text[: MAX_LENGTH - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return text


def find_collisions(jobs: Sequence[Composition]) -> list[str]:
    """A message for each run directory that several jobs of one sweep would share."""
    counts = Counter(run_directory(job.cfg, job.choices) for job in jobs)
    return [
        f"sweep: each job needs a run directory of its own, but {n} of {len(jobs)} would share {path}. "
        "Leave run_dir and run_name out, and sweep only settings that change the result."
        for path, n in counts.items()
        if n > 1
    ]


def name_differences(cfg: DictConfig, base: Composition, *, inert: Set[str] = INERT_KEYS) -> list[str]:
    """`margin-5` for each setting that differs from `base`, but for those that are `inert`."""
    return [f"{label}-{_format(value)}" for label, value in _differing_values(cfg, base, inert)]


def _resolve(cfg: DictConfig) -> dict[str, Any]:
    tree = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(tree, dict)
    return flatten(tree)  # type: ignore[arg-type]


def _differing_values(cfg: DictConfig, base: Composition, inert: Set[str]) -> list[tuple[str, Any]]:
    """(label, value) of each setting that differs from `base` and is not a mere echo of another that differs."""
    here, there = _resolve(cfg), _resolve(base.cfg)
    written, written_there = flatten(OmegaConf.to_container(cfg, resolve=False)), flatten(base.tree)  # type: ignore[arg-type]
    keys = sorted((here.keys() | there.keys()) - inert - {"seed"})
    absent = object()
    differing = [key for key in keys if here.get(key, absent) != there.get(key, absent)]
    # What the data set itself says is no difference.
    differing = [key for key in differing if not (key in FILLED and there.get(key, absent) is None)]
    named = [
        key
        for key in differing
        if _find_written(written, key) != _find_written(written_there, key) or not _echoes(_find_written(written, key))
    ]
    return [(_shorten(key, keys), here.get(key)) for key in named]


def _find_written(written: Mapping[str, Any], key: str) -> Any:
    """What is written for a key, or for the mapping that it comes from by reference."""
    while key not in written and "." in key:
        key = key.rpartition(".")[0]
    return written.get(key)


def _echoes(written: Any) -> bool:
    """True for a reference to settings that speak for themselves, such as ${data.num_classes}."""
    references = _REFERENCE.findall(written) if isinstance(written, str) else []
    return bool(references) and not any(reference in INERT_KEYS for reference in references)


def _shorten(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    for start in range(len(parts) - 1, 0, -1):
        tail = ".".join(parts[start:])
        if sum(other == tail or other.endswith(f".{tail}") for other in keys) == 1:
            return tail
    return key


def _format(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(_format(item) for item in value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = str(value)
    return Path(text).stem if "/" in text else text


def _safe(text: str) -> str:
    """A folder name that every file system takes."""
    return re.sub(r"[^\w.+-]+", "-", text, flags=re.ASCII).strip("-.") or "default"
