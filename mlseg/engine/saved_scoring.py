"""Judges saved predictions case by case and leaves scores.csv, bins.npz, views.npz and score.json."""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from mlseg.checks import DataError, RunError
from mlseg.data.matching import join_names
from mlseg.data.predictions import SavedReader
from mlseg.data.saved_case import SavedCase
from mlseg.data.saved_files import SavedFiles
from mlseg.functional.bins import BinCounts
from mlseg.functional.bins_file import write_bins
from mlseg.functional.views_file import VIEWS_NAME, CaseView, write_views
from mlseg.metrics.view import build_view
from mlseg.records import Score, read_json, write_json, write_scores
from mlseg.types import EvaluationProtocol

RECORD, SCORES, BINS = "score.json", "scores.csv", "bins.npz"
RECORD_VERSION = 1
OF_A_RUN = ("run.json", "claim.json", "last.pt", "best.pt")
# A wrong setting makes one in every file.
MAX_PROBLEMS = 50
# Axial slices, the patient's right on the left, as radiologists look at them.
SEEN_AS = "LPS"
ROLES = ("reference", "prediction", "probs", "image")


@dataclass(frozen=True, kw_only=True)
class CaseVerdict:
    """What was found of one case.

    Args:
        rows: of all protocols.
        bins: (evaluation, region, label) -> histograms.
        view: the slice to look at.
        facts: for score.json: its files with size and SHA-256, how the axes of its probabilities were found, the
            agreement of these with the label map (None where it is undefined or one of them is not there).
        problem: why it could not be judged, a line per file; "" if it was.
    """

    case_id: str
    rows: tuple[Score, ...] = ()
    bins: Mapping[tuple[str, str, str], BinCounts] = field(default_factory=dict)
    view: CaseView | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class SavedJudge:
    """Reads a case and scores it under every protocol; goes to worker processes as it is."""

    reader: SavedReader
    protocols: tuple[EvaluationProtocol, ...]

    def judge(self, files: SavedFiles, *, only_read: bool = False) -> CaseVerdict:
        """One case; `only_read` looks for problems alone."""
        try:
            case = self.reader.read(files)
            if only_read:
                return CaseVerdict(case_id=files.case_id)
            found = {protocol.name: protocol.score_case(case.prediction) for protocol in self.protocols}
        except DataError as error:
            return CaseVerdict(case_id=files.case_id, problem=str(error))
        upright = case.turn(SEEN_AS)
        return CaseVerdict(
            case_id=files.case_id,
            rows=tuple(row for scores in found.values() for row in scores.rows),
            bins={(name, *key): counts for name, scores in found.items() for key, counts in scores.bins.items()},
            view=build_view(upright.prediction, upright.image),
            facts=_describe_case(files, case),
        )


def judge_cases(
    judge: SavedJudge, cases: Sequence[SavedFiles], *, workers: int = 1, show_progress: bool | str = "auto"
) -> list[CaseVerdict]:
    """Judge all cases, one in memory at a time in each worker.

    Args:
        workers: processes; with 1 all happens in this one.
        show_progress: "auto" draws a bar where stderr is a terminal.

    Raises:
        DataError: what is wrong with any file of any case, a line each; the other cases have been looked at as well.
        RunError: a worker process died.
    """
    visible = sys.stderr.isatty() if show_progress == "auto" else bool(show_progress)
    verdicts: list[CaseVerdict] = []
    problems: list[str] = []
    listed = track(
        _judge_all(judge, cases, problems, workers),
        description="judging",
        total=len(cases),
        console=Console(stderr=True),
        disable=not visible,
        transient=True,
    )
    for verdict in listed:
        verdicts.append(verdict)
        if verdict.problem:
            problems.append(verdict.problem)
    lines = "\n".join(problems).splitlines()
    if len(lines) > MAX_PROBLEMS:
        lines = [f"{len(lines)} problems, the first {MAX_PROBLEMS} of which are:", *lines[:MAX_PROBLEMS]]
    if lines:
        raise DataError("\n".join(lines))
    return verdicts


