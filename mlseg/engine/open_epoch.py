"""An epoch in work: how far it is, what has been counted, and how it goes on after a stop."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from mlseg.engine.distributed import Group
from mlseg.engine.seeding import seed_generators
from mlseg.engine.step_log import StepLog
from mlseg.engine.training_state import read_generators, restore_generators


@dataclass
class OpenEpoch:
    """An epoch that is being trained.

    Args:
        number: from 0.
        log: its losses and gradients.
        batch: the batch to go on with.
        images: those seen by this process.
        seconds: spent on it before the last stop.
    """

    number: int
    log: StepLog
    batch: int = 0
    images: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def elapsed(self) -> float:
        """Seconds spent on it, stops left out."""
        return self.seconds + time.perf_counter() - self.started

    def pack(self, group: Group) -> dict[str, Any]:
        """What `open_epoch` needs to go on, of all processes."""
        own = {"images": self.images, "seconds": self.elapsed(), "log": self.log.pack()}
        return {"batch": self.batch, "ranks": group.gather({**own, "generators": read_generators()})}


def open_epoch(number: int, log: StepLog, *, within: dict[str, Any] | None, seed: int, group: Group) -> OpenEpoch:
    """Begin an epoch, or go on with one, with all generators where they must be.

    Args:
        within: what `OpenEpoch.pack` gave; None begins from the first batch.
        seed: seeds the generators with the epoch's number and the rank.
    """
    epoch = OpenEpoch(number, log)
    if within is None:
        seed_generators(seed, number, group.rank)
        return epoch
    ranks = within["ranks"]
    own = ranks[group.rank % len(ranks)]
    epoch.batch, epoch.images, epoch.seconds = within["batch"], own["images"], own["seconds"]
    log.unpack(own["log"])
    if len(ranks) == group.world:
        restore_generators(own["generators"])
    else:
        # No process has another's generators: the epoch goes on with draws of its own.
        seed_generators(seed, number, group.rank)
        logging.getLogger("mlseg.run").warning("an epoch of %d processes goes on with %d", len(ranks), group.world)
    return epoch
