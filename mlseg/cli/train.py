"""`mlseg-train`: train one run, then evaluate its best checkpoint on the test split."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from mlseg.cli.app import AppInfo, run_app
from mlseg.cli.compose import read_choice_keys
from mlseg.cli.done_runs import is_complete
from mlseg.cli.judging import CASES, judge
from mlseg.cli.naming import claim, run_directory
from mlseg.cli.pooling import pool_folds
from mlseg.cli.preflight import find_config_problems
from mlseg.cli.programs import find_beside_python, find_typed
from mlseg.engine.stopping import StopSignals

if TYPE_CHECKING:
    from torch import nn

    from mlseg.cli.build import Data
    from mlseg.engine.device import Compute
    from mlseg.engine.distributed import Group
    from mlseg.engine.run_directory import RunDirectory
    from mlseg.engine.settings import TrainerSettings
    from mlseg.engine.trainer import Progress
    from mlseg.report.run_report import Programs

RECORD_VERSION = 1


def main() -> None:
    """Entry point of the command line."""
    with StopSignals():
        run_app(train, config_name="train", prog="mlseg-train", check=find_config_problems, after_sweep=pool_folds)


def train(cfg: DictConfig, info: AppInfo) -> int:
    """One run from a checked configuration: claim, prepare, train, evaluate, report.

    Typed again, the same configuration goes on where it was, or says that it is done.
    """
    from mlseg.engine.distributed import join_group
    from mlseg.engine.run_directory import RunDirectory
    from mlseg.report.run_report import report_run

    with StopSignals() as stop, join_group() as group:
        run = RunDirectory(run_directory(cfg, info.choices), owner=group.is_first)
        run.claim(claim(cfg))
        with run, group.first_fault():
            _run(cfg, info, run, together=Together(group=group, stop=stop))
            if group.is_first:
                report_run(run.path, programs=_find_programs())
    return 0


@dataclass(frozen=True, kw_only=True)
class Together:
    """The processes of a run, and the signals that may stop it."""

    group: Group
    stop: StopSignals


def _run(cfg: DictConfig, info: AppInfo, run: RunDirectory, *, together: Together) -> None:
    from mlseg.cli import build
    from mlseg.data.oddities import find_oddities
    from mlseg.engine.device import choose_compute
    from mlseg.engine.keeper import check_resumable

    group = together.group
    if run.status().get("state") != "done":  # a finished run stays one until it is sure that it can go on
        run.write_status("running", max_epochs=cfg.trainer.max_epochs)
    with group.first_goes_ahead():
        data = build.build_data(cfg)
    run.pin("data.json", data.facts(), what="a run on other files or another split")
    run.pin(CASES, data.cases(), what="a run on other files")
    if group.agree(is_complete(run, cfg.trainer.max_epochs)):
        if group.is_first:
            longer = "A larger trainer.max_epochs goes on from there; to" if build.can_grow(cfg) else "To"
            print(f"{run.path}: done already ({run.status()['epoch']} epochs). {longer} start anew, give run_name=...")
        return
    settings = build.build(cfg.trainer)
    compute = choose_compute(settings, local_rank=group.local_rank if group.world > 1 else None)
    judging = compute.in_precision(cfg.evaluation.precision)
    if run.status().get("state") == "done":
        check_resumable(run)
    run.write_status("running", max_epochs=cfg.trainer.max_epochs)
    run.write_config(build.to_yaml(cfg))
    run.open_log().info("split %s: %d train, %d validation, %d test cases", *_describe_split(data))
    if group.is_first:
        _warn(find_oddities(data.train, cfg.data.source.labels, judged=(data.val, data.test)))
    cfg = build.settle_checkpoint_score(cfg, len(data.val))
    network, progress = _train(cfg, run, data, settings=settings, compute=compute, together=together)
    _evaluate(cfg, info, run, data=data, network=network, progress=progress, compute=judging, group=group)


def _train(
    cfg: DictConfig,
    run: RunDirectory,
    data: Data,
    *,
    settings: TrainerSettings,
    compute: Compute,
    together: Together,
) -> tuple[nn.Module, Progress]:
    from mlseg.cli import build
    from mlseg.engine.seeding import INITIALISATION, seed_generators, use_deterministic_kernels
    from mlseg.engine.trainer import Trainer

    use_deterministic_kernels(settings.deterministic)
    seed_generators(cfg.seed, INITIALISATION)
    network = compute.place(build.build(cfg.model))
    optimizer, scheduler = build.build_optimizer(cfg, network.parameters())
    loader = build.build_loader(cfg, data.train, compute, together.group)
    inference = build.build_inference(cfg, compute)
    trainer = Trainer(
        network=network,
        loss=build.build(cfg.loss),
        optimizer=optimizer,
        scheduler=scheduler,
        loader=loader,
        cases=data.val,
        inference=inference,
        settings=settings,
        compute=compute,
        run=run,
        checkpoint_score=cfg.evaluation.checkpoint_score,
        seed=cfg.seed,
        group=together.group,
        stop=together.stop,
    )
    if together.group.is_first:
        _announce(cfg, run, data, compute, loader, processes=together.group.world)
    return network, trainer.fit()


def _evaluate(
    cfg: DictConfig,
    info: AppInfo,
    run: RunDirectory,
    *,
    data: Data,
    network: nn.Module,
    progress: Progress,
    compute: Compute,
    group: Group,
) -> None:
    from mlseg.engine.evaluator import load_best

    epochs = {"epoch": progress.epoch, "max_epochs": cfg.trainer.max_epochs}
    run.write_status("running", **epochs, phase="evaluation")
    load_best(network, run, epoch=progress.best_epoch)
    score, cases = cfg.evaluation.checkpoint_score, len(data.test)
    if group.is_first:
        print(f"evaluating epoch {progress.best_epoch} of {progress.epoch} (best by {score}) on {cases} test cases")
    judged = judge(cfg, network, data.test, folder=run.path, compute=compute, group=group)
    if group.is_first:
        _write_record(cfg, info, run, data, progress, judged=judged)
    run.write_status("done", **epochs)


def _describe_split(data: Data) -> tuple[Any, ...]:
    return data.split.name, len(data.train), len(data.val), len(data.test)


def _warn(lines: Sequence[str]) -> None:
    """Say it once, on the screen and in train.log."""
    for line in lines:
        logging.getLogger("mlseg.run").warning(line)
        print(f"warning: {line}", file=sys.stderr, flush=True)


def _announce(cfg: DictConfig, run: RunDirectory, data: Data, compute: Any, loader: Any, *, processes: int) -> None:
    name, *counts = _describe_split(data)
    print(f"run directory: {run.path}")
    print(f"{cfg.data.name}, split {name}: {counts[0]} train, {counts[1]} validation, {counts[2]} test cases")
    layout = "channels-last" if compute.channels_last else "channels-first"
    shared = f", {processes} processes that share each batch" if processes > 1 else ""
    print(f"training on {compute.device}, amp {compute.amp}, {layout}{shared}")
    what = "patches an epoch" if cfg.data.dims == 3 else "training slices"
    print(f"{what}: {loader.num_samples} in {loader.residency} ({loader.residency_reason})")


def _write_record(
    cfg: DictConfig, info: AppInfo, run: RunDirectory, data: Data, progress: Progress, *, judged: dict[str, Any]
) -> None:
    from omegaconf import OmegaConf

    from mlseg.cli.build import can_grow
    from mlseg.engine.provenance import describe_software
    from mlseg.records import write_json

    experiment = read_choice_keys("experiment", info.choices.get("experiment", ""))
    write_json(
        run.record,
        {
            "version": RECORD_VERSION,
            "choices": info.choices,
            "overrides": list(info.overrides),
            "config": OmegaConf.to_container(cfg, resolve=True),
            "protocols": list(cfg.evaluation.protocols),
            "split": {"name": data.split.name, **data.facts()},
            "best_epoch": progress.best_epoch,
            "best_score": progress.best_score,
            "history": progress.history,
            "sessions": progress.sessions,
            "evaluated": judged,
            "can_grow": can_grow(cfg),
            # An experiment that sets the loss's arguments goes with that loss alone.
            "can_change_loss": not any(key.startswith("experiment.loss.") for key in experiment),
            "software": describe_software(),
        },
    )


def _find_programs() -> Programs:
    """How this process was called, and TensorBoard beside its Python."""
    from mlseg.report.run_report import Programs

    return Programs(train=find_typed("mlseg-train"), tensorboard=(find_beside_python("tensorboard"),))