def _judge_all(
    judge: SavedJudge, cases: Sequence[SavedFiles], problems: Sequence[str], workers: int
) -> Iterator[CaseVerdict]:
    """Verdicts in the order of the cases; after a problem the rest is only read, to report every file at once."""
    if workers == 1:
        for files in cases:
            yield judge.judge(files, only_read=bool(problems))
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    # Not forked: torch's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(
            workers, mp_context=context, initializer=torch.set_num_threads, initargs=(threads,)
        ) as pool:
            yield from pool.map(judge.judge, cases)
    except BrokenProcessPool as error:
        raise RunError(
            "workers: a process died, most likely for want of memory. Give fewer with workers=..., or none."
        ) from error


def check_output(folder: Path, record: Mapping[str, Any]) -> None:
    """Raise RunError if the folder holds something that the scores of `record` must not replace."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: must be a folder, got a file. Give another output=...")
    run = [name for name in OF_A_RUN if (folder / name).exists()]
    if run:
        raise RunError(f"{folder}: holds a training run ({run[0]}). Give another output=...")
    if (folder / RECORD).exists():
        there, wanted = _identify(read_json(folder / RECORD)), _identify(record)
        if there != wanted:
            raise RunError(f"{folder}: holds the scores of {there}, got {wanted}. Give another output=...")
        return
    taken = [name for name in (SCORES, BINS, VIEWS_NAME, "summary.md", "figures") if (folder / name).exists()]
    if taken:
        raise RunError(f"{folder}: holds {taken[0]} of something else. Give another output=...")


def write_verdicts(folder: Path, verdicts: Sequence[CaseVerdict], record: Mapping[str, Any]) -> None:
    """Write the four files; the same verdicts always give the same bytes.

    Args:
        folder: made if it is not there.
        record: what was judged, for score.json.

    Raises:
        RunError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}). Give another output=...") from error
    bins = {(name, region, label, v.case_id): c for v in verdicts for (name, region, label), c in v.bins.items()}
    known = {"version": RECORD_VERSION, **record, "cases": {verdict.case_id: verdict.facts for verdict in verdicts}}
    write_json(folder / RECORD, known)
    write_bins(folder / BINS, bins)
    write_views(folder / VIEWS_NAME, [verdict.view for verdict in verdicts if verdict.view is not None])
    write_scores(folder / SCORES, [row for verdict in verdicts for row in verdict.rows])


def describe_probs(verdicts: Sequence[CaseVerdict]) -> list[str]:
    """What a reader has to know of the probabilities, a sentence each; nothing where there are none."""
    notes = []
    agreed = {v.case_id: v.facts["agreement"] for v in verdicts if v.facts.get("agreement") is not None}
    if agreed:
        lowest = min(agreed, key=lambda case_id: agreed[case_id])
        share = "all" if agreed[lowest] == 1 else f"at least {100 * agreed[lowest]:.2f} % (lowest: {lowest})"
        notes.append(f"The most probable class is that of the label map in {share} of the foreground.")
    undefined = [
        v.case_id
        for v in verdicts
        if {"prediction", "probs"} <= set(v.facts.get("files", ())) and v.facts.get("agreement") is None
    ]
    if undefined:
        how_many = f"{len(undefined)} of {len(verdicts)} cases"
        what = "the label map and the most probable class have no foreground to agree in"
        notes.append(f"In {how_many} {what}: {join_names(undefined)}.")
    axes = Counter(verdict.facts["axes"] for verdict in verdicts if verdict.facts.get("axes"))
    if axes:
        listed = "; ".join(name if len(axes) == 1 else f"{name} ({count})" for name, count in axes.items())
        notes.append(f"Axes of the probabilities: {listed}.")
    errors = [verdict.facts["sum_error"] for verdict in verdicts if verdict.facts.get("sum_error")]
    if errors:
        how_many = f"{len(errors)} of {len(verdicts)} cases"
        notes.append(f"In {how_many} their sums were off 1 by up to {max(errors):.1g}, which was divided out.")
    return notes


def _identify(record: Mapping[str, Any]) -> str:
    """Whose scores they are; the same predictions may be judged again with other settings."""
    return f"{record.get('prediction') or record.get('probs')} against {record.get('reference')}"


def _describe_case(files: SavedFiles, case: SavedCase) -> dict[str, Any]:
    paths = {role: path for role in ROLES if (path := getattr(files, role)) is not None}
    return {
        "subject_id": files.subject_id,
        "files": {role: _describe_file(path) for role, path in paths.items()},
        "axes": case.arrangement,
        "agreement": None if case.agreement is None or math.isnan(case.agreement) else case.agreement,
        "sum_error": case.sum_error,
    }


def _describe_file(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest}
