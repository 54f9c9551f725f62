"""All that a training must remember to go on bit for bit: weights, optimizer, schedule, generators, position."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from mlseg.checks import RunError
from mlseg.engine.checkpoint import bare_network, find_mismatch


@dataclass
class Progress:
    """How far a run has come.

    Args:
        epoch, step: whole epochs and optimizer steps done.
        best_score, best_epoch: the validation score that chose best.pt, and its epoch (from 1; 0 before there is one).
        history: one record per epoch.
        sessions: device and precision of each process that trained, with its first epoch.
    """

    epoch: int = 0
    step: int = 0
    best_score: float = float("-inf")
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class TrainingState:
    """What changes while a network is trained.

    Args:
        network, optimizer, scheduler, scaler: torch's.
        identity: a hash of configuration and data, by which a checkpoint of another run is told.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    identity: str = ""
    progress: Progress = field(default_factory=Progress)

    def pack(self, *, within: dict[str, Any] | None = None) -> dict[str, Any]:
        """Plain types and tensors.

        Args:
            within: where in an epoch this is, and what its first part left behind; None between two epochs.
        """
        return {
            "network": bare_network(self.network).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": asdict(self.progress),
            "identity": self.identity,
            "within": within,
        }

    def unpack(self, state: dict[str, Any], *, name: str) -> dict[str, Any] | None:
        """Take over what `pack` gave; returns `within`.

        Args:
            name: of the file, for errors.

        Raises:
            RunError: it is of another run or does not fit; the state may then be half of each.
        """
        check_identity(state, self.identity, name=name)
        try:
            bare_network(self.network).load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scheduler.load_state_dict(state["scheduler"])
            if state["scaler"]:  # empty where it was not needed: a run may move between bf16, fp16 and float32
                self.scaler.load_state_dict(state["scaler"])
            self.progress = Progress(**state["progress"])
        except torch.OutOfMemoryError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = find_mismatch(error).rstrip(".")
            raise RunError(f"{name}: does not fit this run ({reason}). Move it away to start anew.") from error
        return state.get("within")


def check_identity(state: dict[str, Any], identity: str, *, name: str) -> None:
    """Raise RunError if a checkpoint is of another run; one that does not say passes."""
    found = state.get("identity")
    if found and identity and found != identity:
        raise RunError(f"{name}: belongs to a run with other settings or data. Move it away to start anew.")


def read_generators() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's generators (all devices) as plain types and tensors."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Put the generators where `read_generators` found them; those of GPUs that are not here are passed over."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
