"""The folder of one evaluation: named by what differs, filled out of sight, and put in its place when it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError, RunError
from mlseg.records import read_json

RECORD = "run.json"
KIND = "evaluation"
_LOCK, _SOON_S = ".lock", 3600.0


def check_free(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Refuse a folder that holds anything but an evaluation with the same settings.

    Args:
        folder: where the evaluation will be.
        settings: flat {key: value} of what is judged and how, as JSON holds it.

    Returns:
        The record of the earlier evaluation, or None if there is none.

    Raises:
        ConfigError: the folder is something else, or holds an evaluation with other settings.
    """
    record = check_kind(folder)
    if record is None:
        return None
    there: dict[str, Any] = record.get("settings", {})
    differing = sorted(key for key in there.keys() | settings.keys() if there.get(key) != settings.get(key))
    if differing:
        listed = ", ".join(
            f"{key} ({_show(there.get(key))} there, {_show(settings.get(key))} now)" for key in differing[:3]
        )
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise ConfigError(f"{folder}: belongs to an evaluation with other settings: {listed}{more}. Give name=...")
    return record


def check_kind(folder: Path) -> dict[str, Any] | None:
    """The record of the evaluation in a folder, None if the folder is new.

    Raises:
        ConfigError: it is something else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    record = read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    if record.get("kind") != KIND:
        raise ConfigError(
            f"output: must be a new folder or an earlier evaluation, got {folder}, which is something else. "
            "Give another name=... or output=..."
        )
    return record


@contextlib.contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """A hidden folder to fill; at the end it takes the place of `folder`, so that no half of an evaluation is seen.

    If what happens inside fails, nothing of it is left, and what was in `folder` is untouched. What a killed process
    left behind is removed by the next one.

    Raises:
        RunError: it cannot be written.
    """
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    made = not folder.parent.exists()
    try:
        with _writing(folder):
            hidden.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(folder)
            hidden.mkdir()
        with _holding(hidden / _LOCK):
            yield hidden
        with _writing(folder):
            (hidden / _LOCK).unlink()
            _replace(hidden, folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):  # not empty: it is there, as it should
                folder.parent.rmdir()


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written ({error.strerror or error}). Free space, or give output=/another/place."
        ) from error


@contextlib.contextmanager
def _holding(lock: Path) -> Iterator[None]:
    """A lock of the kernel's, which goes with the process, however that ends."""
    with open(lock, "w", encoding="utf-8") as file:
        with contextlib.suppress(OSError):  # where files cannot be locked, leftovers are not removed either
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _replace(hidden: Path, folder: Path) -> None:
    """Folders cannot be exchanged in one step everywhere, so the earlier one steps aside first."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.old.tmp")
    if folder.exists():
        os.replace(folder, aside)
    os.replace(hidden, folder)
    shutil.rmtree(aside, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Hidden folders that no living process holds."""
    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.*.tmp"):
        try:
            with open(leftover / _LOCK, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:  # just made, or about to take its place; or its process was killed right then
            if time.time() - leftover.stat().st_mtime < _SOON_S:
                continue
        except OSError:  # alive, or on a file system that cannot lock files
            continue
        shutil.rmtree(leftover, ignore_errors=True)


def _show(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
