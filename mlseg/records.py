"""Rows and JSON on disk, without torch: scores.csv, run.json, status.json."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mlseg.checks import RunError

SCORES_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number about one case: what it is, where it was measured, in which unit, over how many voxels.

    Args:
        evaluation: the protocol, "default" or "paper".
        frame, group: time point and stratum of the case, "" if it has none.
        label: a class name, or "all" for a score over all classes.
        region: "image", "foreground", "boundary" or "roi".
        metric: e.g. "dice", "hd95", "ece".
        value: NaN where the score is not defined for this case.
        unit: "1" for a ratio, "mm", "voxel", "nat" or "case".
        n: voxels that the value rests on.
    """

    evaluation: str
    subject_id: str
    case_id: str
    frame: str
    group: str
    label: str
    region: str
    metric: str
    value: float
    unit: str
    n: int


COLUMNS = tuple(field.name for field in fields(Score))


def format_scores(scores: Iterable[Score]) -> str:
    """The rows as CSV text; floats are written so that they read back to the same bits, NaN as "nan"."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for score in scores:
        writer.writerow([repr(v) if isinstance(v, float) else v for v in (getattr(score, c) for c in COLUMNS)])
    return out.getvalue()


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write scores.csv in one step: the file is there whole or not at all."""
    write_text(path, format_scores(scores))


def read_scores(path: Path) -> list[Score]:
    """Read scores.csv. Raises RunError if it is damaged, or its columns are not the ones of this version."""
    scores: list[Score] = []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise RunError(
                    f"{path}: columns must be {', '.join(COLUMNS)}, got {reader.fieldnames}. Evaluate the run again."
                )
            for row in reader:
                scores.append(Score(**{**row, "value": float(row["value"]), "n": int(row["n"])}))  # type: ignore[arg-type]
    except RunError:
        raise
    except (OSError, csv.Error, TypeError, ValueError) as error:
        where = f"row {len(scores) + 1} ({error})"
        raise RunError(f"{path}: must be whole, got a file damaged at {where}. Evaluate the run again.") from error
    return scores


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step. Raises RunError if it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; at the end it is synced and takes its name, so no reader sees half.

    Raises:
        RunError: it cannot be written (full disk, no permission); what stood at `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Free space or choose another place, then type the same command again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON object in one step; NaN and infinity become null, which every JSON reader understands."""
    write_text(path, json.dumps(_finite(record), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises RunError if the file is not one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RunError(f"{path}: must be a JSON file, got {error}. Remove it to start anew.") from error
    if not isinstance(record, dict):
        raise RunError(f"{path}: must hold a JSON object, got {type(record).__name__}. Remove it to start anew.")
    return record


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
