"""How several processes share the batches of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Share:
    """One process's part of every batch: each world-th sample of it.

    Args:
        rank: the number of the process, from 0. world: how many there are.
    """

    rank: int = 0
    world: int = 1

    def take(self, batch: Sequence[T]) -> tuple[list[T], float]:
        """The samples of this process, and the weight that makes the processes' mean gradient that of the batch.

        A process without a sample gets the batch's first one with weight 0, for all must take part in each step.

        Example:
            >>> Share(rank=1, world=2).take([7, 8, 9])
            ([8], 0.6666666666666666)
        """
        own = list(batch[self.rank :: self.world])
        return own or list(batch[:1]), len(own) * self.world / len(batch)
