"""What is said of an evaluation: its folder's name, its settings, its record, and a paragraph for the reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.cli.compose import Composition, flatten
from mlseg.cli.evaluation_folder import KIND
from mlseg.cli.judged_calibrator import UsedCalibrator
from mlseg.cli.judged_cases import Selection
from mlseg.cli.judged_run import BEST, LAST, JudgedRun
from mlseg.cli.naming import INERT_KEYS, join_words, name_differences
from mlseg.cli.run_base import PAST_KEY

VERSION = 1
# Of the command itself; all others are the run's.
OWN_KEYS = frozenset(
    {"run", "part", "split", "checkpoint", "calibrator", "name", "output", "allow_seen_subjects", "allow_changed_data"}
)
INERT = INERT_KEYS | OWN_KEYS | {PAST_KEY}
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What an evaluation judges.

    Args:
        run: of which run.
        which: "best", "last" or the path of a checkpoint, as it was typed.
        checkpoint: its file.
        epoch: that it is from.
        weights: a hash of them.
        selection: whose cases.
        cases: case id -> subject and hash of its files.
        seen: subject -> where the network has seen it.
        changed: case -> how its files differ from those that the run recorded.
        history_known: False if it is not recorded who the weights were trained on.
        calibrator: what maps its logits; None if nothing does.
    """

    run: JudgedRun
    which: str
    checkpoint: Path
    epoch: int
    weights: str
    selection: Selection
    cases: Mapping[str, Sequence[str]]
    seen: Mapping[str, str]
    changed: Mapping[str, str]
    history_known: bool = True
    calibrator: UsedCalibrator | None = None


def name_evaluation(
    cfg: DictConfig, plain: Composition, chosen: Composition, *, changed: bool, calibrator: str = ""
) -> str:
    """What sets an evaluation apart, e.g. `test`, `val+last`, `test+calibrator-temperature`.

    Args:
        cfg: the configuration of the evaluation.
        plain: the run's own.
        chosen: the same with the choice of an evaluation protocol, if one was made.
        changed: whether files differ from those that the run recorded.
        calibrator: the method of the calibrator; "" without one.
    """
    words = [str(cfg.part)]
    if cfg.checkpoint != BEST:
        words.append(LAST if cfg.checkpoint == LAST else f"checkpoint-{Path(cfg.checkpoint).stem}")
    words += [f"calibrator-{calibrator}"] if calibrator else []
    if cfg.split is not None:
        words.append(f"split-{Path(cfg.split).stem if '/' in cfg.split else cfg.split.removesuffix('.json')}")
    if name_differences(chosen.cfg, plain, inert=INERT):
        words.append(f"evaluation-{chosen.choices['evaluation']}")
    words += sorted(name_differences(cfg, chosen, inert=INERT))
    return join_words([*words, *(["changed-data"] if changed else [])])


def list_settings(cfg: DictConfig, judged: Judged) -> dict[str, Any]:
    """What two evaluations in one folder must agree in, flat, as JSON would read it back."""
    run, selection = judged.run, judged.selection
    claim = run.path / "claim.json"
    identity = claim.read_bytes() if claim.is_file() else json.dumps(run.config, sort_keys=True, default=str).encode()
    place = judged.checkpoint.resolve()
    inside = place.is_relative_to(run.path.resolve())
    tree: dict[str, Any] = OmegaConf.to_container(cfg.evaluation, resolve=True)  # type: ignore[assignment]
    # A protocol that is not used changes nothing.
    used = {key: value for key, value in tree.items() if not isinstance(value, dict) or key in tree["protocols"]}
    evaluation = flatten({"evaluation": used})
    return {
        "run": hashlib.sha256(identity).hexdigest()[:16],
        "part": selection.part,
        "split": selection.split,
        "subjects": list(selection.subjects),
        "checkpoint": str(place.relative_to(run.path.resolve()) if inside else place),
        "changed_data": bool(judged.changed),
        # Evaluations from before there were calibrators have no such key.
        **({"calibrator": judged.calibrator.digest} if judged.calibrator else {}),
        **{key: value for key, value in sorted(evaluation.items()) if key not in INERT},
    }


