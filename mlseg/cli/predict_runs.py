"""The runs that predict: their settings with what was typed laid over them, what they agree in, and their networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import ConfigError, DataError
from mlseg.cli import build
from mlseg.cli.judged_calibrator import read_used
from mlseg.cli.judged_network import choose_judging_compute, load_network
from mlseg.cli.judged_run import BEST, JudgedRun, read_run
from mlseg.cli.run_base import build_base
from mlseg.data.nifti import NATIVE

if TYPE_CHECKING:
    from mlseg.engine.ensemble import Member
    from mlseg.types import CaseSource

FLIPS = "flips"


@dataclass(frozen=True, kw_only=True)
class PredictingRun:
    """One run.

    Args:
        run: its records.
        cfg: its data, model, evaluation and trainer, references filled in, with what was typed.
        checkpoint: the file of its weights.
        source: its data set; None if that is not there any more and nothing but it knows its classes.
        lacking: why the data set is not there, for a note; "" if it is.
        labels, channels: names, background and first channel first.
        orientation: axis codes that its scans were brought to, or "native".
    """

    run: JudgedRun
    cfg: DictConfig
    checkpoint: Path
    source: CaseSource | None
    lacking: str
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    orientation: str


def list_places(cfg: DictConfig) -> list[Any]:
    """The directories of the runs as they were typed."""
    found = OmegaConf.to_container(cfg)["run"]  # type: ignore[index,call-overload]
    return found if isinstance(found, list) else [found]


def read_runs(cfg: DictConfig) -> list[PredictingRun]:
    """Read the records of all runs; nothing heavy is imported.

    Raises:
        ConfigError: a directory is no run, or the runs do not have the same classes and channels.
        RunError: a record cannot be read, or a run has no such weights.
    """
    runs = [_read(place, cfg) for place in list_places(cfg)]
    first = runs[0]
    for other in runs[1:]:
        for name in ("labels", "channels"):
            mine, its = getattr(first, name), getattr(other, name)
            if mine != its:
                raise ConfigError(
                    f"run: all must have the same {name} to be averaged, got {', '.join(mine)} of {first.run.path} and "
                    f"{', '.join(its)} of {other.run.path}. Predict with each alone."
                )
    return runs


def build_member(one: PredictingRun, cfg: DictConfig) -> tuple[Member, dict[str, Any]]:
    """The network of a run with its weights, ready to predict, and what predictions depend on, as JSON holds it.

    Raises:
        RunError: the weights cannot be read, are from another epoch than recorded, or do not fit; so does a calibrator.
        ConfigError: a device or a precision that is not there, or flips where the data allows none.
    """
    from mlseg.cli.judging import hash_weights
    from mlseg.engine.ensemble import Member, choose_flip_axes

    compute = choose_judging_compute(one.cfg)
    expected = one.run.best_epoch if cfg.checkpoint == BEST else None
    network, epoch = load_network(one.cfg.model, one.checkpoint, compute=compute, epoch=expected)
    used, weights = read_used(cfg.calibrator, one.checkpoint), hash_weights(network)
    if used is not None:
        used.module.check_weights(weights, owner=str(used.file))
    inference, preprocessing = build.build_inference(one.cfg, compute), build.build_preprocessing(one.cfg.data)
    inference = dataclasses.replace(inference, calibrator=None if used is None else used.module.to(compute.device))
    flip_axes: tuple[str, ...] = ()
    if cfg.tta == FLIPS:
        flip_axes = choose_flip_axes(one.cfg.data.get("flip_axes", ()), in_3d=inference.in_3d)
    member = Member(
        network=network.eval(),
        inference=inference,
        preprocessing=preprocessing,
        orientation=one.orientation,
        flip_axes=flip_axes,
    )
    depends = {
        "weights": weights,
        "calibrator": None if used is None else used.digest,
        "epoch": epoch,
        "crop": list(inference.crop),
        "inference": inference.mode,
        "precision": one.cfg.evaluation.get("precision", "float32"),
        "clip_percentiles": list(preprocessing.clip_percentiles),
        "spacing_mm": None if preprocessing.spacing_mm is None else list(preprocessing.spacing_mm),
        "normalise_over": preprocessing.normalise_over,
        "orientation": one.orientation,
        "flips": list(flip_axes),
    }
    return member, depends


def join_settings(depends: Sequence[dict[str, Any]], **shared: Any) -> dict[str, Any]:
    """What two predictions in one place must agree in: of each member in turn, and of all.

    Example:
        >>> join_settings([{"weights": "a"}, {"weights": "b"}], labels={"LV": 1})
        {'weights': ['a', 'b'], 'labels': {'LV': 1}}
    """
    return {**{key: [one[key] for one in depends] for key in depends[0]}, **shared}


def _read(place: Any, cfg: DictConfig) -> PredictingRun:
    run = read_run(place)
    own = OmegaConf.create(build_base(run))
    typed: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    for part in ("data", "evaluation"):
        for key, value in typed[part].items():
            if value is not None:
                OmegaConf.update(own, f"{part}.{key}", value, force_add=True)
    OmegaConf.update(own, "trainer.device", typed["device"], force_add=True)
    own = OmegaConf.create(OmegaConf.to_container(own, resolve=True))  # type: ignore[assignment]
    source, lacking = None, ""
    try:
        source = build.build(own.data.source)
    except DataError as error:
        lacking = str(error)
    labels, channels = (_name(own, source, name, lacking) for name in ("labels", "channels"))
    orientation = own.data.source.get("orientation", NATIVE)
    if cfg.orientation is not None and orientation != NATIVE:
        raise ConfigError(
            f"orientation: must be left out for {run.path}, which brings every scan to {orientation} itself, got "
            f"{cfg.orientation}. Leave it out."
        )
    return PredictingRun(
        run=run,
        cfg=own,
        checkpoint=run.find_checkpoint(str(cfg.checkpoint)),
        source=source,
        lacking=lacking,
        labels=labels,
        channels=channels,
        orientation=cfg.orientation or orientation,
    )


def _name(own: DictConfig, source: CaseSource | None, name: str, lacking: str) -> tuple[str, ...]:
    """Names of the classes or channels: as the run wrote them down, or else as the data set has them."""
    written = own.data.source.get(name) or getattr(source, name, None)
    if written is None:
        raise DataError(lacking)
    return tuple(written)
