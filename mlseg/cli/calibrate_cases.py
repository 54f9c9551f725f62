"""Whom a calibrator is fitted to: validation subjects, never those that it will be judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mlseg.checks import DataError
from mlseg.cli import judged_cases as rules
from mlseg.cli.judged_run import JudgedRun, read_seen

if TYPE_CHECKING:
    from mlseg.data.cache import PreparedSet

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class FittedCases:
    """The cases that a calibrator is fitted to.

    Args:
        prepared: the cases themselves.
        selection: their subjects, and from where these are.
        cases: case -> subject and hash of its files.
        changed: case -> how its files differ from those that the run recorded.
        trained: subjects that the network was trained on.
    """

    prepared: PreparedSet
    selection: rules.Selection
    cases: dict[str, list[str]]
    changed: dict[str, str]
    trained: tuple[str, ...]


def find_fitted_cases(cfg: DictConfig, run: JudgedRun) -> FittedCases:
    """Select, check and prepare the cases.

    Raises:
        DataError: test subjects, training subjects that were not asked for, files that have changed or are not there.
    """
    from mlseg.cli import build

    source = build.build(cfg.data.source)
    files = source.list_cases()
    draw = rules.Draw(fractions=(), seed=0, fold=0, folds=2)  # nothing is drawn
    selection = rules.select_subjects(run, files, part=cfg.part, split=cfg.split, draw=draw)
    checkpoint = run.find_checkpoint(cfg.checkpoint)
    elsewhere = {} if checkpoint.resolve().is_relative_to(run.path.resolve()) else read_seen(checkpoint.parent) or {}
    allowed = bool(cfg.allow_training_subjects)

    def check(cases: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        return check_fitted(selection, run, elsewhere=elsewhere, cases=cases, allow_training=allowed)

    check({})  # by name, before files are read
    prepared = build.prepare(cfg, source, files, subjects=set(selection.subjects))
    cases = build.identify(prepared)
    trained = check(cases)
    changed = rules.find_changed(selection, cases=cases, known=run.cases)
    if not cfg.allow_changed_data:
        rules.check_unchanged(changed)
    return FittedCases(prepared=prepared, selection=selection, cases=cases, changed=changed, trained=trained)


def check_fitted(
    selection: rules.Selection,
    run: JudgedRun,
    *,
    elsewhere: Mapping[str, str],
    cases: Mapping[str, Sequence[str]],
    allow_training: bool,
) -> tuple[str, ...]:
    """Refuse test subjects of the run, and unless allowed its training subjects, by name or by their very files.

    Args:
        selection: who is to be fitted.
        run: whose parts they must not be in.
        elsewhere: subject -> "train" or "val", by the record beside a checkpoint that is not the run's.
        cases: case -> subject and hash of its files; empty if they are not known yet.
        allow_training: True lets training subjects pass.

    Returns:
        The training subjects among them.

    Raises:
        DataError: names the first few.
    """
    parts = {subject: part for part in ("train", "test") for subject in run.parts[part]}
    parts = {**{subject: part for subject, part in elsewhere.items() if part == "train"}, **parts}
    found = rules.find_seen(selection, parts, cases=cases, known=run.cases)
    trained = {subject: how for subject, how in found.items() if how.endswith(rules.WORDS["train"])}
    tested = {subject: how for subject, how in found.items() if subject not in trained}
    if tested:
        raise DataError(
            f"split {selection.split}: {selection.part} must hold no test subject of the run, got {len(tested)} of "
            f"{len(selection.subjects)}: {_list(tested)}. What was fitted to them cannot be judged by them."
        )
    if trained and not allow_training:
        raise DataError(
            f"split {selection.split}: {selection.part} must hold no subject that the network was trained on, got "
            f"{len(trained)} of {len(selection.subjects)}: {_list(trained)}. Give others, or "
            "allow_training_subjects=true, which calibrator.json will say."
        )
    return tuple(trained)


def _list(found: Mapping[str, str]) -> str:
    words = [f"{subject} ({how})" for subject, how in found.items()]
    return ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
