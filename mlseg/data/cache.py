"""Prepared cases on disk: written once by several processes, memory-mapped ever after.

One folder per (source settings, preprocessing), in it one per case, named by its id and by the content of its files. So
a changed file or setting makes a new entry, and a copy of the data set elsewhere finds the old one.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import math
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mlseg.checks import DataError, Range, check_range
from mlseg.data.case_folder import is_whole, open_case, remove_leftovers, write_case
from mlseg.data.file_hashes import hash_files
from mlseg.data.preprocess import Preprocessing
from mlseg.types import CaseFiles, CaseSource, PreparedCase

# Raise this when the prepared arrays of the same settings change: old entries are then left alone.
CACHE_VERSION = 2
# Fewer cases than this are prepared faster by one process than by starting another.
_CASES_PER_WORKER = 4
# glibc's names for two settings of malloc: the size of free memory that goes back to the system, and the most blocks
# that are fetched from it one by one.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
# Linux: the signal that a process gets when its parent is gone.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class PreparedSet:
    """Prepared cases, opened one at a time as read-only memory maps.

    Args:
        files: the cases on disk, in order.
        folders: their prepared arrays, in the same order.
        keys: a hash per case of settings, ids and file contents.
    """

    files: tuple[CaseFiles, ...]
    folders: tuple[Path, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> PreparedCase:
        return open_case(self.folders[index], self.files[index])

    def __iter__(self) -> Iterator[PreparedCase]:
        return (self[index] for index in range(len(self)))

    @property
    def fingerprint(self) -> str:
        """A hash of what the cases hold and how they were prepared, wherever they are stored."""
        return _digest(list(self.keys))

    @property
    def contents(self) -> dict[str, str]:
        """Case id -> a hash of its files, the same whatever the settings and wherever they lie."""
        pairs = zip(self.files, self.folders, strict=True)
        return {files.case_id: folder.name.removeprefix(f"{files.case_id}-") for files, folder in pairs}

    def subset(self, subject_ids: Iterable[str]) -> PreparedSet:
        """The cases of these subjects, in the order of this set."""
        wanted = set(subject_ids)
        kept = [index for index, files in enumerate(self.files) if files.subject_id in wanted]
        return PreparedSet(
            files=tuple(self.files[index] for index in kept),
            folders=tuple(self.folders[index] for index in kept),
            keys=tuple(self.keys[index] for index in kept),
        )


def prepare_cases(
    source: CaseSource,
    files: Sequence[CaseFiles],
    preprocessing: Preprocessing,
    *,
    cache_dir: Path,
    workers: int | None = None,
    progress: bool = True,
) -> PreparedSet:
    """Read, check and preprocess the cases that are not in the cache yet, and open them all.

    Args:
        source: reads the cases; its attributes but `root` are settings that name the cache entry.
        cache_dir: where prepared cases are kept; several runs may share it at the same time.
        workers: processes; None takes every core, 1 works in this process.
        progress: a progress bar on stderr, where that is a terminal.

    Raises:
        DataError: all problems of all cases in one message, or the cache can't be written.
    """
    check_range("prepare_cases", "workers", workers, Range(low=1, integer=True, optional=True))
    settings = describe_source(source), {"version": CACHE_VERSION, **asdict(preprocessing)}
    place = cache_dir / f"{source.name}-{_digest(settings)[:16]}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place)
        hashes = hash_files((path for case in files for path in _paths(case)), memory=cache_dir)
        contents = [_digest([hashes[path] for path in _paths(case)]) for case in files]
        folders = [place / f"{case.case_id}-{content[:16]}" for case, content in zip(files, contents, strict=True)]
        missing = [index for index, folder in enumerate(folders) if not is_whole(folder)]
        tasks = [(source, files[index], preprocessing, folders[index]) for index in missing]
        problems = _prepare(tasks, workers=_count_workers(workers, len(tasks)), progress=progress)
    except OSError as error:
        raise DataError(
            f"data.cache_dir: {cache_dir} must be a folder with room that can be written, got {error}. "
            "Free some space or give data.cache_dir=/elsewhere."
        ) from error
    if problems:
        head = f"{len(problems)} problems in {source.name}" if len(problems) > 1 else f"1 problem in {source.name}"
        raise DataError(
            "\n".join([f"{head}. Nothing was trained; correct these files or remove their cases:", *problems])
        )
    keys = [
        _digest([settings, case.case_id, case.subject_id, case.group, case.frame, content])
        for case, content in zip(files, contents, strict=True)
    ]
    return PreparedSet(files=tuple(files), folders=tuple(folders), keys=tuple(keys))


def describe_source(source: CaseSource) -> dict[str, Any]:
    """The settings of a source that change what it reads: its class and its attributes, but not where it reads."""
    attributes = {name: value for name, value in vars(source).items() if name != "root"}
    return {"class": type(source).__qualname__, "name": source.name, **attributes}


def _prepare(
    tasks: list[tuple[CaseSource, CaseFiles, Preprocessing, Path]], *, workers: int, progress: bool
) -> list[str]:
    """Prepare each case; the problems come back in the order of the cases."""
    if not tasks:
        return []
    from rich.console import Console
    from rich.progress import Progress

    found: dict[int, list[str]] = {}
    show = progress and sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=not show) as bar:
        task_bar = bar.add_task("preparing cases", total=len(tasks))
        for index, lines in _run_all(tasks, workers=workers):
            found[index] = lines
            bar.advance(task_bar)
    return [line for index in sorted(found) for line in found[index]]


def _run_all(
    tasks: list[tuple[CaseSource, CaseFiles, Preprocessing, Path]], *, workers: int
) -> Iterator[tuple[int, list[str]]]:
    if workers == 1:
        yield from ((index, _prepare_one(*task)) for index, task in enumerate(tasks))
        return
    # Spawned, not forked: a fork copies locks that torch's threads may hold.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin_work, initargs=(os.getpid(),)
    ) as pool:
        with _without_interrupts():
            futures: dict[Future[list[str]], int] = {
                pool.submit(_prepare_one, *task): index for index, task in enumerate(tasks)
            }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise DataError(
                f"prepare_cases: {workers} processes must finish, got one killed (out of memory?). "
                "Say data.workers=1, or fewer."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that are started in here begin with Ctrl-C blocked: a terminal sends it to all, and one answers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_work(parent: int) -> None:
    """What a worker does first: leave Ctrl-C to the process that started it, and end when that one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before
            os._exit(1)
    _keep_memory()


def _keep_memory() -> None:
    """Use a volume's memory again for the next: clearing new pages takes as long as decompressing into them."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(_M_MMAP_MAX, 0)
        set_option(_M_TRIM_THRESHOLD, 2**31 - 1)


def _prepare_one(source: CaseSource, files: CaseFiles, preprocessing: Preprocessing, folder: Path) -> list[str]:
    """Prepare one case; returns its problems. Runs in a worker process, where nothing imports torch."""
    try:
        case = preprocessing.prepare(source.read_case(files))
    except DataError as error:
        return str(error).splitlines()
    write_case(folder, case)
    return []


def _count_workers(workers: int | None, tasks: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(workers or cores, math.ceil(tasks / _CASES_PER_WORKER)))


def _paths(files: CaseFiles) -> list[Path]:
    return [*files.images, *([files.target] if files.target else [])]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
