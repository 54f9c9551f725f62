"""What happened in the last steps, kept on the device and read in one go: the loop does not wait for the GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlseg.checks import RunError


@dataclass(frozen=True)
class _Step:
    number: int
    values: dict[str, Tensor]
    case_ids: tuple[str, ...]


class StepLog:
    """Running record of losses and gradient norms with the cases that they came from.

    Args:
        tolerate_gradients: True where a loss scaler skips steps with infinite gradients by itself.
    """

    def __init__(self, *, tolerate_gradients: bool = False) -> None:
        self._tolerate_gradients = tolerate_gradients
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
        if not self._steps:
            return {}
        names = list(dict.fromkeys(name for step in self._steps for name in step.values))
        flat = torch.stack(
            [value.double().reshape(()) for step in self._steps for value in step.values.values()]
        ).tolist()
        columns: dict[str, list[float]] = {name: [] for name in names}
        position = 0
        for step in self._steps:
            for name in step.values:
                value = flat[position]
                position += 1
                self._check(name, value, step)
                if name == "gradient_norm":
                    self._updates += 1
                    if value - value != 0:  # the scaler skipped this update
                        self._skipped += 1
                        continue
                columns[name].append(value)
        for value in columns["loss"]:  # one by one: the sum is the same wherever an epoch is cut
            self._sum += value
        self._count += len(columns["loss"])
        self._steps.clear()
        return {name: sum(column) / len(column) for name, column in columns.items() if column}

    def mean_loss(self) -> float:
        """Mean loss over all flushed batches."""
        return self._sum / self._count if self._count else float("nan")

    def pack(self) -> dict[str, Any]:
        """The running sums and the steps since the last flush, as plain types."""
        pending = [[step.number, {k: float(v) for k, v in step.values.items()}, step.case_ids] for step in self._steps]
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

    def _check(self, name: str, value: float, step: _Step) -> None:
        if value - value == 0 or (name == "gradient_norm" and self._tolerate_gradients):
            return
        cases = ", ".join(dict.fromkeys(step.case_ids))
        raise RunError(
            f"training: {name} must be finite, got {value} at step {step.number} (cases {cases}). "
            "Lower optimizer.lr, set trainer.clip_norm=1 or trainer.amp=off, and check these cases; "
            "the last checkpoint is from before this epoch."
        )
