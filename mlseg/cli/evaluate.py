"""`mlseg-evaluate`: judge a run again, into a folder of its own: other subjects, protocol or weights."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mlseg.cli import judged_cases as rules
from mlseg.cli.app import AppInfo, run_app
from mlseg.cli.compose import compose_config
from mlseg.cli.evaluate_preflight import find_evaluate_problems
from mlseg.cli.evaluation_folder import RECORD, check_free, filling
from mlseg.cli.evaluation_record import (
    Judged,
    build_record,
    count_people,
    describe,
    describe_choices,
    list_notes,
    list_settings,
    name_evaluation,
)
from mlseg.cli.judged_calibrator import read_used
from mlseg.cli.judged_network import choose_judging_compute, load_network
from mlseg.cli.judged_run import BEST, EVALUATIONS, LAST, JudgedRun, read_run, read_seen
from mlseg.cli.judging import hash_weights, judge
from mlseg.cli.programs import find_typed
from mlseg.cli.run_base import CONFIG, find_added, find_base, store_base
from mlseg.engine.stopping import StopSignals

if TYPE_CHECKING:
    from torch import nn

    from mlseg.data.cache import PreparedSet
    from mlseg.engine.calibrator import Calibrator
    from mlseg.engine.device import Compute
    from mlseg.engine.distributed import Group
    from mlseg.report.judgement import Judgement

PROG = "mlseg-evaluate"


def main() -> None:
    """Entry point of the command line."""
    with StopSignals():  # nothing of an unfinished evaluation is left
        run_app(evaluate, config_name=CONFIG, prog=PROG, check=find_evaluate_problems, find_base=find_base)


def evaluate(cfg: DictConfig, info: AppInfo) -> int:
    """One evaluation from a checked configuration: who, which weights, scores, report.

    Nothing is written into the run's directory but the evaluation's own folder, and that only when it is whole.
    """
    from mlseg.engine.distributed import join_group

    with StopSignals(), join_group() as group:
        run = read_run(cfg.run)
        compute = choose_judging_compute(cfg, group)
        with group.first_goes_ahead():
            cases, judged = _find_cases(cfg, run)
        network, judged = _load(cfg, judged, compute)
        if judged.calibrator is not None:
            judged.calibrator.module.check_weights(judged.weights, owner=str(judged.calibrator.file))
        if group.is_first:
            _fill(cfg, info, judged, network=network, cases=cases, compute=compute, group=group)
        else:
            judge(cfg, network, cases, folder=Path(), compute=compute, group=group, calibrator=_take_map(judged))
    return 0


def _fill(
    cfg: DictConfig,
    info: AppInfo,
    judged: Judged,
    *,
    network: nn.Module,
    cases: PreparedSet,
    compute: Compute,
    group: Group,
) -> None:
    from mlseg.engine.provenance import describe_software
    from mlseg.records import write_json
    from mlseg.report.judgement import report_judgement

    folder, settings = _choose_folder(cfg, info, judged), list_settings(cfg, judged)
    earlier = check_free(folder, settings)
    _announce(judged, folder, earlier)
    with filling(folder) as hidden:
        calibrator = _take_map(judged)
        how = judge(cfg, network, cases, folder=hidden, compute=compute, group=group, calibrator=calibrator)
        added, fingerprint = find_added(judged.run), cases.fingerprint
        record = build_record(cfg, judged, settings=settings, added=added, fingerprint=fingerprint)
        own = {"overrides": list(info.overrides), "evaluated": how, "software": describe_software()}
        write_json(hidden / RECORD, {**record, **own})
    report_judgement(folder, _build_judgement(cfg, info, judged), commands=_suggest_commands(info, judged))


def _take_map(judged: Judged) -> Calibrator | None:
    return None if judged.calibrator is None else judged.calibrator.module


def _find_cases(cfg: DictConfig, run: JudgedRun) -> tuple[PreparedSet, Judged]:
    """The prepared cases, and who they are; refused if the network has seen them or their files have changed."""
    from mlseg.cli import build
    from mlseg.data.splits import DEFAULT_FOLDS

    data, checkpoint = cfg.data, run.find_checkpoint(cfg.checkpoint)
    draw = rules.Draw(
        fractions=tuple(data.get("split_fractions") or ()),
        seed=data.get("split_seed", 0),
        fold=data.get("fold", 0),
        folds=data.get("folds", DEFAULT_FOLDS),
    )
    source = build.build(data.source)
    files = source.list_cases()
    selection = rules.select_subjects(run, files, part=cfg.part, split=cfg.split, draw=draw)
    # A checkpoint from elsewhere was trained on what is recorded beside it.
    inside = checkpoint.resolve().is_relative_to(run.path.resolve())
    elsewhere = {} if inside else read_seen(checkpoint.parent)
    calibrator = read_used(cfg.calibrator, checkpoint)
    calibrated = calibrator.cases if calibrator else {}
    history = {**{subject: "calibrated" for subject, _ in calibrated.values()}, **(elsewhere or {}), **run.seen()}
    known = {**run.cases, **calibrated}

    def check_seen(cases: dict[str, list[str]]) -> dict[str, str]:
        seen = rules.find_seen(selection, history, cases=cases, known=known)
        if not cfg.allow_seen_subjects:
            rules.check_unseen(selection, seen)
        return seen

    check_seen({})  # by name, before files are read
    prepared = build.prepare(cfg, source, files, subjects=set(selection.subjects))
    cases = build.identify(prepared)
    seen = check_seen(cases)
    changed = rules.find_changed(selection, cases=cases, known=run.cases)
    if not cfg.allow_changed_data:
        rules.check_unchanged(changed)
    judged = Judged(
        run=run,
        which=cfg.checkpoint,
        checkpoint=checkpoint,
        epoch=0,
        weights="",
        selection=selection,
        cases=cases,
        seen=seen,
        changed=changed,
        history_known=elsewhere is not None,
        calibrator=calibrator,
    )
    return prepared, judged


def _load(cfg: DictConfig, judged: Judged, compute: Compute) -> tuple[nn.Module, Judged]:
    """The network with the weights that are judged, and which they are."""
    expected = judged.run.best_epoch if judged.which == BEST else None
    network, epoch = load_network(cfg.model, judged.checkpoint, compute=compute, epoch=expected)
    return network, dataclasses.replace(judged, epoch=epoch, weights=hash_weights(network))


def _choose_folder(cfg: DictConfig, info: AppInfo, judged: Judged) -> Path:
    if cfg.output is not None:
        return Path(str(cfg.output)).expanduser()
    if cfg.name is not None:
        return judged.run.path / EVALUATIONS / str(cfg.name)
    base, choice = store_base(judged.run), info.choices.get("evaluation")
    plain = compose_config([], config_name=base)
    chosen = compose_config([f"evaluation={choice}"], config_name=base) if choice else plain
    method, changed = judged.calibrator.method if judged.calibrator else "", bool(judged.changed)
    return judged.run.path / EVALUATIONS / name_evaluation(cfg, plain, chosen, changed=changed, calibrator=method)


def _announce(judged: Judged, folder: Path, earlier: dict[str, Any] | None) -> None:
    selection = judged.selection
    print(f"judging epoch {judged.epoch} of {judged.run.path} ({judged.checkpoint.name})")
    print(f"{selection.part} of split {selection.split}: {count_people(judged)}")
    print(f"evaluation folder: {folder}")
    for note in list_notes(judged):
        print(f"note: {note}")
    before = (earlier or {}).get("checkpoint", {})
    if earlier is not None and before.get("weights") != judged.weights:
        print(f"note: it replaces an earlier evaluation of other weights (epoch {before.get('epoch')}).")


def _build_judgement(cfg: DictConfig, info: AppInfo, judged: Judged) -> Judgement:
    from mlseg.report.definitions import SETTINGS
    from mlseg.report.judgement import USUAL_BINS, Judgement

    evaluation: dict[str, Any] = OmegaConf.to_container(cfg.evaluation, resolve=True)  # type: ignore[assignment]
    own, names = evaluation.get("default", {}), describe_choices(judged.run)
    words = [word for word in info.overrides if word.lstrip("+~").startswith("evaluation")]
    heading = {"test": "Test scores", "val": "Validation scores", "train": "Training scores"}[judged.selection.part]
    return Judgement(
        title=f"{', '.join(names.values())}; {judged.selection.part}",
        about=describe(judged, words=words),
        protocols=tuple(evaluation["protocols"]),
        labels=tuple(cfg.data.source.labels),
        settings={name: own.get(name, usual) for name, usual in SETTINGS.items()},
        heading=heading,
        bins={name: evaluation[name].get("bins", USUAL_BINS) for name in evaluation["protocols"]},
    )


def _suggest_commands(info: AppInfo, judged: Judged) -> dict[str, str]:
    """What to do next -> the command that does it."""

    def command(*words: str, without: tuple[str, ...]) -> str:
        kept = [word for word in info.overrides if not word.startswith((*without, "name=", "output="))]
        return shlex.join([*find_typed(PROG), *kept, *words])

    commands = {}
    if judged.which == BEST and (judged.run.path / f"{LAST}.pt").is_file():
        commands["judge the last epoch"] = command(f"checkpoint={LAST}", without=("checkpoint=",))
    if judged.selection.own and judged.selection.part == "test" and judged.run.parts["val"]:
        commands["judge the validation part"] = command("part=val", without=("part=",))
    return commands