def list_notes(judged: Judged) -> list[str]:
    """What a reader of the scores must know, a sentence each."""
    run, selection, notes = judged.run, judged.selection, []
    people, known = set(selection.subjects), {subject for part in run.parts.values() for subject in part}
    if not run.is_done:
        notes.append(f"The run is not finished: it is {run.describe_state()}.")
    if selection.own and selection.part == "train":
        notes.append("The network was trained on these very subjects.")
    elif selection.own and selection.part == "val":
        notes.append("The epoch of best.pt was chosen by these very subjects.")
    elif judged.seen:
        listed = _list([f"{subject} ({how})" for subject, how in judged.seen.items()])
        notes.append(
            f"The network has seen {len(judged.seen)} of these {len(people)} subjects, so their scores are too good: "
            f"{listed}."
        )
    fitted = people & judged.calibrator.subjects if judged.calibrator else frozenset()
    if fitted:
        notes.append(f"The calibrator was fitted to {len(fitted)} of these {len(people)} subjects.")
    if judged.which not in (BEST, LAST):
        notes.append("These weights are not the run's own: its loss and seed, named above, may not be theirs.")
    if judged.changed:
        listed = _list([f"{case} ({how})" for case, how in judged.changed.items()])
        notes.append(f"{_count(len(judged.changed), 'case')} with other files than the run recorded: {listed}.")
    if not run.cases and people & known:
        notes.append("The run did not record its files, so it cannot be told whether they have changed.")
    if not judged.history_known:
        notes.append(
            "Who this checkpoint was trained on is not recorded beside it, so it may have seen these subjects."
        )
    return notes


def describe(judged: Judged, *, words: Sequence[str]) -> str:
    """What was judged, a paragraph.

    Args:
        judged: it.
        words: what was typed about the protocol.
    """
    run, selection = judged.run, judged.selection
    names = describe_choices(run)
    what = ", ".join(f"{group} {name}" for group, name in names.items())
    score = run.config.get("evaluation", {}).get("checkpoint_score")
    best = "the last" if score == LAST or not run.parts["val"] else f"best by {score}"
    which = {BEST: best, LAST: "the last"}.get(judged.which, f"from {judged.checkpoint}")
    owner = "the run's own split" if selection.own else "split"
    of = f"{owner} {selection.split}" if selection.split else owner
    return " ".join(
        [
            f"Evaluation of run `{run.path}`: {what}, seed {run.config.get('seed')}; epoch {judged.epoch} ({which});",
            f"{count_people(judged)}: the {selection.part} part of {of}.",
            *([f"Calibrated by {judged.calibrator.about}."] if judged.calibrator else []),
            *([f"Not as in the run: {', '.join(words)}."] if words else []),
            *list_notes(judged),
            "run.json has every setting.",
        ]
    )


def count_people(judged: Judged) -> str:
    """How many subjects and cases, in words."""
    return f"{_count(len(judged.selection.subjects), 'subject')}, {_count(len(judged.cases), 'case')}"


def describe_choices(run: JudgedRun) -> dict[str, str]:
    """What a run was made of; the names of classes where the choices are not recorded yet."""
    config = run.config
    found = {"data": str(config["data"].get("name"))}
    found |= {part: str(config.get(part, {}).get("_target_", "?")).rsplit(".", 1)[-1] for part in ("model", "loss")}
    return {part: run.choices.get(part, name) for part, name in found.items()}


def build_record(
    cfg: DictConfig, judged: Judged, *, settings: Mapping[str, Any], added: Sequence[str], fingerprint: str
) -> dict[str, Any]:
    """run.json of an evaluation, but for what the caller adds about this process.

    Args:
        cfg: the configuration of the evaluation.
        judged: what it judges.
        settings: what `list_settings` returned.
        added: settings that the run's version did not have.
        fingerprint: of the judged cases.
    """
    run, selection = judged.run, judged.selection
    tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    evaluation = dict(tree["evaluation"])
    if "checkpoint_score" in run.config.get("evaluation", {}):
        evaluation["checkpoint_score"] = run.config["evaluation"]["checkpoint_score"]
    trainer = {**run.config.get("trainer", {}), **tree["trainer"]}
    config = {**run.config, "data": tree["data"], "evaluation": evaluation, "trainer": trainer}
    split = {"name": selection.split, "part": selection.part, "own": selection.own}
    return {
        "version": VERSION,
        "kind": KIND,
        "settings": dict(settings),
        "run": str(run.path),
        "run_state": {"state": run.state, "epoch": run.epoch},
        "choices": run.choices,
        "config": config,
        "added_settings": list(added),
        "protocols": list(cfg.evaluation.protocols),
        "split": {**split, "subjects": list(selection.subjects), "fingerprint": fingerprint},
        "cases": {case: list(found) for case, found in judged.cases.items()},
        "seen_subjects": dict(judged.seen),
        "changed_cases": dict(judged.changed),
        "checkpoint": {
            "which": judged.which,
            "file": str(judged.checkpoint),
            "epoch": judged.epoch,
            "weights": judged.weights,
        },
        "calibrator": judged.calibrator.describe() if judged.calibrator else None,
        "notes": list_notes(judged),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _list(words: Sequence[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")
