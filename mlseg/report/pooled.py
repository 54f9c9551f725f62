"""One report over runs that tested different subjects, such as the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts
from mlseg.functional.bins_file import write_bins
from mlseg.functional.views_file import VIEWS_NAME, CaseView, read_views, write_views
from mlseg.records import Score, read_json, read_scores, write_json, write_scores
from mlseg.report.bins_file import BINS_NAME, read_run_bins
from mlseg.report.judgement import report_judgement
from mlseg.report.run_report import build_judgement


def report_pooled(runs: Sequence[Path], folder: Path) -> None:
    """Put the scores, histograms and views of several runs into one folder and report them together.

    Each subject weighs the same, whichever run tested it; the means over subjects are those of all runs' subjects.

    Args:
        runs: run directories; the first one's settings stand for all.
        folder: where scores.csv, bins.npz, views.npz, pooled.json, summary.md and figures go; made if it is not there.

    Raises:
        RunError: a subject was tested by two runs, a file cannot be read, or the folder cannot be written.
    """
    scores: list[Score] = []
    owners: dict[str, Path] = {}
    bins: dict[tuple[str, str, str, str], BinCounts] = {}
    views: list[CaseView] = []
    for run in runs:
        own = read_scores(run / "scores.csv")
        for subject in dict.fromkeys(score.subject_id for score in own):
            if subject in owners:
                raise RunError(
                    f"{folder}: a subject must be tested by one run only, got {subject} in {owners[subject]} and "
                    f"{run}. "
                    "Pool the folds of one cross-validation."
                )
            owners[subject] = run
        scores += own
        bins |= {(k.evaluation, k.region, k.label, k.case_id): counts for k, counts in read_run_bins(run).items()}
        views += read_views(run / VIEWS_NAME).values()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}). Choose another output_root.") from error
    write_scores(folder / "scores.csv", scores)
    write_bins(folder / BINS_NAME, bins)
    write_views(folder / VIEWS_NAME, views)
    record = read_json(runs[0] / "run.json")
    write_json(folder / "pooled.json", {"runs": [str(run) for run in runs], "subjects": len(owners)})
    judgement = build_judgement(record, runs[0])
    about = (
        f"{len(runs)} runs together, {len(owners)} subjects, each tested by the one run that had not seen it: "
        f"{', '.join(f'`{run}`' for run in runs)}. Their own run.json have every setting."
    )
    report_judgement(folder, replace(judgement, about=about, heading="Test scores of all runs together"), commands={})
