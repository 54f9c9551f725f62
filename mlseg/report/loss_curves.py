"""What a loss does to a logit distance d, as curves over d, and what they say in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# Gradients below this are rounding errors of float64.
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class LossCurves:
    """One loss at a voxel whose reference class wins by d over all others.

    Args:
        name: the YAML's, e.g. "mbls".
        title: in words, e.g. "Margin-based label smoothing".
        formula: as the loss's docstring has it; "" if it has none.
        settings: its arguments, e.g. {"margin": 10.0, "alpha": 0.1}.
        distances: (P,) rising, from 0.
        values: number of classes -> (P,) the loss.
        slopes: number of classes -> (P,) its gradient against d.
        baseline_values, baseline_slopes: the same of the cross-entropy.
        rests: number of classes -> the distance at which the whole loss is smallest, where its gradient against d
            turns from below to above 0; inf if that is beyond the curve.
    """

    name: str
    title: str
    formula: str
    settings: Mapping[str, float | str]
    distances: np.ndarray
    values: Mapping[int, np.ndarray]
    slopes: Mapping[int, np.ndarray]
    baseline_values: Mapping[int, np.ndarray]
    baseline_slopes: Mapping[int, np.ndarray]
    rests: Mapping[int, float]

    def penalty(self, classes: int) -> np.ndarray:
        """What the loss adds to the cross-entropy, shifted to 0 at d = 0."""
        penalty = self.values[classes] - self.baseline_values[classes]
        return penalty - penalty[0]

    def push(self, classes: int) -> np.ndarray:
        """Gradient of the penalty against d: where it is above 0, the penalty pulls d down."""
        push = self.slopes[classes] - self.baseline_slopes[classes]
        return np.where(np.abs(push) > ROUNDING, push, 0.0)

    @property
    def margin(self) -> float | None:
        """The distance that the loss leaves alone by its own account."""
        margin = self.settings.get("margin")
        return float(margin) if isinstance(margin, int | float) else None


def find_free(curves: LossCurves, classes: int) -> float:
    """The distance beyond which the penalty pulls d down, up to the end of the curve; inf if it never does.

    0 means that it pulls towards d = 0 wherever d is not 0.
    """
    push = curves.push(classes)
    if push[-1] <= 0:
        return float("inf")
    idle = np.nonzero(push[1:] <= 0)[0]
    return float(curves.distances[idle[-1] + 1]) if idle.size else 0.0
