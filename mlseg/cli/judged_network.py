"""The network of a finished run, for all that look at it again: on its device, in its precision, with its weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from mlseg.engine.device import Compute
    from mlseg.engine.distributed import Group

# Where a network's training began, by the names that configs/model gives it; a checkpoint replaces it.
START_KEYS = ("encoder_weights", "weights_path")


def choose_judging_compute(cfg: DictConfig, group: Group | None = None) -> Compute:
    """Device, precision and memory order by which a run is judged, the same as at its end wherever they can be had.

    Args:
        cfg: `trainer` of the run with what was typed, and `evaluation.precision`.
        group: the processes that share the work.
    """
    from mlseg.engine.device import choose_compute
    from mlseg.engine.seeding import use_deterministic_kernels
    from mlseg.engine.settings import TrainerSettings

    settings = TrainerSettings(**OmegaConf.to_container(cfg.trainer, resolve=True))  # type: ignore[arg-type]
    use_deterministic_kernels(settings.deterministic)
    local_rank = group.local_rank if group is not None and group.world > 1 else None
    try:
        compute = choose_compute(settings, local_rank=local_rank)
    except ConfigError:
        # The precision of the training may not be had here, and judging has one of its own.
        compute = choose_compute(dataclasses.replace(settings, amp="auto"), local_rank=local_rank)
    return compute.in_precision(cfg.evaluation.get("precision", "float32"))


def load_network(
    model: DictConfig, checkpoint: Path, *, compute: Compute, epoch: int | None = None
) -> tuple[nn.Module, int]:
    """The network with the weights of a checkpoint, and the epoch that they are from.

    Args:
        model: its part of the run's configuration; weights that its training began with are not read again.
        checkpoint: the file.
        compute: where it goes.
        epoch: the one that the weights must be from; None takes any.

    Raises:
        RunError: the checkpoint cannot be read, is from another epoch, or does not fit.
    """
    from mlseg.cli import build
    from mlseg.engine.evaluator import load_weights

    fresh = {key: None for key in START_KEYS if model.get(key) is not None}
    network = compute.place(build.build(model, **fresh))
    remedy = "Restore it, or give checkpoint=..., one of this very network."
    return network, load_weights(network, checkpoint, epoch=epoch, remedy=remedy)
