"""Content hashes of source files, remembered by path, size and times so that a second start reads no image."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_FILE = "hashes.json"
# A file changed this recently could change once more within the clock's resolution, so its hash is not remembered.
_SETTLED_S = 2.0


def hash_files(paths: Iterable[Path], *, memory: Path) -> dict[Path, str]:
    """The BLAKE2 hash of each file's bytes as stored; "" for a file that can't be read, which reading will report.

    Args:
        memory: the folder that remembers hashes between runs; losing it costs time only.
    """
    unique = list(dict.fromkeys(paths))
    known = _read_memory(memory / _FILE)
    stamps = {path: _stamp(path) for path in unique}
    hashes = {path: known[key] for path, key in stamps.items() if key in known}
    todo = [path for path in unique if path not in hashes]
    if not todo:
        return hashes
    # hashlib lets other threads run while it works.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        hashes.update(zip(todo, pool.map(_hash_file, todo), strict=True))
    now = time.time()
    fresh = {stamps[path]: hashes[path] for path in todo if hashes[path] and _is_settled(path, now)}
    if fresh:
        _write_memory(memory / _FILE, fresh)
    return hashes


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{os.path.abspath(path)}|{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}"


def _is_settled(path: Path, now: float) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return now - max(status.st_mtime, status.st_ctime) > _SETTLED_S


def _hash_file(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def _read_memory(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_memory(path: Path, fresh: dict[str, str]) -> None:
    """Add to what is remembered now; of two processes at once the last one wins, which loses time only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps({**_read_memory(path), **fresh}), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
