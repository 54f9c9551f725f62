"""Checkpoints: plain types and tensors only, written whole or not at all."""

from __future__ import annotations

import errno
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlseg.checks import RunError
from mlseg.records import replacing

VERSION = 1
_FILE_WRITER = re.compile(r"inline_container|PytorchStreamWriter|file write failed")


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint through a temporary file that is synced and then renamed.

    Args:
        path: the final name.
        state: tensors and plain Python types, nested in dicts, lists and tuples.

    Raises:
        RunError: the disk is full or the folder cannot be written; the previous checkpoint is untouched.
    """
    with replacing(path) as temporary:
        try:
            torch.save({"version": VERSION, **state}, temporary)
        except RuntimeError as error:
            if not _FILE_WRITER.search(str(error)):
                raise
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error  # so torch reports a full disk


def load_checkpoint(path: Path, *, remedy: str = "Restore it, or move it away to start anew.") -> dict[str, Any]:
    """Read a checkpoint onto the CPU without executing code from it.

    Args:
        path: the file.
        remedy: what to do if it is none, for the error.

    Raises:
        RunError: the file is damaged, holds objects other than tensors and plain types, or is of another version.
    """
    try:
        # torch reads past damaged bytes without a word.
        damaged = zipfile.ZipFile(path).testzip()
        if damaged:
            raise ValueError(f"damaged in {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: not a readable checkpoint ({reason[:120]}). {remedy}") from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise RunError(f"{path}: not a checkpoint of this version of mlseg. {remedy}")
    return state


def settle_best(waiting: Path, best: Path, *, epoch: int) -> None:
    """Give a waiting checkpoint the name of the best if it is the one of `epoch`, else remove it."""
    if not waiting.exists():
        return
    if load_checkpoint(waiting).get("epoch") == epoch:
        os.replace(waiting, best)
    else:
        waiting.unlink()


def bare_network(network: nn.Module) -> nn.Module:
    """The network itself, without the wrappers of torch.compile and DDP."""
    while True:
        inner = getattr(network, "_orig_mod", None) or (network.module if hasattr(network, "module") else None)
        if not isinstance(inner, nn.Module):
            return network
        network = inner
