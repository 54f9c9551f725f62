"""Several processes that train one network, as torchrun starts them; a single process is the smallest such group.

What is exchanged besides gradients goes over gloo between CPUs, so no rank waits for its GPU.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed as dist
from torch import nn

from mlseg.checks import ConfigError, PeerError

T = TypeVar("T")
# While the first process prepares the data, the others wait. A process that dies ends them all long before.
PATIENCE = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Group:
    """The processes of a run.

    Args:
        rank: the number of this one, from 0. world: how many there are. local_rank: its number on this machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """True for the one process that writes and prints."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """What each process gave, in the order of ranks, on all of them. Raises PeerError if one is gone."""
        if self.world == 1:
            return [value]
        values: list[Any] = [None] * self.world
        with lost_peers():
            dist.all_gather_object(values, value)
        return values

    def agree(self, value: T) -> T:
        """What the first process gave."""
        return self.gather(value)[0]

    def share(self, items: Sequence[T]) -> list[T]:
        """The items of this process: every world-th, none twice."""
        return [items[index] for index in range(self.rank, len(items), self.world)]

    def merge(self, mine: Sequence[T]) -> list[T]:
        """What all processes made of their shares, in the order of the items that were shared."""
        parts = self.gather(list(mine))
        return [parts[index % self.world][index // self.world] for index in range(sum(map(len, parts)))]

    @contextlib.contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The first process does the work alone; then the others, who find it done."""
        if not self.is_first:
            self.gather(None)
        yield
        if self.is_first:
            self.gather(None)

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with gradients averaged over the processes."""
        if self.world == 1:
            return network
        places = [device.index or 0] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=places)


@contextlib.contextmanager
def join_group() -> Iterator[Group]:
    """The group that torchrun's environment describes; one process without it.

    Raises:
        ConfigError: the environment is not one of torchrun.
        PeerError: the other processes cannot be reached.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group()
        return
    try:
        rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    except (KeyError, ValueError) as error:
        raise ConfigError(
            f"WORLD_SIZE: {world} processes need RANK and LOCAL_RANK too, got {error}. Start them with torchrun."
        ) from error
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with lost_peers():
        dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Group(rank=rank, world=world, local_rank=local_rank)
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def lost_peers() -> Iterator[None]:
    """A broken connection becomes PeerError: the process at its other end says what happened."""
    try:
        yield
    except (dist.DistError, RuntimeError, ConnectionError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())[:100]
        raise PeerError(f"distributed: another process of this run has ended ({reason}). See its message.") from error
