"""A folder that holds a phantom: claimed before it is written, known by its marker, and never somebody's data."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlseg.checks import COUNT, POSITIVE, ConfigError, DataError, Range, check_range

MARKER = "phantom.json"
_VERSION = 1
# A subject of full size takes up to 1 GB while it is drawn.
_MAX_THREADS = 8


def check_phantom(
    owner: str,
    *,
    subjects: int,
    seed: int,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    smallest: Sequence[int] = (8, 32, 32),
) -> dict[str, Any]:
    """The arguments that every phantom has, as settings of `write_folder`.

    Args:
        owner: who is asked, for the message.
        subjects: at least 1.
        seed: at least 0.
        shape: voxels (d,h,w), each at least that of `smallest`.
        spacing_mm: voxel size (d,h,w) above 0.

    Raises:
        ConfigError: one of them is out of range.
    """
    check_range(owner, "subjects", subjects, COUNT)
    check_range(owner, "seed", seed, Range(low=0, integer=True))
    if len(shape) != 3 or len(spacing_mm) != 3:
        raise ConfigError(f"{owner}: shape and spacing_mm must be (d,h,w), got {shape}, {spacing_mm}. Give 3.")
    for value, low in zip(shape, smallest, strict=True):
        check_range(owner, "shape", value, Range(low=low, integer=True))
    for length in spacing_mm:
        check_range(owner, "spacing_mm", length, POSITIVE)
    return {"subjects": subjects, "seed": seed, "shape": [*shape], "spacing_mm": [*spacing_mm]}


def write_folder(
    root: Path, settings: Mapping[str, Any], *, entries: Sequence[str], jobs: Sequence[Callable[[], None]]
) -> Path:
    """Write a phantom into `root` by running `jobs`, several at a time, and return `root`.

    A root that already holds the phantom with these settings is left as it is; one that holds another is written anew.

    Args:
        settings: what the files depend on, JSON types only.
        entries: the folders and files directly in `root` that the jobs write, and nothing else of it is ever removed.
        jobs: each writes its own files, usually a subject's; they need not make the folders in `entries`.

    Raises:
        DataError: `root` holds something else than a phantom, or can't be written.
    """
    record = {"version": _VERSION, **settings, "entries": [*entries]}
    try:
        if _claim(root, record):
            _run(jobs)
            whole = {**record, "files": _count_files(root, entries)}
            (root / MARKER).write_text(json.dumps(whole) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{root}: must be a folder that can be written, got {error}. Give another root.") from error
    return root


def _claim(root: Path, record: dict[str, Any]) -> bool:
    """Make `root` ready to be written; False if the phantom is already there. Other files are never touched."""
    marker = root / MARKER
    if marker.is_file():
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found == {**record, "files": _count_files(root, record["entries"])}:
            return False
        old = found.get("entries", ["training"]) if isinstance(found, dict) else record["entries"]
        for entry in [entry for entry in old if Path(entry).name == entry]:
            if (root / entry).is_dir():
                shutil.rmtree(root / entry)
            else:
                (root / entry).unlink(missing_ok=True)
    elif root.is_dir() and any(root.iterdir()):
        raise DataError(f"{root}: must be empty or hold a phantom, got other files. Give another root.")
    root.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return True


def _run(jobs: Sequence[Callable[[], None]]) -> None:
    """In threads: drawing and compressing leave Python's lock alone most of the time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pool = ThreadPoolExecutor(max(1, min(cores, _MAX_THREADS, len(jobs))), thread_name_prefix="phantom")
    try:
        for future in [pool.submit(job) for job in jobs]:
            future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _count_files(root: Path, entries: Sequence[str]) -> int:
    files = [path for entry in entries for path in ((root / entry), *(root / entry).rglob("*")) if path.is_file()]
    return len(files)
