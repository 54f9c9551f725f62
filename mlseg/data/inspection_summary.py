"""What an inspection found, as one mapping of plain values: what the screen shows and what is written as JSON."""

from __future__ import annotations

import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.data.inspection import CaseFacts
from mlseg.data.residency import available_memory
from mlseg.data.splits import PARTS, Split, read_groups
from mlseg.types import CaseFiles, CaseSource

# Raise this when a key changes its meaning or goes.
VERSION = 1
# More kinds of folders than this are told by the last name alone.
_MAX_PLACES = 6


def summarise_cases(
    files: Sequence[CaseFiles], facts: Sequence[CaseFacts], source: CaseSource, *, root: Path, split: Split | None
) -> dict[str, Any]:
    """Layout, counts, grids, intensities and classes.

    Args:
        files, facts: every case on disk, in the same order.
        root: the data set's folder.
        split: who is in which part; None if it is not known.
    """
    read = [case for case in facts if not case.problems]
    distances = [case.corner_distance_mm for case in facts if case.corner_distance_mm is not None]
    groups, parts = read_groups(files), _name_parts(split)
    return {
        "layout": describe_layout(root, files),
        "cases": len(files),
        "cases_read": len(read),
        "subjects": len(groups),
        "frames": dict(sorted(Counter(case.frame for case in files if case.frame).items())),
        "groups": dict(sorted(Counter(groups.values()).items())) if any(groups.values()) else {},
        "channels": [_describe_channel(read, index, name) for index, name in enumerate(source.channels)],
        "classes": [_describe_class(read, index, name, parts) for index, name in enumerate(source.labels)],
        "shape": _describe_lengths([case.shape for case in read]),
        "spacing_mm": _describe_lengths([case.spacing_mm for case in read]),
        "orientations": dict(Counter(case.orientation for case in read).most_common()),
        "corner_distance_mm": max(distances, default=None),
        "split": _describe_split(split, files),
        "case_list": [_describe_case(*pair, parts) for pair in zip(files, facts, strict=True)],
    }


def summarise_needs(
    facts: Sequence[CaseFacts], split: Split | None, *, crop: Sequence[int], channels: int, cache_dir: Path
) -> dict[str, Any]:
    """Bytes that the prepared cases will take on disk, and what is trained on in memory, beside what is free.

    Slices of (h,w) take h w (4 C + 1) bytes each: float32 channels and a uint8 target; patches keep whole cases. Cases
    that can't be read count as nothing.

    Args:
        split: whose cases are prepared; None counts all, for training too.
        crop: (h,w) of slices or (d,h,w) of patches.
        channels: C.
    """
    parts = _name_parts(split)
    prepared = [case for case in facts if split is None or case.subject_id in parts]
    trained = [case for case in prepared if split is None or case.subject_id in split.train]
    slices = sum(case.slices for case in trained) * math.prod(crop) * (4 * channels + 1)
    place = cache_dir.expanduser().absolute()
    there = next(folder for folder in (place, *place.parents) if folder.is_dir())
    return {
        "cache_dir": str(cache_dir),
        "cache_bytes": sum(case.cache_bytes for case in prepared),
        "disk_free_bytes": shutil.disk_usage(there).free,
        "memory_bytes": slices if len(crop) == 2 else sum(case.volume_bytes for case in trained),
        "memory_free_bytes": available_memory(),
    }


def describe_layout(root: Path, files: Sequence[CaseFiles]) -> list[dict[str, Any]]:
    """The folders below `root` that hold the files, with * for the name of a case or subject, and how much is in them.

    Files that are missing are not counted.
    """
    rows = [
        (_describe_place(root, path.parent, case), kind, path)
        for case in files
        for kind, paths in (("images", case.images), ("references", (case.target,)))
        for path in paths
        if path is not None and path.is_file()
    ]
    if len({place for place, _, _ in rows}) > _MAX_PLACES:
        rows = [(str(Path(place).parent / "*"), kind, path) for place, kind, path in rows]
    found: defaultdict[str, defaultdict[str, set[Path]]] = defaultdict(lambda: defaultdict(set))
    for place, kind, path in rows:
        found[place]["folders"].add(path.parent)
        found[place][kind].add(path)
    kinds = ("folders", "images", "references")
    return [{"place": place, **{kind: len(found[place][kind]) for kind in kinds}} for place in sorted(found)]


def _describe_place(root: Path, folder: Path, case: CaseFiles) -> str:
    if not folder.is_relative_to(root):
        return str(folder)
    names = (case.case_id, case.subject_id)
    return str(Path(*("*" if part in names else part for part in folder.relative_to(root).parts)))


def _describe_channel(read: Sequence[CaseFacts], index: int, name: str) -> dict[str, Any]:
    low = min((case.ranges[index][0] for case in read), default=None)
    high = max((case.ranges[index][1] for case in read), default=None)
    return {"name": name, "min": low, "max": high}


def _describe_class(read: Sequence[CaseFacts], index: int, name: str, parts: dict[str, str]) -> dict[str, Any]:
    voxels, total = sum(case.voxels[index] for case in read), sum(sum(case.voxels) for case in read)
    having = [case for case in read if case.voxels[index]]
    trained = {case.subject_id for case in having if parts.get(case.subject_id) == "train"}
    return {
        "name": name,
        "voxels": voxels,
        "share": voxels / total if total else None,
        "cases_with": len(having),
        "cases_without": len(read) - len(having),
        "training_subjects": len(trained) if parts else None,
    }


def _describe_lengths(rows: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    """Smallest, median and largest along (d,h,w), each axis for itself, and how many different ones there are."""
    if not rows:
        return None
    lengths = np.array(rows, dtype=np.float64).round(4)
    found = {name: np.percentile(lengths, share, axis=0) for name, share in (("min", 0), ("median", 50), ("max", 100))}
    return {
        **{name: [round(float(length), 4) for length in values] for name, values in found.items()},
        "different": len(np.unique(lengths, axis=0)),
    }


def _name_parts(split: Split | None) -> dict[str, str]:
    """Subject -> its part."""
    return {subject: part for part in PARTS for subject in getattr(split, part)} if split is not None else {}


def _describe_split(split: Split | None, files: Sequence[CaseFiles]) -> dict[str, Any] | None:
    if split is None:
        return None
    scans, parts = Counter(case.subject_id for case in files), _name_parts(split)
    counts = {part: list(getattr(split, part)) for part in PARTS}
    counts["unused"] = [subject for subject in scans if subject not in parts]
    return {
        "name": split.name,
        **{part: {"subjects": len(ids), "cases": sum(scans[i] for i in ids)} for part, ids in counts.items()},
    }


def _describe_case(files: CaseFiles, facts: CaseFacts, parts: dict[str, str]) -> dict[str, Any]:
    return {
        "case_id": files.case_id,
        "subject_id": files.subject_id,
        "group": files.group,
        "frame": files.frame,
        "part": parts.get(files.subject_id),
        "images": [str(path) for path in files.images],
        "reference": str(files.target) if files.target else None,
        "shape": list(facts.shape) or None,
        "spacing_mm": list(facts.spacing_mm) or None,
        "orientation": facts.orientation or None,
        "corner_distance_mm": facts.corner_distance_mm,
        "voxels": list(facts.voxels) or None,
        "intensities": [list(pair) for pair in facts.ranges] or None,
        "problems": list(facts.problems),
    }
