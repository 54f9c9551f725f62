"""Fits a scale and a bias for each class: damped Newton on a convex function of 2K numbers, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mlseg.functional.posthoc import PosthocFit, compute_nll, iterate_chunks, scale_by_vector
from mlseg.functional.posthoc_temperature import fit_temperature

# Beyond it a scale or a bias (in nats) has run away: a class is never wrong, or never there.
BOUND = 20.0
# Of the largest derivative of the NLL, in nats per unit of scale or bias.
TOLERANCE = 1e-9
MAX_STEPS = 100
# Of the NLL: near the minimum a step lowers it by less.
ROUNDING = 1e-14
# Curvatures below this share of the largest belong to directions that change nothing.
RANK = 1e-12


def fit_vector(logits: Tensor, target: Tensor, weight: Tensor) -> PosthocFit:
    """w and b that minimise the weighted mean of -log softmax(w z + b)_y, within [-20, 20].

    Starts at w = 1 / T and b = 0 with the fitted temperature T (at least 0.1), whose NLL it does not exceed.
    Each step is Newton's, halved until the NLL falls; adding a number to all biases changes nothing, and they are
    returned with mean 0. Converged is a largest derivative of at most 1e-9.

    Shape:
        `logits` (n,K), `target` and `weight` (n,), n > 0.

    Returns:
        parameters {"scale": [w_0, ...], "bias": [b_0, ...]}.

    Source: Guo et al., ICML 2017, section 4.2.

    Example:
        >>> logits = torch.tensor([[0.0, 1.0], [0.0, -1.0]]).repeat(5, 1)
        >>> target = torch.tensor([1, 0, 1, 1, 1, 0, 1, 0, 0, 0])
        >>> fit = fit_vector(logits, target, torch.ones(10))
        >>> fit.converged, round(sum(fit.parameters["bias"]), 9)
        (True, 0.0)
    """
    classes = logits.shape[1]
    start = min(1 / fit_temperature(logits, target, weight).parameters["temperature"], BOUND / 2)
    values = torch.cat([torch.full((classes,), start), torch.zeros(classes)]).double()

    def try_nll(tried: Tensor) -> float:
        return compute_nll(scale_by_vector(logits.double(), tried[:classes], tried[classes:]), target, weight)

    note, steps, place = _name_absent(target, classes), 0, _measure(logits, target, weight, values)
    while float(place.gradient.abs().max()) > TOLERANCE:
        if steps == MAX_STEPS:
            note = f"the search took all of {MAX_STEPS} steps"
            break
        moved, at_bound = _step(place, values, try_nll)
        if moved is None:
            note = "no step lowers the NLL any further"
            break
        values, steps = moved, steps + 1
        place = _measure(logits, target, weight, values)
        if at_bound:
            note = f"stopped with a scale or bias at the bound of {BOUND:g}: the NLL falls beyond it"
            break
    bias = values[classes:] - values[classes:].mean()
    return PosthocFit(
        parameters={"scale": values[:classes].tolist(), "bias": bias.tolist()},
        nll=place.nll,
        gradient=float(place.gradient.abs().max()),
        iterations=steps,
        converged=not note,
        note=note,
    )


def _name_absent(target: Tensor, classes: int) -> str:
    absent = sorted(set(range(classes)) - set(target.unique().tolist()))
    return f"class {absent[0]} is the reference of no fitted voxel, so its bias is arbitrary" if absent else ""


@dataclass(frozen=True)
class _Place:
    """NLL with its derivatives (2K,) and (2K,2K) by (w, b)."""

    nll: float
    gradient: Tensor
    hessian: Tensor


def _measure(logits: Tensor, target: Tensor, weight: Tensor, values: Tensor) -> _Place:
    classes = logits.shape[1]
    nll, gradient = 0.0, torch.zeros(2 * classes, dtype=torch.float64)
    hessian = torch.zeros(2 * classes, 2 * classes, dtype=torch.float64)
    for part, own, share in iterate_chunks(logits, target, weight):
        log_probs = scale_by_vector(part, values[:classes], values[classes:]).log_softmax(dim=1)
        probs, index = log_probs.exp(), own.unsqueeze(1)
        nll -= float((log_probs.gather(1, index).squeeze(1) * share).sum())
        excess = (probs - torch.zeros_like(probs).scatter_(1, index, 1.0)) * share.unsqueeze(1)
        gradient += torch.cat([(excess * part).sum(dim=0), excess.sum(dim=0)])
        # Of each logit by its scale and its bias: z_k and 1.
        slopes = torch.cat([probs * part, probs], dim=1)
        diagonal = [(probs * part.pow(power) * share.unsqueeze(1)).sum(dim=0).diag() for power in (0, 1, 2)]
        own_class = torch.cat([torch.cat([diagonal[2], diagonal[1]]), torch.cat([diagonal[1], diagonal[0]])], dim=1)
        hessian += own_class - slopes.T @ (slopes * share.unsqueeze(1))
    return _Place(nll, gradient, hessian)


def _step(place: _Place, values: Tensor, try_nll: Callable[[Tensor], float]) -> tuple[Tensor | None, bool]:
    """The next place, and whether it lies at the bound; None if no step lowers the NLL."""
    size, vectors = torch.linalg.eigh(place.hessian)
    inverse = torch.where(size > RANK * size.max(), 1 / size, 0.0)
    direction = -vectors @ (inverse * (vectors.T @ place.gradient))
    # How far along the direction the first number meets the bound.
    room = torch.where(direction > 0, (BOUND - values) / direction, (-BOUND - values) / direction)
    farthest = min((float(r) for r in room if not math.isnan(float(r)) and r >= 0), default=math.inf)
    length, slope = min(1.0, farthest), float(direction @ place.gradient)
    while length > 1e-10:
        moved = values + length * direction
        if try_nll(moved) <= place.nll + 1e-4 * length * slope + ROUNDING:
            return moved, length == farthest
        length /= 2
    return None, False
