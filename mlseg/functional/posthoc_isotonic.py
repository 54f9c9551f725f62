"""Fits rising tables of probability, one class against all others, on bins of log-odds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mlseg.functional.posthoc import (
    FIRST_LOG_ODDS,
    LOG_ODDS_COUNT,
    LOG_ODDS_STEP,
    PosthocFit,
    compute_log_odds,
    compute_nll,
    iterate_chunks,
    map_log_odds,
)


def fit_isotonic(logits: Tensor, target: Tensor, weight: Tensor) -> PosthocFit:
    """For each class, the rising function of its probability that is closest to how often it is the reference.

    Voxels are binned by the log-odds of p_k in steps of 0.25 from -15 to 15. The weighted shares of voxels whose
    reference is k are made rising by weighted least squares (pool adjacent violators), kept within 1 / (n + 2) of 0
    and 1, where n counts the voxels, and interpolated where a bin is empty. The classes are normalised afterwards, so
    the NLL need not fall.

    Shape:
        `logits` (n,K), `target` and `weight` (n,), n > 0.

    Returns:
        parameters {"log_odds": a list of 121 numbers for each class}.

    Source: Zadrozny and Elkan, KDD 2002; Ayer et al., Annals of Mathematical Statistics 1955 (pooling).

    Example:
        >>> fit = fit_isotonic(torch.tensor([[4.0, 0.0]]).expand(4, 2), torch.tensor([0, 0, 0, 1]), torch.ones(4))
        >>> round(fit.parameters["log_odds"][0][76], 4)  # log(3), at log-odds of 4
        1.0986
    """
    mass, hits = _count(logits, target, weight)
    floor = 1 / (len(target) + 2)
    table = np.stack([_fit_class(*pair, floor=floor) for pair in zip(mass.numpy(), hits.numpy(), strict=True)])
    mapped = (map_log_odds(part, torch.from_numpy(table)) for part, _, _ in iterate_chunks(logits, target, weight))
    return PosthocFit(
        parameters={"log_odds": table.tolist()},
        nll=compute_nll(torch.cat(list(mapped)), target, weight),
        gradient=0.0,
        iterations=1,
        converged=True,
    )


def _count(logits: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """(K,121) weights of all voxels, and of those whose reference is the class, by log-odds."""
    classes = logits.shape[1]
    mass, hits = (torch.zeros(classes * LOG_ODDS_COUNT, dtype=torch.float64) for _ in range(2))
    for part, own, share in iterate_chunks(logits, target, weight):
        position = (compute_log_odds(part) - FIRST_LOG_ODDS) / LOG_ODDS_STEP
        place = position.clamp(0, LOG_ODDS_COUNT - 1).round().long() + torch.arange(classes) * LOG_ODDS_COUNT
        mass.index_add_(0, place.flatten(), share.repeat_interleave(classes))
        hits.index_add_(0, place.gather(1, own.unsqueeze(1)).squeeze(1), share)
    return mass.view(classes, -1), hits.view(classes, -1)


def _fit_class(mass: np.ndarray, hits: np.ndarray, *, floor: float) -> np.ndarray:
    from scipy.optimize import isotonic_regression

    there = mass > 0
    # The solver wants weights of ordinary size.
    risen = isotonic_regression(hits[there] / mass[there], weights=mass[there] / mass.max()).x
    kept = np.clip(risen, floor, 1 - floor)
    places = FIRST_LOG_ODDS + LOG_ODDS_STEP * np.arange(LOG_ODDS_COUNT)
    return np.interp(places, places[there], np.log(kept) - np.log1p(-kept))
