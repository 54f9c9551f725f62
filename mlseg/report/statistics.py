"""Intervals of a mean over subjects: Student's t for few, a corrected bootstrap for many, none for fewer than three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlseg.checks import RunError

LEVEL = 0.95
DRAWS = 10_000
# Fewer subjects have no interval, so many or more a bootstrap.
FEWEST, MANY = 3, 30
# A bootstrap is drawn in parts of about so many numbers.
_PART = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval of a mean.

    Args:
        kind: "t", "bca" (bias-corrected and accelerated bootstrap) or "none" where there are too few values.
        low, high: its ends; NaN without an interval.
        n: values that it rests on.
        level: nominal coverage.
    """

    kind: Literal["t", "bca", "none"]
    low: float
    high: float
    n: int
    level: float = LEVEL


def compute_interval(
    values: Sequence[float] | np.ndarray, *, level: float = LEVEL, seed: int = 0, draws: int = DRAWS, many: int = MANY
) -> Interval:
    """The interval of the mean of independent values.

    Below 3 values none; below `many` mean ± t(n - 1) s / sqrt(n); else BCa over resampled values.

    Args:
        values: one per subject; NaN is left out.
        level: nominal coverage, in (0, 1).
        seed: of the bootstrap.
        draws: of the bootstrap.
        many: from so many values on the bootstrap is used.

    Returns:
        The interval; both ends are the mean where all values are equal.

    Raises:
        RunError: a value is infinite.

    Source:
        Efron, Better bootstrap confidence intervals, JASA 1987.

    Example:
        >>> interval = compute_interval([0.8, 0.9, 1.0])
        >>> interval.kind, round(interval.low, 4), round(interval.high, 4)
        ('t', 0.6516, 1.1484)
        >>> compute_interval([0.8, 0.9]).kind
        'none'
    """
    x = take_defined(values)
    if len(x) < FEWEST:
        return Interval(kind="none", low=np.nan, high=np.nan, n=len(x), level=level)
    if len(x) < many:
        low, high = _compute_t(x, level)
        return Interval(kind="t", low=low, high=high, n=len(x), level=level)
    low, high = _compute_bca(x, level, seed, draws)
    return Interval(kind="bca", low=low, high=high, n=len(x), level=level)


def take_defined(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The values that are not NaN, in double precision. Raises RunError for an infinite one."""
    x = np.asarray(values, dtype=float)
    x = x[~np.isnan(x)]
    if not np.isfinite(x).all():
        raise RunError("statistics: values must be finite, got an infinite one. Evaluate the run again.")
    return x


def draw_bootstrap_means(values: np.ndarray, *, seed: int, draws: int) -> np.ndarray:
    """Means of resampled values.

    Args:
        values: (n,) one per subject.
        seed: of the draws.
        draws: their number.

    Shape:
        (n,) to (draws,).
    """
    generator = np.random.default_rng(seed)
    n = len(values)
    rows = max(_PART // n, 1)
    parts = [
        values[generator.integers(0, n, (min(rows, draws - start), n))].mean(axis=1) for start in range(0, draws, rows)
    ]
    return np.concatenate(parts)


def _compute_t(x: np.ndarray, level: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(len(x) - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(len(x)))
    mean = float(x.mean())
    return mean - half, mean + half


def _compute_bca(x: np.ndarray, level: float, seed: int, draws: int) -> tuple[float, float]:
    from scipy.special import ndtr, ndtri

    mean = float(x.mean())
    if np.ptp(x) <= 1e-15 * max(1.0, abs(mean)):
        return mean, mean
    means = draw_bootstrap_means(x, seed=seed, draws=draws)
    # The share of draws below the mean, half of those that equal it: how far the bootstrap is off centre.
    below = (np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)) / (2 * draws)
    bias = ndtri(min(max(below, 0.5 / draws), 1 - 0.5 / draws))
    # The mean without one value, whose skewness tells how the standard error changes with the mean.
    without = (x.sum() - x) / (len(x) - 1)
    deviation = without.mean() - without
    acceleration = (deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5)
    z = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    shares = ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
    low, high = np.quantile(means, shares)
    return float(low), float(high)
