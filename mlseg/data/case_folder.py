"""One prepared case on disk: a folder of .npy files and a meta.json that is written last and knows their sizes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import DataError
from mlseg.types import CaseFiles, PreparedCase

META = "meta.json"
_TEMPORARY = ".tmp-"
_LEFTOVER_AGE_S = 3600.0


def write_case(folder: Path, case: PreparedCase) -> None:
    """Write a case to a temporary folder and rename it; a reader sees all of it or nothing.

    If another process was faster, its folder stays; a damaged folder in the place is replaced.

    Raises:
        OSError: the disk is full or the place can't be written.
    """
    temporary = folder.with_name(f"{_TEMPORARY}{folder.name}-{uuid.uuid4().hex[:12]}")
    temporary.mkdir(parents=True)
    try:
        arrays = {"image": case.image, "target": case.target}
        if case.landmarks is not None:
            arrays["landmarks"] = case.landmarks
        if case.native_target is not case.target:
            arrays["native_target"] = case.native_target
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array)
        meta = {
            "spacing_mm": list(case.spacing_mm),
            "native_spacing_mm": list(case.native_spacing_mm),
            "affine": case.affine.tolist(),
            "blank_slices": list(case.blank_slices),
            "bytes": {f"{name}.npy": (temporary / f"{name}.npy").stat().st_size for name in arrays},
        }
        (temporary / META).write_text(json.dumps(meta), encoding="utf-8")
        for path in temporary.iterdir():
            _sync(path)
        _put_in_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """True if the folder holds every file that its meta.json lists, at full size."""
    return _read_meta(folder) is not None


def open_case(folder: Path, files: CaseFiles) -> PreparedCase:
    """Open a prepared case as read-only memory maps; who it belongs to comes from `files`.

    Raises:
        DataError: the folder was removed or cut since it was prepared.
    """
    meta = _read_meta(folder)
    if meta is None:
        raise DataError(_describe_cut(folder))
    arrays = {name: np.load(folder / name, mmap_mode="r") for name in meta["bytes"]}
    target = arrays["target.npy"]
    depth, height, width = meta["spacing_mm"]
    native_depth, native_height, native_width = meta["native_spacing_mm"]
    return PreparedCase(
        case_id=files.case_id,
        subject_id=files.subject_id,
        image=arrays["image.npy"],
        target=target,
        spacing_mm=(depth, height, width),
        native_target=arrays.get("native_target.npy", target),
        native_spacing_mm=(native_depth, native_height, native_width),
        affine=np.array(meta["affine"], dtype=np.float64),
        blank_slices=tuple(meta["blank_slices"]),
        landmarks=arrays.get("landmarks.npy"),
        group=files.group,
        frame=files.frame,
    )


def check_uncut(case: PreparedCase) -> None:
    """Raise DataError if a file of an open case has been cut since: reading beyond its end would kill the process."""
    for array in (case.image, case.target, case.landmarks):
        if not isinstance(array, np.memmap) or array.filename is None:
            continue
        path = Path(array.filename)
        try:
            size = path.stat().st_size
        except OSError:  # removed, which harms nobody who has it open
            continue
        if size < array.offset + array.nbytes:
            raise DataError(_describe_cut(path.parent))


def _describe_cut(folder: Path) -> str:
    return f"{folder}: the prepared case must be whole, got missing or cut files. Start the run again."


def remove_leftovers(place: Path) -> None:
    """Remove temporary folders of processes that were killed; young ones may still be written."""
    for leftover in place.glob(f"{_TEMPORARY}*"):
        try:
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(leftover, ignore_errors=True)
        except FileNotFoundError:
            continue


def _sync(path: Path) -> None:
    """Wait until the file is on the disk: after a power cut a renamed one could otherwise be full of zeros."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _read_meta(folder: Path) -> dict[str, Any] | None:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in meta["bytes"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return meta if whole else None


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename; a whole folder that is there already wins, a damaged one is moved away first."""
    for _ in range(10):
        try:
            os.rename(temporary, folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if is_whole(folder):
            return
        aside = folder.with_name(f"{_TEMPORARY}broken-{uuid.uuid4().hex[:12]}")
        try:
            os.rename(folder, aside)
        except FileNotFoundError:
            continue
        shutil.rmtree(aside, ignore_errors=True)
    raise OSError(errno.EBUSY, "other processes keep replacing it", str(folder))
