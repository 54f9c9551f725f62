"""bins.npz: the confidence histograms of every case of a run in one file, to merge and redraw without the network."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts
from mlseg.records import replacing

BINS_VERSION = 3
_STACKED = ("counts", "hits", "sums", "total", "reference")


class BinsKey(NamedTuple):
    """Whose histograms: of one protocol, in one region, of one label ("all" for all classes), of one case."""

    evaluation: str
    region: str
    label: str
    case_id: str


def write_bins(path: Path, bins: Mapping[tuple[str, str, str, str], BinCounts]) -> None:
    """Write bins.npz in one step, sorted by key: the same histograms always give the same bytes.

    Args:
        path: the file.
        bins: (evaluation, region, label, case_id) -> histograms, in any order; numbers of classes may differ.
    """
    keys = sorted(bins)
    parts = [bins[key].to_arrays() for key in keys]
    # The arrays of all keys are stacked along the first axis: thousands of small entries would be slow to open.
    stored: dict[str, Any] = {"version": np.array(BINS_VERSION)}
    for place, field in enumerate(BinsKey._fields):
        stored[field] = np.array([key[place] for key in keys], dtype=np.str_)
    stored["rows"] = np.array([len(part["total"]) for part in parts], dtype=np.int64)
    if parts:
        stored.update({name: np.concatenate([part[name] for part in parts]) for name in _STACKED})
        stored.update({name: np.array([part[name] for part in parts]) for name in ("edges", "scale")})
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **stored)


def read_bins(path: Path) -> dict[BinsKey, BinCounts]:
    """Read bins.npz, sorted by key.

    Raises:
        RunError: if the file is missing, damaged, or of another version.
        DataError: if its fixed-point scale is another one.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            stored = dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # NumPy suggests to load it unsafely.
        reason = "no archive of plain arrays" if "pickle" in str(error) else error
        raise RunError(f"{path}: must be a file of histograms, got {reason}. Evaluate the run again.") from error
    version = stored.get("version")
    if version is None or int(version) != BINS_VERSION:
        raise RunError(f"{path}: version must be {BINS_VERSION}, got {version}. Evaluate the run again.")
    ends = np.cumsum(stored["rows"])
    bins = {}
    for place, key in enumerate(zip(*(stored[field].tolist() for field in BinsKey._fields), strict=True)):
        part = slice(ends[place] - stored["rows"][place], ends[place])
        own = {name: stored[name][part] for name in _STACKED}
        own.update({name: stored[name][place] for name in ("edges", "scale")})
        bins[BinsKey(*key)] = BinCounts.from_arrays(own)
    return bins
