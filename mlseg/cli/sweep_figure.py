"""The figure at the end of a sweep over one number: its scores against that number, and the points as a table."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from mlseg.checks import RunError
from mlseg.cli.errors import Reporter
from mlseg.cli.naming import OWN_PART, join_words
from mlseg.cli.sweep_table import SweepRun
from mlseg.records import read_json, write_text

if TYPE_CHECKING:
    from mlseg.report.run_set import Run
    from mlseg.report.subject_values import Measure
    from mlseg.report.trends import TrendPoint

FOLDER, STEM = "sweeps", "trend"
SUFFIXES = (".png", ".pdf", ".csv")
# (metric, region); the first four that all runs have are drawn.
SCORES = (("dice", "image"), ("hd95", "image"), ("ece", "foreground"), ("ece", "image"), ("cece", "foreground"))
MOST_PANELS = 4


@dataclass(frozen=True, kw_only=True)
class Swept:
    """A sweep over one number.

    Args:
        key: the setting, e.g. "loss.margin".
        values: of each run.
        runs: all runs, done or not.
    """

    key: str
    values: tuple[float, ...]
    runs: tuple[SweepRun, ...]

    def list_done(self) -> list[tuple[float, SweepRun]]:
        """(value, run) of each run that is done."""
        pairs = zip(self.values, self.runs, strict=True)
        done = [(value, run) for value, run in pairs if run.result is not None and run.result.code == 0]
        return [pair for pair in done if _is_there(pair[1].folder / "scores.csv", pair[1].folder / "run.json")]


def tell_figure(runs: Sequence[SweepRun], words: Sequence[Sequence[str]], *, prog: str) -> None:
    """Write the figure of a sweep and say where it is; whatever goes wrong is one line and no failure of the sweep.

    Args:
        runs: all runs of the sweep.
        words: of each run, the overrides that not all have.
        prog: the command, before a line about what went wrong.
    """
    with Reporter(prog=prog, prefix="figure of the sweep", find_folder=lambda: runs[0].folder):
        swept = find_swept(runs, words)
        stem = draw_figure(swept) if swept is not None else None
        if swept is not None and stem is not None:
            others = " and ".join(SUFFIXES[1:])
            print(f"Scores against {swept.key}: {stem.with_name(stem.name + SUFFIXES[0])} (also {others})", flush=True)


def find_swept(runs: Sequence[SweepRun], words: Sequence[Sequence[str]]) -> Swept | None:
    """The one number that a sweep goes over, besides the seed; None for any other sweep."""
    own = [{key.lstrip("+"): value for key, _, value in (word.partition("=") for word in one)} for one in words]
    keys = {key for one in own for key in one if len({other.get(key) for other in own}) > 1} - {"seed"}
    if len(keys) != 1:
        return None
    key = keys.pop()
    values = [OmegaConf.select(run.cfg, key) for run in runs]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    return Swept(key=key, values=tuple(map(float, values)), runs=tuple(runs))


def draw_figure(swept: Swept) -> Path | None:
    """Write trend.png, .pdf and .csv from the runs that are done; files that are up to date are left alone.

    All points are of the seeds that every value has: the change from one value to another is of the same seeds.

    Returns:
        The files' path without their suffixes; None if fewer than two values are done, if they have no seed in common,
        or if the setting changes who is tested, so that subjects cannot be followed.

    Raises:
        RunError: a file cannot be read or written, or runs of one value differ in more than the seed.
    """
    done = swept.list_done()
    common = find_common_seeds([(value, run.cfg.seed) for value, run in done])
    kept = [(value, run.folder) for value, run in done if run.cfg.seed in common]
    if len({value for value, _ in kept}) < 2:
        return None
    stem = find_folder(swept) / STEM
    others = [run for _, run in done if run.cfg.seed not in common]
    if is_current(stem, [folder for _, folder in kept], others=[run.folder for run in others]):
        return stem
    # Brings numpy and matplotlib, which a sweep that is all done can do without.
    from mlseg.report.run_set import read_run

    read = [(value, read_run(folder)) for value, folder in kept]
    if len({run.cases for _, run in read}) > 1:
        return None
    _write(swept.key, read, stem, left_out=sorted({run.cfg.seed for run in others}))
    return stem


def find_common_seeds(done: Sequence[tuple[float, int]]) -> frozenset[int]:
    """The seeds that every value has.

    Args:
        done: value and seed of each run.

    Example:
        >>> sorted(find_common_seeds([(3, 1), (3, 2), (5, 1)]))
        [1]
    """
    own: dict[float, set[int]] = {}
    for value, seed in done:
        own.setdefault(value, set()).add(seed)
    return frozenset(set.intersection(*own.values())) if own else frozenset()


def find_folder(swept: Swept) -> Path:
    """<what all runs have in common>/sweeps/<key>-<values>-<hash of the runs' names>."""
    parents = [str(run.folder.parent) for run in swept.runs]
    try:
        root = Path(os.path.commonpath(parents))
    except ValueError:  # absolute and relative ones
        root = Path()
    if root in (Path(), Path(root.anchor)):  # places that were given one by one
        root = Path(str(swept.runs[0].cfg.output_root)).expanduser()
    names = sorted(os.path.relpath(run.folder, root) for run in swept.runs)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    values = [f"{value:.10g}" for value in sorted(set(swept.values))]
    return root / FOLDER / join_words(["-".join([swept.key, *values, digest])])


