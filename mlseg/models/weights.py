"""Weights from a local file, checked tensor by tensor: nothing is taken silently, nothing is left out silently."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError

# Counters of batch norm that old files lack and that nothing here reads.
OPTIONAL_SUFFIX = "num_batches_tracked"


def read_state_dict(owner: str, path: str | Path) -> dict[str, Tensor]:
    """The named tensors of a .safetensors file or of one that torch saved, on the CPU; no code in it is run.

    A dict with the tensors under `state_dict`, and names that begin with `module.`, are taken too.

    Args:
        owner: who asks, for the error.
        path: of the file.

    Raises:
        ConfigError: there is no such file, or it holds something else.
    """
    if not Path(path).is_file():
        raise ConfigError(f"{owner}: weights_path must be a file, got '{path}'. Correct it, or give weights_path=null.")
    try:
        state = _read(Path(path))
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ConfigError(unreadable(owner, path, str(error) or type(error).__name__)) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()) or not state:
        raise ConfigError(unreadable(owner, path, f"it holds a {type(state).__name__} of other things"))
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def unreadable(owner: str, path: str | Path, reason: str) -> str:
    """The message about a file that does not hold weights."""
    reason = " ".join(reason.split())[:120]
    return (
        f"{owner}: weights_path must be a file of named tensors (.pth, .safetensors), got '{path}' ({reason}). "
        "Give another file, or weights_path=null."
    )


def load_strictly(owner: str, module: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Fill every parameter and buffer of `module` from `state`.

    Args:
        owner: who asks, for the error.
        module: what is filled.
        state: tensors under the names that the module gives them; batch norm's counters may be missing.
        path: where they are from, for the error.

    Raises:
        ConfigError: a tensor is missing, left over or of another shape.

    Example:
        >>> load_strictly("Net", nn.Linear(2, 1), {"weight": torch.ones(1, 2)}, "w.pth")
        Traceback (most recent call last):
        mlseg.checks.ConfigError: Net: weights_path must hold its tensors and no others, got 'w.pth' without 'bias'. \
Give the weights of this very network.
    """
    wanted = module.state_dict()
    missing = [f"'{name}'" for name in wanted if name not in state and not name.endswith(OPTIONAL_SUFFIX)]
    unknown = [f"'{name}'" for name in state if name not in wanted]
    misshapen = [
        f"'{name}' of shape {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    words = {"without": missing, "with an unknown": unknown, "with": misshapen}
    faults = [f"{word} {_shorten(names)}" for word, names in words.items() if names]
    if faults:
        raise ConfigError(
            f"{owner}: weights_path must hold its tensors and no others, got '{path}' {' and '.join(faults)}. "
            "Give the weights of this very network."
        )
    module.load_state_dict({name: state.get(name, value) for name, value in wanted.items()})


def without(state: Mapping[str, Tensor], prefixes: Iterable[str]) -> dict[str, Tensor]:
    """The tensors whose names begin with none of `prefixes`, such as those of a classifier that is not used."""
    return {name: value for name, value in state.items() if not name.startswith(tuple(prefixes))}


def _shorten(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _read(path: Path) -> Any:
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
