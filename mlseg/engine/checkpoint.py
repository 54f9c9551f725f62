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
            if not path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
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
        with zipfile.ZipFile(path) as archive:
            _check_archive(archive)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words tell how to run what is in there
        reason = "it holds more than tensors and plain types, and nothing of it was executed"
        raise RunError(f"{path}: not a readable checkpoint ({reason}). {remedy}") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: not a readable checkpoint ({reason[:120]}). {remedy}") from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise RunError(f"{path}: not a checkpoint of this version of mlseg. {remedy}")
    return state


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Raise ValueError unless this is an archive as torch writes it, whole: it reads past damaged bytes without a word.

    torch compresses nothing, so what is compressed is not unpacked, however large it may become.
    """
    entries = archive.infolist()
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if not {"data.pkl", "version"} <= names or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("an archive, but not one of torch's")
    damaged = archive.testzip()
    if damaged:
        raise ValueError(f"damaged in {damaged}")


def find_mismatch(error: BaseException) -> str:
    """What torch says against a state that does not fit, in one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    said = " ".join(lines[1:2] if lines[0].endswith(":") and len(lines) > 1 else lines[:1])
    return said if len(said) <= 160 else f"{said[:157]}..."


def settle_best(waiting: Path, best: Path, *, epoch: int) -> None:
    """Give a waiting checkpoint the name of the best if it is the one of `epoch` (from 1), else remove it.

    Raises:
        RunError: it is damaged, and the best is not that of `epoch` either.
    """
    if not waiting.exists():
        return
    try:
        found = load_checkpoint(waiting).get("epoch")
    except RunError:
        if epoch and _find_epoch(best) != epoch:
            raise
        found = None  # the best is in its place already, or there is none yet
    if found is not None and found == epoch:
        os.replace(waiting, best)
    else:
        waiting.unlink()


def _find_epoch(path: Path) -> int | None:
    """The epoch of a checkpoint; None if it has none or cannot be read."""
    if not path.exists():
        return None
    try:
        return load_checkpoint(path).get("epoch")
    except RunError:
        return None


def bare_network(network: nn.Module) -> nn.Module:
    """The network itself, without the wrappers of torch.compile and DDP."""
    while True:
        inner = getattr(network, "_orig_mod", None) or (network.module if hasattr(network, "module") else None)
        if not isinstance(inner, nn.Module):
            return network
        network = inner
