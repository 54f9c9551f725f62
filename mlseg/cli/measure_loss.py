"""Curves of a loss against a logit distance, measured on the loss object itself."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mlseg.losses.ce import CELoss
from mlseg.report.loss_curves import LossCurves

if TYPE_CHECKING:
    from mlseg.types import SegLoss

# Arguments that are no part of a formula.
UNSAID = {"ignore_index"}
REST_TOLERANCE = 1e-4


def measure_loss(name: str, loss: SegLoss, *, classes: Sequence[int], distances: np.ndarray) -> LossCurves:
    """The loss and its gradient at a voxel whose reference class wins by d over all others, whose logits are 0.

    Args:
        name: the YAML's.
        loss: the object that a training would use.
        classes: numbers of classes K.
        distances: (P,) d, in logits.
    """
    values, slopes = _measure(loss, classes, distances)
    baseline_values, baseline_slopes = _measure_baseline(tuple(classes), tuple(distances))
    title, formula = describe_loss(loss)
    return LossCurves(
        name=name,
        title=title or name,
        formula=formula,
        settings=read_settings(loss),
        distances=distances,
        values=values,
        slopes=slopes,
        baseline_values=baseline_values,
        baseline_slopes=baseline_slopes,
        rests={number: _find_rest(loss, number, distances, slopes[number]) for number in classes},
    )


def is_mean_over_voxels(loss: SegLoss, distances: Sequence[float] = (0.5, 3.0, 3.1, 11.0)) -> bool:
    """True if the loss of an image is the mean of its voxels' losses, all of one class here.

    A Dice or a calibration error is not: it has no curve over one voxel's distance.
    """
    with torch.no_grad():
        together = loss(_make_logits(torch.tensor(distances, dtype=torch.float64), 3), _make_target(len(distances)))
        alone = [loss(_make_logits(torch.tensor([d], dtype=torch.float64), 3), _make_target(1)) for d in distances]
    return bool(torch.isclose(together, torch.stack(alone).mean(), rtol=1e-9, atol=1e-12))


def describe_loss(loss: SegLoss) -> tuple[str, str]:
    """Name and formula: the docstring's first sentence, divided at its first colon.

    Example:
        >>> describe_loss(CELoss())
        ('Cross-entropy', 'mean over voxels of -log s_y, with s = softmax(l) and y the reference class')
    """
    # getdoc would go on to the base class.
    documented = type(loss).__doc__ or ""
    paragraph = " ".join(inspect.cleandoc(documented).split("\n\n")[0].split())
    title, colon, formula = paragraph.partition(": ")
    first = re.split(r"\.(?= |$)", formula)[0]
    return (title, first) if colon else (paragraph.rstrip("."), "")


def read_settings(loss: SegLoss) -> dict[str, float | str]:
    """The numbers and words that the loss was built with, as far as it keeps them under their names."""
    names = [name for name in inspect.signature(type(loss)).parameters if name not in UNSAID]
    found = {name: getattr(loss, name, None) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, int | float | str) and value is not True}


@functools.lru_cache(maxsize=4)
def _measure_baseline(
    classes: tuple[int, ...], distances: tuple[float, ...]
) -> tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]:
    """Once for all losses."""
    return _measure(CELoss(), classes, np.array(distances))


def _measure(
    loss: SegLoss, classes: Sequence[int], distances: np.ndarray
) -> tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]:
    values: dict[int, Any] = {}
    slopes: dict[int, Any] = {}
    for number in classes:
        pairs = [_measure_one(loss, number, float(distance)) for distance in distances]
        values[number], slopes[number] = (np.array(column) for column in zip(*pairs, strict=True))
    return values, slopes


def _measure_one(loss: SegLoss, classes: int, distance: float) -> tuple[float, float]:
    place = torch.tensor([distance], dtype=torch.float64, requires_grad=True)
    value = loss(_make_logits(place, classes), _make_target(1))
    (slope,) = torch.autograd.grad(value, place)
    return float(value.detach()), float(slope)


def _find_rest(loss: SegLoss, classes: int, distances: np.ndarray, slopes: np.ndarray) -> float:
    """Where the loss is smallest, by bisection between the points of the curve; inf beyond them."""
    rising = np.nonzero(slopes > 0)[0]
    if not rising.size:
        return float("inf")
    low, high = float(distances[max(rising[0] - 1, 0)]), float(distances[rising[0]])
    while high - low > REST_TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if _measure_one(loss, classes, middle)[1] > 0 else (middle, high)
    return (low + high) / 2


def _make_logits(distances: Tensor, classes: int) -> Tensor:
    """(1,K,1,P): the first class at d, the others at 0."""
    row = torch.cat([distances[None], distances.new_zeros(classes - 1, len(distances))])
    return row[None, :, None]


def _make_target(voxels: int) -> Tensor:
    return torch.zeros(1, 1, voxels, dtype=torch.long)
