"""The report of a judged folder, whoever judged it: figures, summary.md, and the summary on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlseg.checks import RunError
from mlseg.functional.bins import BinCounts
from mlseg.functional.bins_file import BinsKey
from mlseg.functional.views_file import VIEWS_NAME, CaseView, read_views
from mlseg.records import Score, read_scores
from mlseg.report.bins_file import BINS_NAME, read_run_bins, score_pooled
from mlseg.report.console import print_summary
from mlseg.report.definitions import FIGURES, FIGURES_FOLDER, PROTOCOLS, SETTINGS
from mlseg.report.figures import draw_calibration, draw_cases
from mlseg.report.markdown import write_summary
from mlseg.report.summary import PLAIN_MEANS, summarise

USUAL_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What was judged, for the reader of its scores.

    Args:
        title: a few words over the figures, e.g. "acdc, unet, mbls".
        about: which run, checkpoint and subjects, a sentence or a paragraph.
        protocols: the protocols, the headline first.
        labels: class names, background first.
        settings: bins, tolerance_mm, boundary_mm and roi_margin_mm, for the definitions.
        bins: protocol -> its number of confidence bins, 15 where nothing is said.
        heading: over the tables.
    """

    title: str
    about: str
    protocols: tuple[str, ...]
    labels: tuple[str, ...]
    settings: Mapping[str, float] = field(default_factory=lambda: dict(SETTINGS))
    bins: Mapping[str, int] = field(default_factory=dict)
    heading: str = "Test scores"

    def count_bins(self, evaluation: str) -> int:
        """The protocol's number of bins."""
        return self.bins.get(evaluation, USUAL_BINS)


def report_judgement(folder: Path, judgement: Judgement, *, commands: Mapping[str, str]) -> None:
    """Draw the figures, write summary.md and print the summary.

    Args:
        folder: holds scores.csv; bins.npz (without it there are no figures of calibration) and views.npz (without it
            none of cases) if they are known.
        judgement: what the scores are of.
        commands: what to do next -> the command line that does it.

    Raises:
        RunError: a file cannot be read or written.
    """
    scores = _read_folder_scores(folder)
    bins = read_run_bins(folder) if (folder / BINS_NAME).is_file() else {}
    views = read_views(folder / VIEWS_NAME) if (folder / VIEWS_NAME).is_file() else {}
    rows = summarise(scores)
    headline, settings = judgement.protocols[0], judgement.settings
    evaluations = tuple(dict.fromkeys([*judgement.protocols, *(key.evaluation for key in bins)]))
    pooled = {
        name: score_pooled(bins, evaluation=name, count=judgement.count_bins(name), order=_list_labels(scores, name))
        for name in evaluations
        if name not in PLAIN_MEANS  # the paper's authors did not pool
    }
    figures = _draw(folder, judgement, evaluations, scores=scores, bins=bins, views=views)
    write_summary(
        folder / "summary.md",
        rows,
        headline=headline,
        settings=settings,
        pooled=pooled,
        figures=figures,
        about=judgement.about,
        title=judgement.heading,
    )
    heading = judgement.heading
    print_summary(rows, headline=headline, run_dir=folder, commands=commands, settings=settings, heading=heading)


def _read_folder_scores(folder: Path) -> list[Score]:
    path = folder / "scores.csv"
    if not path.is_file():
        raise RunError(f"{path}: must be a file of scores, got none. Evaluate the run again.")
    return read_scores(path)


def _draw(
    folder: Path,
    judgement: Judgement,
    evaluations: Sequence[str],
    *,
    scores: Sequence[Score],
    bins: Mapping[BinsKey, BinCounts],
    views: Mapping[str, CaseView],
) -> dict[str, dict[str, str]]:
    """Write the figures of each protocol, and remove those of an earlier judgement that this one does not have.

    Returns:
        Protocol -> a key of FIGURES -> the file, relative to the folder.
    """
    place = folder / FIGURES_FOLDER
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(f"{place}: cannot be made ({error.strerror}). Choose another place.") from error
    subjects = {score.case_id: score.subject_id for score in scores}
    made: dict[str, dict[str, str]] = {}
    for evaluation in evaluations:
        headline = evaluation == judgement.protocols[0]
        suffix = "" if headline else f"_{evaluation}"
        paths = draw_calibration(
            place,
            bins,
            evaluation=evaluation,
            title=judgement.title,
            labels=judgement.labels,
            merged=_list_labels(scores, evaluation),
            subjects=subjects,
            count=judgement.count_bins(evaluation),
            suffix=suffix,
        )
        if headline:
            paths += draw_cases(
                place, views, scores, evaluation=evaluation, title=judgement.title, labels=judgement.labels
            )
        made[evaluation] = {path.stem.removesuffix(suffix): path.relative_to(folder).as_posix() for path in paths}
    kept = {folder / file for files in made.values() for file in files.values()}
    for path in _list_known(place) - kept:
        path.unlink(missing_ok=True)
    return made


def _list_labels(scores: Sequence[Score], evaluation: str) -> list[str]:
    """The labels that a protocol judges, in the order of the rows."""
    return list(dict.fromkeys(s.label for s in scores if s.evaluation == evaluation and s.metric == "dice"))


def _list_known(place: Path) -> set[Path]:
    """The names that figures of any protocol can have."""
    suffixes = ["", *(f"_{evaluation}" for evaluation in PROTOCOLS)]
    return {place / f"{name}{suffix}.png" for name in FIGURES for suffix in suffixes}
