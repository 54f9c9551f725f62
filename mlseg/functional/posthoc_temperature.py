"""Fits temperatures: the one that minimises the NLL, found by a bracketed Newton search in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlseg.functional.posthoc import PosthocFit, compute_nll, is_separable, iterate_chunks, scale_by_class_temperature

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
# Of d NLL / d log T, in nats.
TOLERANCE = 1e-10
MAX_STEPS = 100
# A temperature of one class says nothing with fewer voxels than this.
MIN_VOXELS = 100


def fit_temperature(logits: Tensor, target: Tensor, weight: Tensor) -> PosthocFit:
    """T that minimises the weighted mean of -log softmax(z / T)_y, within [0.05, 20].

    The NLL is convex in the inverse temperature b = 1 / T, with derivatives E_p[z] - z_y and Var_p[z]. So one bracket
    holds the only minimum; Newton steps in b that leave it are replaced by its geometric middle. Converged is
    |d NLL / d log T| <= 1e-10. Where every voxel's reference has the largest logit, the NLL falls as T goes to 0, and
    the lower bound is taken.

    Args:
        logits: any floating-point type.
        target: integer classes 0..K-1.
        weight: what a voxel counts, not negative.

    Shape:
        `logits` (n,K), `target` and `weight` (n,), n > 0.

    Returns:
        parameters {"temperature": T}.

    Source: Guo et al., ICML 2017, section 4.2.

    Example:
        >>> logits = torch.tensor([[8.0, 0.0]]).expand(4, 2)
        >>> fit = fit_temperature(logits, torch.tensor([0, 0, 0, 1]), torch.ones(4))
        >>> round(fit.parameters["temperature"], 6)  # 8 / log(3)
        7.281914
    """
    if is_separable(logits, target):
        reason = "every voxel is classified right and the NLL falls all the way to T = 0"
        return _finish(logits, target, weight, 1 / MIN_TEMPERATURE, reason=reason)
    low, high, beta = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE, 1.0
    for step in range(MAX_STEPS):
        here = _measure(logits, target, weight, beta)
        if abs(beta * here.slope) <= TOLERANCE:
            return _finish(logits, target, weight, beta, steps=step)
        bound = low if here.slope > 0 else high
        if step == 0 and here.slope * _measure(logits, target, weight, bound).slope > 0:
            return _finish(logits, target, weight, bound, reason="the NLL falls all the way to this bound")
        low, high = (low, beta) if here.slope > 0 else (beta, high)
        newton = beta - here.slope / here.curvature if here.curvature > 0 else 0.0
        beta = newton if low < newton < high else (low * high) ** 0.5
    return _finish(logits, target, weight, beta, steps=MAX_STEPS, reason=f"the search took all of {MAX_STEPS} steps")


def fit_class_temperature(logits: Tensor, target: Tensor, weight: Tensor) -> PosthocFit:
    """T_k for the voxels whose top label is k, each as in `fit_temperature`; the sum over classes is minimal too.

    A class with fewer than 100 such voxels gets the temperature of all voxels together.

    Shape:
        `logits` (n,K), `target` and `weight` (n,), n > 0.

    Returns:
        parameters {"temperature": [T_0, ..., T_(K-1)]}.

    Source: Frenkel and Goldberger, EUSIPCO 2021; here by the predicted class, and fitted to the NLL.

    Example:
        >>> logits = torch.tensor([[8.0, 0.0], [0.0, 4.0]]).repeat(400, 1)
        >>> target = torch.tensor([0, 1] * 3 + [1, 0]).repeat(100)
        >>> fit = fit_class_temperature(logits, target, torch.ones(800))
        >>> [round(value, 4) for value in fit.parameters["temperature"]]
        [7.2819, 3.641]
    """
    pooled = fit_temperature(logits, target, weight)
    winner = logits.argmax(dim=1)
    temperatures, fits, notes = [], [], []
    for index in range(logits.shape[1]):
        own = winner == index
        if int(own.sum()) < MIN_VOXELS:
            temperatures.append(pooled.parameters["temperature"])
            notes.append(f"class {index}: fewer than {MIN_VOXELS} voxels, so the temperature of all classes")
            continue
        fit = fit_temperature(logits[own], target[own], weight[own])
        temperatures.append(fit.parameters["temperature"])
        fits.append(fit)
        notes += [f"class {index}: {fit.note}"] if fit.note else []
    scaled = scale_by_class_temperature(logits.double(), torch.tensor(temperatures, dtype=torch.float64))
    return PosthocFit(
        parameters={"temperature": temperatures},
        nll=compute_nll(scaled, target, weight),
        gradient=max((fit.gradient for fit in fits), default=pooled.gradient),
        iterations=max((fit.iterations for fit in fits), default=pooled.iterations),
        converged=all(fit.converged for fit in fits or [pooled]),
        note="; ".join(notes),
    )


@dataclass(frozen=True)
class _Place:
    """NLL, and its first and second derivative by the inverse temperature."""

    nll: float
    slope: float
    curvature: float


def _measure(logits: Tensor, target: Tensor, weight: Tensor, beta: float) -> _Place:
    sums = torch.zeros(3, dtype=torch.float64)
    for part, own, share in iterate_chunks(logits, target, weight):
        index = own.unsqueeze(1)
        log_probs = (beta * part).log_softmax(dim=1)
        probs, mine = log_probs.exp(), part.gather(1, index)
        # Measured from the reference's logit, so that nothing large cancels.
        away = part - mine
        mean = (probs * away).sum(dim=1)
        spread = (probs * (away - mean.unsqueeze(1)).square()).sum(dim=1)
        found = torch.stack([-log_probs.gather(1, index).squeeze(1), mean, spread])
        sums += (found * share).sum(dim=1)
    return _Place(*sums.tolist())


def _finish(
    logits: Tensor, target: Tensor, weight: Tensor, beta: float, *, steps: int = 0, reason: str = ""
) -> PosthocFit:
    here = _measure(logits, target, weight, beta)
    note = f"stopped at T = {1 / beta:g}: {reason}" if reason else ""
    return PosthocFit(
        parameters={"temperature": 1 / beta},
        nll=here.nll,
        gradient=abs(beta * here.slope),
        iterations=steps,
        converged=not reason,
        note=note,
    )
