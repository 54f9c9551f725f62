"""`mlseg-calibrate run=DIR method=temperature`: fit a calibrator to a trained run on its validation subjects."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from mlseg.checks import ConfigError
from mlseg.cli.app import AppInfo, run_app
from mlseg.cli.calibrate_base import CONFIG, find_calibrate_base
from mlseg.cli.calibrate_cases import FittedCases, find_fitted_cases
from mlseg.cli.calibrate_preflight import find_calibrate_problems
from mlseg.cli.calibrate_report import list_folds, print_calibration
from mlseg.cli.judged_calibrator import AUTO, place_calibrator
from mlseg.cli.judged_network import choose_judging_compute, load_network
from mlseg.cli.judged_run import BEST, JudgedRun, read_run
from mlseg.cli.programs import find_beside_python
from mlseg.engine.stopping import StopSignals

if TYPE_CHECKING:
    from torch import nn

    from mlseg.engine.calibration_fit import Calibration, CalibrationJob
    from mlseg.engine.device import Compute

PROG = "mlseg-calibrate"


def main() -> None:
    """Entry point of the command line."""
    with StopSignals():  # nothing is written before the end
        run_app(calibrate, config_name=CONFIG, prog=PROG, check=find_calibrate_problems, find_base=find_calibrate_base)


def calibrate(cfg: DictConfig, info: AppInfo) -> int:
    """One calibration from a checked configuration; nothing is written where the NLL gets worse."""
    from mlseg.engine.calibrator import write_calibrator

    run = read_run(cfg.run)
    checkpoint = run.find_checkpoint(cfg.checkpoint)
    place = place_calibrator(checkpoint) if cfg.output is None else Path(str(cfg.output)).expanduser()
    found = find_fitted_cases(cfg, run)
    compute = choose_judging_compute(cfg)
    expected = run.best_epoch if cfg.checkpoint == BEST else None
    network, epoch = load_network(cfg.model, checkpoint, compute=compute, epoch=expected)
    _announce(cfg, run, found, checkpoint, epoch)
    job = _build_job(cfg, compute, cases=len(found.cases))
    calibration = job.run(network, found.prepared)
    print_calibration(calibration, region=cfg.region)
    calibration.check_nll(cfg.region)
    facts = _build_facts(cfg, info, found, calibration, job=job)
    trained = {"which": cfg.checkpoint, "file": str(checkpoint), "epoch": epoch, "weights": _hash(network)}
    earlier = place.is_file()
    write_calibrator(place, calibration.calibrator, run=str(run.path), checkpoint=trained, **facts)
    print(f"\n{calibration.calibrator.describe()} {'replaces what was in' if earlier else 'is in'} {place}")
    _suggest(cfg, run, place)
    return 0


def _hash(network: nn.Module) -> str:
    from mlseg.cli.judging import hash_weights

    return hash_weights(network)


def _build_job(cfg: DictConfig, compute: Compute, *, cases: int) -> CalibrationJob:
    from mlseg.cli import build
    from mlseg.engine.calibration_fit import CalibrationJob
    from mlseg.engine.calibration_scores import CaseScoring
    from mlseg.engine.calibration_voxels import Sampling

    own = cfg.evaluation.default
    limit = int(cfg.max_voxels) // cases
    if limit < 1:
        raise ConfigError(
            f"max_voxels: must be at least one for each of {cases} cases, got {cfg.max_voxels}. Raise it."
        )
    boundary_mm = float(own.get("boundary_mm", 3.0))
    return CalibrationJob(
        method=cfg.method,
        inference=build.build_inference(cfg, compute),
        sampling=Sampling(region=cfg.region, limit=limit, seed=int(cfg.sample_seed), boundary_mm=boundary_mm),
        scoring=CaseScoring(
            labels=tuple(cfg.data.source.labels), bins=int(own.get("bins", 15)), boundary_mm=boundary_mm
        ),
    )


def _announce(cfg: DictConfig, run: JudgedRun, found: FittedCases, checkpoint: Path, epoch: int) -> None:
    selection = found.selection
    print(f"calibrating epoch {epoch} of {run.path} ({checkpoint.name}) by method={cfg.method}, region={cfg.region}")
    people = len(selection.subjects)
    count = f"{people} subject{'' if people == 1 else 's'}, {len(found.cases)} cases"
    print(f"{selection.part} of split {selection.split}: {count}")
    if not run.is_done:
        print(f"note: the run is not finished: it is {run.describe_state()}.")
    if found.trained:
        print(f"note: the network was trained on {len(found.trained)} of these subjects, so T will be too low.")
    if found.changed:
        print(f"note: {len(found.changed)} cases with other files than the run recorded.")


def _build_facts(
    cfg: DictConfig, info: AppInfo, found: FittedCases, calibration: Calibration, *, job: CalibrationJob
) -> dict[str, Any]:
    """What calibrator.json says of its history."""
    from mlseg.engine.calibration_fit import describe_fit
    from mlseg.engine.calibration_scores import nest_scores
    from mlseg.engine.provenance import describe_software

    selection, inference = found.selection, job.inference
    fitted_on = {
        "part": selection.part,
        "split": selection.split,
        "region": cfg.region,
        "subjects": list(selection.subjects),
        "cases": found.cases,
        "voxels": calibration.voxels,
        "voxels_drawn_from": calibration.seen,
        "max_voxels": int(cfg.max_voxels),
        "sample_seed": int(cfg.sample_seed),
        "trained_subjects": list(found.trained),
        "changed_cases": found.changed,
    }
    scores = {
        "cross_fitted": calibration.is_cross_fitted,
        "bins": job.scoring.bins,
        "boundary_mm": job.scoring.boundary_mm,
        "before": nest_scores(calibration.before),
        "after": nest_scores(calibration.after),
    }
    return {
        "fit": describe_fit(calibration),
        "fitted_on": fitted_on,
        "left_out": list_folds(calibration),
        "scores": scores,
        "inference": {
            "mode": inference.mode,
            "crop": list(inference.crop),
            "precision": cfg.evaluation.precision,
            **inference.compute.describe(),
        },
        "overrides": list(info.overrides),
        "software": describe_software(),
    }


def _suggest(cfg: DictConfig, run: JudgedRun, place: Path) -> None:
    """How the test part is judged with it."""
    if run.parts["test"]:
        word = AUTO if cfg.output is None else str(place)
        words = [find_beside_python("mlseg-evaluate"), f"run={run.path}", f"calibrator={word}"]
        words += [] if cfg.checkpoint == BEST else [f"checkpoint={cfg.checkpoint}"]
        print(f"judge the test part with it:\n  {shlex.join(words)}")


if __name__ == "__main__":
    main()
