"""What happened in the last steps, kept on the device and read in one go: the loop does not wait for the GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mlseg.checks import RunError
from mlseg.engine.distributed import Group


@dataclass(frozen=True)
class _Step:
    number: int
    values: dict[str, Tensor]
    case_ids: tuple[str, ...]


class _Flaw(NamedTuple):
    """A number that is not finite; the first of several is the cause, and a loss that of the gradient after it."""

    number: int
    is_gradient: bool
    name: str
    value: float
    case_ids: tuple[str, ...]


class StepLog:
    """Running record of losses and gradient norms with the cases that they came from.

    Args:
        tolerate_gradients: True where a loss scaler skips steps with infinite gradients by itself.
        group: the processes whose gradients are averaged: what one does wrong is seen by all, and all must flush and
            pack together.
    """

    def __init__(self, *, tolerate_gradients: bool = False, group: Group | None = None) -> None:
        self._tolerate_gradients, self._group = tolerate_gradients, group or Group()
        self._steps: list[_Step] = []
        self._sum, self._count = 0.0, 0
        self._updates, self._skipped = 0, 0

    def add(self, number: int, values: Mapping[str, Tensor], case_ids: Sequence[str]) -> None:
        """Remember the detached scalars of batch `number`; "loss" must be among them, "gradient_norm" may be."""
        self._steps.append(_Step(number, {k: v.detach() for k, v in values.items()}, tuple(case_ids)))

    def __len__(self) -> int:
        return len(self._steps)

    def flush(self) -> dict[str, float]:
        """Means since the last flush.

        Raises:
            RunError: a loss or gradient was not finite; names the first such step, its cases and what to try.
        """
        table = self._read()
        columns: dict[str, list[float]] = {name: [] for row in table for name in row}
        for row in table:
            for name, value in row.items():
                if name == "gradient_norm":
                    self._updates += 1
                    if value - value != 0:  # the scaler skipped this update
                        self._skipped += 1
                        continue
                columns[name].append(value)
        for value in columns.get("loss", ()):  # one by one: the sum is the same wherever an epoch is cut
            self._sum += value
        self._count += len(columns.get("loss", ()))
        self._steps.clear()
        return {name: sum(column) / len(column) for name, column in columns.items() if column}

    def mean_loss(self) -> float:
        """Mean loss over all flushed batches."""
        return self._sum / self._count if self._count else float("nan")

    def pack(self) -> dict[str, Any]:
        """The running sums and the steps since the last flush, as plain types. Raises RunError as `flush` does."""
        pending = [[step.number, row, step.case_ids] for step, row in zip(self._steps, self._read(), strict=True)]
        sums = {"sum": self._sum, "count": self._count, "updates": self._updates, "skipped": self._skipped}
        return {**sums, "pending": pending}

    def unpack(self, state: Mapping[str, Any]) -> None:
        """Go on from what `pack` gave."""
        self._sum, self._count = state["sum"], state["count"]
        self._updates, self._skipped = state["updates"], state["skipped"]
        self._steps = [
            _Step(
                number, {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}, tuple(ids)
            )
            for number, values, ids in state["pending"]
        ]

    def check_updates(self) -> None:
        """Raise RunError if the loss scaler skipped every update so far: such a network learns nothing."""
        if self._updates and self._skipped == self._updates:
            raise RunError(
                f"training: gradients must be finite, got infinity in all {self._updates} updates of an epoch. "
                "Set trainer.amp=off or lower optimizer.lr; the last checkpoint is from before this epoch."
            )

    def _read(self) -> list[dict[str, float]]:
        """The values of each step, read from the device in one go, after a look at them by all processes."""
        values = [value.double().reshape(()) for step in self._steps for value in step.values.values()]
        flat = iter(torch.stack(values).tolist() if values else ())
        table = [{name: next(flat) for name in step.values} for step in self._steps]
        flaws = [flaw for flaw in self._group.gather(self._find_flaw(table)) if flaw]
        if flaws:
            first = min(flaws)
            same = [flaw.case_ids for flaw in flaws if flaw[:3] == first[:3]]
            cases = ", ".join(dict.fromkeys(case for ids in same for case in ids))
            raise RunError(
                f"training: {first.name} must be finite, got {first.value} at step {first.number} (cases {cases}). "
                "Lower optimizer.lr, set trainer.clip_norm=1 or trainer.amp=off, and check these cases; "
                "the last checkpoint is from before this step."
            )
        return table

    def _find_flaw(self, table: Sequence[Mapping[str, float]]) -> _Flaw | None:
        for step, row in zip(self._steps, table, strict=True):
            for name, value in row.items():
                is_gradient = name == "gradient_norm"
                if value - value != 0 and not (is_gradient and self._tolerate_gradients):
                    return _Flaw(step.number, is_gradient, name, value, step.case_ids)
        return None
