"""What is in a data set, case by case, as training would read and prepare it; nothing is written.

A case is read and prepared in memory and given up again before the next one, so a process holds one at a time.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from mlseg.checks import DataError, Range, RunError, check_range
from mlseg.data.framing import crop_offsets
from mlseg.data.grids import measure_distance_mm
from mlseg.data.nifti import orientation_steps, read_channels
from mlseg.data.preprocess import Preprocessing
from mlseg.types import CaseFiles, CaseSource, PreparedCase

# Fewer cases than this are read faster by one process than by starting another.
_CASES_PER_WORKER = 8
# What a file takes on disk is rounded up to this.
_BLOCK_BYTES = 4096
_RAS, _LPI = "RAS", "LPI"


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What was found in one case. Of a case that can't be read, only the ids, the problems and the distance are known.

    Args:
        problems: one line for each rule that the case breaks.
        corner_distance_mm: how far apart the affines of its files put a corner, at most; None if none can be compared.
        shape, working_shape: (D,H,W) of the native grid, and of the one that is trained on.
        spacing_mm: along (d,h,w).
        orientation: axis codes of the stored (i,j,k), e.g. "LPS".
        affine_spacing_mm: lengths of the affine's columns in ascending order, which a sound header repeats as spacing.
        voxels: number of voxels of each class.
        ranges: (smallest, largest) intensity of each channel.
        constant: whether a channel is the same everywhere once it is prepared, so that a network sees nothing in it.
        image_hashes: of the content of each channel.
        target_hash: of the reference; "" if all of it is background.
        foreground, foreground_outside: voxels of the prepared reference, and those of them outside the training crop.
        slices: slices that are trained on.
        cache_bytes, volume_bytes: of the prepared case on disk, and of its image and target.
    """

    case_id: str
    subject_id: str
    problems: tuple[str, ...] = ()
    corner_distance_mm: float | None = None
    shape: tuple[int, ...] = ()
    working_shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    orientation: str = ""
    affine_spacing_mm: tuple[float, ...] = ()
    voxels: tuple[int, ...] = ()
    ranges: tuple[tuple[float, float], ...] = ()
    constant: tuple[bool, ...] = ()
    image_hashes: tuple[str, ...] = ()
    target_hash: str = ""
    foreground: int = 0
    foreground_outside: int = 0
    slices: int = 0
    cache_bytes: int = 0
    volume_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Inspector:
    """Looks into cases one by one.

    Args:
        source: reads them.
        preprocessing: what is done to them before training.
        crop: of the training: (h,w) of slices, centred, or (d,h,w) of patches, which may lie anywhere.
        skip_blank: whether slices with a constant image are left out of training.
    """

    source: CaseSource
    preprocessing: Preprocessing
    crop: tuple[int, ...]
    skip_blank: bool = False

    def inspect(self, files: CaseFiles) -> CaseFacts:
        """The facts of one case, or its problems."""
        unknown = CaseFacts(case_id=files.case_id, subject_id=files.subject_id)
        try:
            case = self.source.read_case(files)
        except DataError as error:
            distance = _measure_distance(files, None)
            return replace(unknown, problems=tuple(str(error).splitlines()), corner_distance_mm=distance)
        prepared = self.preprocessing.prepare(case)
        blank = len(prepared.blank_slices) if self.skip_blank else 0
        outside = 0
        if len(self.crop) == 2:
            inside, _ = crop_offsets(prepared.target.shape, self.crop)
            outside = int(np.count_nonzero(prepared.target) - np.count_nonzero(prepared.target[(..., *inside)]))
        # The image lies slice-major: channels are its second axis.
        channels = prepared.image.swapaxes(0, 1)
        return replace(
            unknown,
            corner_distance_mm=_measure_distance(files, case.affine),
            shape=case.target.shape,
            working_shape=prepared.target.shape,
            spacing_mm=case.spacing_mm,
            orientation=name_axes(case.affine),
            affine_spacing_mm=tuple(sorted(np.linalg.norm(case.affine[:3, :3], axis=0).tolist())),
            voxels=tuple(np.bincount(case.target.ravel(), minlength=len(self.source.labels)).tolist()),
            ranges=tuple((float(channel.min()), float(channel.max())) for channel in case.image),
            constant=tuple(bool(channel.min() == channel.max()) for channel in channels),
            image_hashes=tuple(map(_hash, case.image)),
            target_hash=_hash(case.target) if case.target.any() else "",
            foreground=int(np.count_nonzero(prepared.target)),
            foreground_outside=outside,
            slices=len(prepared.target) - blank,
            cache_bytes=_count_bytes(prepared),
            volume_bytes=prepared.image.nbytes + prepared.target.nbytes,
        )


