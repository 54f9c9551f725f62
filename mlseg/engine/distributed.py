"""Several processes that train one network, as torchrun starts them; a single process is the smallest such group.

What is exchanged besides gradients goes over gloo between CPUs, so no rank waits for its GPU.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed as dist
from torch import nn

from mlseg.checks import ConfigError, PeerError, RunError
from mlseg.engine.first_fault import FirstFault

T = TypeVar("T")
# While the first process prepares the data, the others wait. A process that dies ends them all long before.
PATIENCE = timedelta(days=2)
TORCHRUN = "Start them with torchrun, or unset WORLD_SIZE."
# What gloo and NCCL say when the other end is gone, from whatever operation on a network it is.
_CONNECTION = re.compile(r"gloo|nccl|Connection (closed|reset|refused)|Broken pipe", re.IGNORECASE)
# The jobs of a sweep join one after the other; none may find what an earlier one has left.
_JOINED = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Group:
    """The processes of a run.

    Args:
        rank: the number of this one, from 0. world: how many there are. local_rank: its number on this machine.
        store: small texts that all processes can read, even those of a process that is gone.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    store: dist.Store | None = None

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
        with lost_peers():
            return nn.parallel.DistributedDataParallel(network, device_ids=places)

    def align_buffers(self, network: nn.Module) -> None:
        """Give all processes the first one's buffers: batch norm has counted each process's own share in training."""
        if self.world > 1:
            with lost_peers():
                for buffer in network.buffers():
                    dist.broadcast(buffer, 0)

    def first_fault(self) -> FirstFault:
        """A context in which the first process that fails speaks for all."""
        return FirstFault(rank=self.rank, store=self.store)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """A connection that breaks within an operation of the network is PeerError; other errors are one's own."""
        try:
            yield
        except RuntimeError as error:
            if self.world == 1 or not (isinstance(error, dist.DistError) or _CONNECTION.search(str(error))):
                raise
            with lost_peers():
                raise


@contextlib.contextmanager
def join_group() -> Iterator[Group]:
    """The group that torchrun's environment describes; one process without it.

    Raises:
        ConfigError: the environment is not one of torchrun.
        RunError: the other processes cannot be reached.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Group()
        return
    world, rank, local_rank = (_read_number(name) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"))
    if not 0 <= rank < world:
        raise ConfigError(f"RANK: must be from 0 to WORLD_SIZE - 1 ({world - 1}), got {rank}. {TORCHRUN}")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        shared, *_ = next(iter(dist.rendezvous("env://", rank, world)))
        shared.set_timeout(PATIENCE)
        store = dist.PrefixStore(f"mlseg/{next(_JOINED)}", shared)
        dist.init_process_group(backend, timeout=PATIENCE, store=store, rank=rank, world_size=world)
    except (dist.DistError, RuntimeError, ConnectionError, ValueError) as error:  # such as a port that is taken
        reason = " ".join(str(error).split())[:150].rstrip(".")
        raise RunError(f"WORLD_SIZE: {world} processes cannot find each other ({reason}). {TORCHRUN}") from error
    group = Group(rank=rank, world=world, local_rank=local_rank, store=store)
    try:
        with group.first_fault():
            yield group
    finally:
        # A network that is still tied to the group, if only by a cycle, can abort the process at its end.
        gc.collect()
        dist.destroy_process_group()


def _read_number(name: str) -> int:
    world, text = os.environ["WORLD_SIZE"], os.environ.get(name, "nothing")
    if not text.isdecimal():
        rule = "must be a whole number" if name == "WORLD_SIZE" else f"{world} processes need RANK and LOCAL_RANK too"
        raise ConfigError(f"WORLD_SIZE: {rule}, got {name}={text}. {TORCHRUN}")
    return int(text)


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
