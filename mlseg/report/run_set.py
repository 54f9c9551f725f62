"""Runs as a report knows them: from scores.csv and run.json, put together where they differ in the seed only."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.checks import RunError
from mlseg.records import Score, read_json, read_scores
from mlseg.report.subject_values import Measure, SubjectValues, collect_values
from mlseg.run_identity import INERT_KEYS, select_telling

SCORES_NAME, RECORD_NAME = "scores.csv", "run.json"
# Settings that change no number of the report. A longer run is another one here.
INERT = INERT_KEYS - {"trainer.max_epochs"}
_ABSENT = "nothing"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One finished run.

    Args:
        path: its directory; of scores from a later evaluation that one's folder.
        choices: group -> choice, e.g. {"loss": "mbls"}.
        settings: flat resolved configuration without the seed and without what changes no number; of a later evaluation
            also what was judged, where that is not the run as it was trained.
        seed: of the training.
        data: the split's name, fingerprint and parts.
        scores: the rows of scores.csv.
    """

    path: Path
    choices: Mapping[str, str]
    settings: Mapping[str, Any]
    seed: int
    data: Mapping[str, Any]
    scores: tuple[Score, ...]

    @property
    def cases(self) -> frozenset[str]:
        """The cases that were scored."""
        return frozenset(score.case_id for score in self.scores)


@dataclass(frozen=True, kw_only=True)
class RunSet:
    """Runs of one configuration on the same data, one per seed.

    Args:
        name: what a table calls it.
        runs: by seed.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        """Any of them stands for the settings of all."""
        return self.runs[0]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, rising."""
        return tuple(run.seed for run in self.runs)

    def collect(self, measure: Measure) -> SubjectValues:
        """Its values of a score, seeds averaged within subject."""
        return collect_values([run.scores for run in self.runs], measure)


def read_run(path: Path, *, judged: Path | None = None) -> Run:
    """Read a finished run.

    Args:
        path: its directory.
        judged: the folder of a later evaluation of its test part, whose scores count instead of the run's own, e.g.
            with a calibrator; settings, seed and data are the run's all the same.

    Raises:
        RunError: scores.csv or run.json is missing or not readable.
    """
    place = path if judged is None else judged
    for name, folder in ((SCORES_NAME, place), (RECORD_NAME, path)):
        if not (folder / name).is_file():
            raise RunError(f"{folder}: must be a finished run with {name}, got none. Type the run's command again.")
    record = read_json(path / RECORD_NAME)
    missing = [key for key in ("choices", "config", "split") if not isinstance(record.get(key), dict)]
    if missing:
        raise RunError(f"{path / RECORD_NAME}: must hold {missing[0]}, got none. Evaluate the run again.")
    settings = dict(_flatten(record["config"]))
    seed = settings.pop("seed", None)
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise RunError(f"{path / RECORD_NAME}: seed must be a whole number, got {seed!r}. Evaluate the run again.")
    return Run(
        path=place,
        choices=record["choices"],
        settings={key: value for key, value in select_telling(settings).items() if key not in INERT}
        | _list_judged(record),
        seed=0 if seed is None else seed,
        data=record["split"],
        scores=tuple(read_scores(place / SCORES_NAME)),
    )


def build_set(name: str, runs: Iterable[Run]) -> RunSet:
    """Put runs together that differ in nothing but the seed.

    Raises:
        RunError: there is none, two have the same seed, or a setting or the data differs; names the differing key.
    """
    ordered = tuple(sorted(runs, key=lambda run: (run.seed, str(run.path))))
    if not ordered:
        raise RunError(f"{name}: needs at least one run, got none.")
    for run in ordered[1:]:
        found = find_difference(ordered[0].settings, run.settings)
        check_same_data(name, ordered[0], run)
        if found:
            raise RunError(
                f"{name}: runs of one cell must differ in the seed only, got {found} in {ordered[0].path} and "
                f"{run.path}. Keep them apart."
            )
    for one, other in itertools.pairwise(ordered):
        if one.seed == other.seed:
            raise RunError(
                f"{name}: each seed may count once, got seed {one.seed} in {one.path} and {other.path}. "
                "Leave one of them out."
            )
    return RunSet(name=name, runs=ordered)


