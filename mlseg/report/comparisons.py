"""Two methods on the same subjects: mean difference, interval, sign-flip test, effect sizes; Holm over a family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlseg.report.statistics import DRAWS, Interval, compute_interval, take_defined

# Fewer subjects cannot reach p = 0.05 in two sided sign flips: 2 / 2^5 = 0.0625.
FEWEST_TESTED = 6
# Below so many subjects all sign flips are tried.
MANY_FLIPS = 20
ALPHA = 0.05
_PART = 2_000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the differences of two methods, subject by subject, say.

    Args:
        n: subjects with a value in both.
        difference: mean of first minus second; NaN without subjects.
        interval: of that mean.
        test: "exact" (all sign flips), "Monte Carlo" or "none" (fewer than 6 subjects).
        p: two-sided p value; NaN without a test.
        p_holm: the same adjusted for its family; NaN until `adjust_family`.
        d_z: mean difference over the standard deviation of the differences; NaN below two subjects or without spread.
        rank_biserial: (W+ - W-) / (W+ + W-) of the signed ranks, from -1 to 1; NaN if all differences are 0.
    """

    n: int
    difference: float
    interval: Interval
    test: str
    p: float
    p_holm: float = math.nan
    d_z: float
    rank_biserial: float

    @property
    def tells_apart(self) -> bool:
        """True if the difference is told from 0 after Holm's correction; without a test it never is."""
        return self.p_holm < ALPHA


def compare_paired(differences: Sequence[float] | np.ndarray, *, seed: int = 0, draws: int = DRAWS) -> Comparison:
    """Summarise paired differences, one per subject.

    Args:
        differences: first minus second; NaN is left out.
        seed: of what is drawn.
        draws: random sign flips and bootstrap resamples.

    Source:
        Sign flips: Fisher, The Design of Experiments, 1935; the + 1 of Monte Carlo: Phipson and Smyth, SAGMB 2010;
        rank-biserial: Kerby, Comprehensive Psychology 2014.

    Example:
        >>> found = compare_paired([0.1, 0.2, 0.3, 0.1, 0.2, 0.3])
        >>> found.n, round(found.difference, 3), found.test, found.p, found.rank_biserial
        (6, 0.2, 'exact', 0.03125, 1.0)
    """
    d = take_defined(differences)
    test, p = "none", math.nan
    if len(d) >= MANY_FLIPS:
        test, p = "Monte Carlo", _draw_p(d, seed, draws)
    elif len(d) >= FEWEST_TESTED:
        test, p = "exact", _count_p(d)
    return Comparison(
        n=len(d),
        difference=float(d.mean()) if len(d) else math.nan,
        interval=compute_interval(d, seed=seed, draws=draws),
        test=test,
        p=p,
        d_z=compute_d_z(d),
        rank_biserial=compute_rank_biserial(d),
    )


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for a family by Holm's method; NaN (no test) is none of the family.

    The k-th smallest of m becomes the maximum of (m - j + 1) p_j over j <= k, at most 1.

    Source:
        Holm, Scandinavian Journal of Statistics 1979.

    Example:
        >>> [round(p, 3) for p in adjust_holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    adjusted = list(p_values)
    order = sorted((place for place, p in enumerate(p_values) if not math.isnan(p)), key=lambda place: p_values[place])
    largest = 0.0
    for number, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - number) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def adjust_family(family: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one family with their p values adjusted."""
    adjusted = adjust_holm([comparison.p for comparison in family])
    return [replace(comparison, p_holm=p) for comparison, p in zip(family, adjusted, strict=True)]


def compute_d_z(differences: np.ndarray) -> float:
    """Mean over standard deviation (n - 1) of the differences."""
    if len(differences) < 2:
        return math.nan
    spread = float(differences.std(ddof=1))
    return float(differences.mean()) / spread if spread > 0 else math.nan


def compute_rank_biserial(differences: np.ndarray) -> float:
    """Share of the ranks of |d| that speak for the first method minus the share that speaks against; zeros left out."""
    from scipy.stats import rankdata

    d = differences[differences != 0]
    if not len(d):
        return math.nan
    ranks = rankdata(np.abs(d))
    return float((ranks[d > 0].sum() - ranks[d < 0].sum()) / ranks.sum())


def _tolerance(d: np.ndarray) -> float:
    # Sums that are equal by arithmetic differ in their last bits.
    return 1e-12 * float(np.abs(d).sum())


def _count_p(d: np.ndarray) -> float:
    """The share of all 2^n sign flips whose sum is at least as far from 0."""
    sums = d[:1]
    for value in d[1:]:  # the first sign may stay: flipping all of them keeps the distance from 0
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= abs(d.sum()) - _tolerance(d)))


def _draw_p(d: np.ndarray, seed: int, draws: int) -> float:
    """The same of random sign flips, the observed one counted among them, so that p is never 0."""
    generator = np.random.default_rng(seed)
    limit, found = abs(d.sum()) - _tolerance(d), 0
    for start in range(0, draws, _PART):
        signs = generator.integers(0, 2, (min(_PART, draws - start), len(d)), dtype=np.int8) * 2.0 - 1.0
        found += int(np.count_nonzero(np.abs(signs @ d) >= limit))
    return (found + 1) / (draws + 1)