def is_current(stem: Path, folders: Sequence[Path], *, others: Sequence[Path] = ()) -> bool:
    """True if the files are there, are newer than all scores, and were drawn from these runs.

    Args:
        stem: path of the files without their suffixes.
        folders: the runs that are to be drawn.
        others: runs that are not, but named in the caption.
    """
    files = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
    if not _is_there(*files):
        return False
    known = [folder / name for folder in (*folders, *others) for name in ("scores.csv", "run.json")]
    newest = max(file.stat().st_mtime_ns for file in known)
    if min(file.stat().st_mtime_ns for file in files) < newest:
        return False
    try:
        with open(files[-1], encoding="utf-8", newline="") as file:
            drawn = {run for row in csv.DictReader(file) for run in str(row.get("runs") or "").split(";")}
    except (csv.Error, UnicodeDecodeError):
        return False
    return drawn == {folder.as_posix() for folder in folders}


def _is_there(*paths: Path) -> bool:
    return all(path.is_file() for path in paths)


def _write(key: str, read: Sequence[tuple[float, Run]], stem: Path, *, left_out: Sequence[int] = ()) -> None:
    """The figure and the points; the points last, so that what is there of them was drawn."""
    from mlseg.report.figure_differences import save_both
    from mlseg.report.figure_trend import build_trend
    from mlseg.report.run_set import build_set
    from mlseg.report.trends import TrendSeries, collect_points, format_points

    values = sorted({value for value, _ in read})
    sets = {x: build_set(f"{key}={x:g}", [run for value, run in read if value == x]) for x in values}
    measures = _choose_measures([run for _, run in read])
    points = collect_points(sets, measures)
    first = points[0].values[measures[0]]
    about = f"{len(first.subjects)} test subjects ({first.n_cases} cases), {_describe_seeds(points, left_out)}."
    choices = read[0][1].choices
    title = ", ".join(choices[group] for group in OWN_PART if group in choices)
    title = f"{title}; {key}, evaluation={measures[0].evaluation}"
    figure = build_trend([TrendSeries(name="", points=points)], measures, setting=key, title=title, about=about)
    save_both(figure, stem)
    write_text(stem.with_suffix(".csv"), format_points(key, points))


def _describe_seeds(points: Sequence[TrendPoint], left_out: Sequence[int]) -> str:
    number = len(points[0].runs)  # the same of all
    text = f"{number} seed{'' if number == 1 else 's'}"
    if left_out:
        listed = ", ".join(map(str, left_out))
        text += f"; left out, because not every value has it: seed{'' if len(left_out) == 1 else 's'} {listed}"
    return text


def _choose_measures(runs: Sequence[Run]) -> list[Measure]:
    """The scores of the headline protocol that all runs have."""
    from mlseg.report.subject_values import Measure

    protocols = read_json(runs[0].path / "run.json").get("protocols") or ["default"]
    there = set.intersection(*({(s.evaluation, s.metric, s.region) for s in run.scores} for run in runs))
    found = [(metric, region) for metric, region in SCORES if (protocols[0], metric, region) in there]
    if not found:
        raise RunError(
            f"scores: a score must be in all runs, got none of evaluation={protocols[0]}. Evaluate them alike."
        )
    return [Measure(evaluation=protocols[0], metric=metric, region=region) for metric, region in found[:MOST_PANELS]]