def inspect_cases(
    inspector: Inspector, cases: Sequence[CaseFiles], *, workers: int | None = None, progress: bool = True
) -> list[CaseFacts]:
    """The facts of all cases, in their order, found by several processes.

    Args:
        workers: processes; None takes every core, 1 works in this process.
        progress: a progress bar on stderr, where that is a terminal.

    Raises:
        RunError: a process was killed.
    """
    check_range("inspect_cases", "workers", workers, Range(low=1, integer=True, optional=True))
    from rich.console import Console
    from rich.progress import Progress

    found: dict[int, CaseFacts] = {}
    show = progress and sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=not show, transient=True) as bar:
        task = bar.add_task("reading cases", total=len(cases))
        for index, facts in _inspect_all(inspector, cases, count_processes(workers, len(cases))):
            found[index] = facts
            bar.advance(task)
    return [found[index] for index in range(len(cases))]


def count_processes(workers: int | None, cases: int) -> int:
    """How many processes read a number of cases.

    Example:
        >>> count_processes(4, 10), count_processes(1, 200)
        (2, 1)
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(workers or cores, math.ceil(cases / _CASES_PER_WORKER)))


def name_axes(affine: np.ndarray) -> str:
    """Axis codes of a stored grid: where each of its axes (i,j,k) leads to.

    Example:
        >>> name_axes(np.diag([-1.5, -1.5, 10, 1])), name_axes(np.eye(4)[[2, 0, 1, 3]])
        ('LPS', 'ASR')
    """
    axes, flips = orientation_steps(affine, _RAS)
    return "".join((_LPI if flips[world] else _RAS)[world] for world in np.argsort(axes))


def _inspect_all(inspector: Inspector, cases: Sequence[CaseFiles], workers: int) -> Iterator[tuple[int, CaseFacts]]:
    if workers == 1:
        yield from enumerate(map(inspector.inspect, cases))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures: dict[Future[CaseFacts], int] = {
            pool.submit(inspector.inspect, files): index for index, files in enumerate(cases)
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise RunError(
                f"inspect_cases: {workers} processes must finish, got one killed (out of memory?). "
                "Say data.workers=1, or fewer."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _measure_distance(files: CaseFiles, affine: np.ndarray | None) -> float | None:
    """How far the grids of a case lie apart, at most, among files that can be read and have the same shape.

    Args:
        affine: that of the first image, if it is known; None reads it.
    """
    distances: list[float] = []
    shape: tuple[int, ...] | None = None
    others = files.images[1:] if affine is not None else files.images
    for path in (*others, *([files.target] if files.target else [])):
        with suppress(DataError):
            volume = read_channels(path)
            size = volume.array.shape[-3:]
            if affine is None:
                affine, shape = volume.affine, size
            elif shape in (None, size):
                distances.append(measure_distance_mm(volume.affine, affine, size))
    return max(distances, default=None)


def _hash(array: np.ndarray) -> str:
    """Of the values and the shape."""
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _count_bytes(prepared: PreparedCase) -> int:
    """What the arrays of a prepared case, and their description, take on disk."""
    arrays = {id(value): value.nbytes for value in vars(prepared).values() if isinstance(value, np.ndarray)}
    return sum(_BLOCK_BYTES * math.ceil(size / _BLOCK_BYTES) for size in arrays.values())