def check_same_data(name: str, one: Run, other: Run) -> None:
    """Raise RunError if two runs differ in their split or in what their files hold; names the differing key."""
    found = find_difference(one.data, other.data)
    if found:
        raise RunError(
            f"{name}: runs must have the same data and split, got {found} in {one.path} and {other.path}. "
            "Keep them apart."
        )


def find_difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first differing key with both values, or "".

    Example:
        >>> find_difference({"loss.margin": 5, "a": 1}, {"loss.margin": 8, "a": 1})
        'loss.margin 5 and 8'
    """
    for key in sorted(one.keys() | other.keys()):
        if one.get(key, _ABSENT) != other.get(key, _ABSENT):
            return f"{key} {_shorten(one.get(key, _ABSENT))} and {_shorten(other.get(key, _ABSENT))}"
    return ""


def group_runs(runs: Sequence[Run]) -> list[RunSet]:
    """Runs of the same settings and data together, in order of first appearance, named by what sets them apart.

    Raises:
        RunError: the same seed twice in a group.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([run.settings, run.data, sorted(run.cases)], sort_keys=True, default=str)
        groups.setdefault(key, []).append(run)
    names = name_sets([own[0] for own in groups.values()])
    return [build_set(name, own) for name, own in zip(names, groups.values(), strict=True)]


def name_sets(runs: Sequence[Run]) -> list[str]:
    """A name for each run of another configuration: the choices that differ, then the settings that do.

    Example:
        >>> pairs = [("ce", 0), ("mbls", 5), ("mbls", 8)]
        >>> runs = [
        ...     Run(path=Path(x), choices={"loss": x}, settings={"loss.margin": m}, seed=1, data={}, scores=())
        ...     for x, m in pairs
        ... ]
        >>> name_sets(runs)
        ['ce', 'mbls margin=5', 'mbls margin=8']
    """
    groups = [key for key in runs[0].choices if len({run.choices.get(key) for run in runs}) > 1]
    order: list[str] = [key for key in ("data", "model", "loss") if key in groups]
    order += [key for key in groups if key not in order]
    names = [" ".join(str(run.choices.get(key, "none")) for key in order) for run in runs]
    for name in dict.fromkeys(names):
        own = [place for place, other in enumerate(names) if other == name]
        if len(own) == 1:
            continue
        flat = [runs[place].settings for place in own]
        keys = [key for key in sorted(set().union(*flat)) if len({str(s.get(key, _ABSENT)) for s in flat}) > 1]
        for place, settings in zip(own, flat, strict=True):
            words = [f"{key.rpartition('.')[2]}={_shorten(settings.get(key, _ABSENT))}" for key in keys]
            names[place] = " ".join([*([name] if name else []), *words]) or runs[place].path.parent.name
    # What only the data sets apart is told by its place, and so is one that nothing stands beside.
    return [name if name and names.count(name) == 1 else str(run.path) for name, run in zip(names, runs, strict=True)]


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{name}.")
        else:
            # 10 and 10.0 are the same margin.
            yield name, int(value) if isinstance(value, float) and value.is_integer() else value


def _list_judged(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a later evaluation judged instead of best.pt alone; {} for that, so that it is like the run's own scores.

    Of a calibrator its method tells: each seed has a calibrator of its own, with other parameters.

    Example:
        >>> _list_judged({"kind": "evaluation", "calibrator": {"method": "vector"}, "checkpoint": {"which": "last"}})
        {'judged.calibrator': 'vector', 'judged.checkpoint': 'last'}
        >>> _list_judged({"kind": "evaluation", "calibrator": None, "checkpoint": {"which": "best"}})
        {}
    """
    if record.get("kind") != "evaluation":
        return {}
    method = (record.get("calibrator") or {}).get("method")
    checkpoint = record.get("checkpoint") or {}
    which = checkpoint.get("which", "best")
    # A path as it was typed depends on where; its file does not.
    file = which if which in ("best", "last") else checkpoint.get("file", which)
    found = {"judged.calibrator": method, "judged.checkpoint": file if file != "best" else None}
    return {key: value for key, value in found.items() if value is not None}


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
