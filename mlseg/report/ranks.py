"""Ranks of methods: on a data set, summed over data sets, and how much they depend on who was tested."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlseg.checks import RunError
from mlseg.report.statistics import DRAWS

# The chi-squared approximation of Friedman's test is poor below.
FEWEST_BLOCKS = 6
FEWEST_METHODS = 3


@dataclass(frozen=True, kw_only=True)
class DataRanks:
    """The ranks of methods on one data set by one score.

    Args:
        n: subjects with a value from every method.
        ranks: of the methods' means, 1 = best; ties share the best rank.
        shares: (methods, methods) the share of bootstrap draws over subjects in which a method has rank 1, 2, ...
        friedman_p: p value of Friedman's test with the subjects as blocks; NaN below 6 subjects or 3 methods.
    """

    n: int
    ranks: tuple[int, ...]
    shares: np.ndarray
    friedman_p: float


@dataclass(frozen=True, kw_only=True)
class SummedRanks:
    """The ranks of methods over several data sets.

    Args:
        sums: sum of the ranks; every data set counts the same.
        means: the same over the number of data sets.
        weighted: mean rank, data sets weighted by their subjects.
        first_share: share of bootstrap draws over the subjects of each data set in which a method's sum is the lowest,
            shared lowest sums included.
        first_share_weighted: the same of the weighted mean.
    """

    sums: tuple[int, ...]
    means: tuple[float, ...]
    weighted: tuple[float, ...]
    first_share: tuple[float, ...]
    first_share_weighted: tuple[float, ...]


def rank_means(means: np.ndarray, *, higher: bool) -> np.ndarray:
    """1 + the number of methods that are strictly better, along the last axis; NaN is worse than any number.

    Shape:
        (..., methods) to the same, integers.

    Example:
        >>> rank_means(np.array([0.9, 0.8, 0.9, 0.7]), higher=True).tolist()
        [1, 3, 1, 4]
    """
    loss = -means if higher else means
    loss = np.where(np.isnan(loss), np.inf, loss)
    return 1 + (loss[..., None, :] < loss[..., :, None]).sum(axis=-1)


def rank_data(values: np.ndarray, *, higher: bool, seed: int = 0, draws: int = DRAWS) -> DataRanks:
    """Rank methods on one data set and say how stable that is.

    Args:
        values: (subjects, methods); a subject without a value from each method is left out.
        higher: True if a larger value is better.
        seed, draws: of the bootstrap over subjects, the same subjects for all methods.

    Raises:
        RunError: no subject has a value from every method.

    Source:
        Friedman, JASA 1937; bootstrap of rankings: Maier-Hein et al., Nature Communications 2018.
    """
    x = _take_complete(values)
    drawn = _draw_ranks(x, higher, seed, draws)
    methods = x.shape[1]
    shares = np.stack([(drawn == place + 1).mean(axis=0) for place in range(methods)], axis=1)
    ranks = rank_means(_compute_means(x), higher=higher)
    return DataRanks(n=len(x), ranks=tuple(map(int, ranks)), shares=shares, friedman_p=_test_friedman(x))


def sum_ranks(
    values: Mapping[str, np.ndarray], *, higher: bool, seed: int = 0, draws: int = DRAWS
) -> SummedRanks | None:
    """Ranks over data sets, each counting the same and weighted by its subjects.

    Args:
        values: data set -> (subjects, methods).
        higher, seed, draws: see `rank_data`.

    Returns:
        None without data sets.
    """
    if not values:
        return None
    parts = [_take_complete(own) for own in values.values()]
    weights = np.array([len(part) for part in parts], float)
    weights /= weights.sum()
    own = np.stack([rank_means(_compute_means(part), higher=higher) for part in parts])
    drawn = np.stack([_draw_ranks(part, higher, seed + place, draws) for place, part in enumerate(parts)])
    weighted = np.tensordot(weights, drawn, axes=1)
    return SummedRanks(
        sums=tuple(map(int, own.sum(axis=0))),
        means=tuple(map(float, own.mean(axis=0))),
        weighted=tuple(map(float, weights @ own)),
        first_share=_share_lowest(drawn.sum(axis=0).astype(float)),
        first_share_weighted=_share_lowest(weighted),
    )


def describe_friedman(ranks: DataRanks) -> str:
    """The test in a few words, or why there is none.

    Example:
        >>> one = DataRanks(n=2, ranks=(1, 2), shares=np.eye(2), friedman_p=math.nan)
        >>> describe_friedman(one)
        'Friedman: no test (2 subjects, 2 methods)'
    """
    if math.isnan(ranks.friedman_p):
        return f"Friedman: no test ({ranks.n} subjects, {len(ranks.ranks)} methods)"
    return f"Friedman: p = {ranks.friedman_p:.2g} ({ranks.n} subjects)"


def _take_complete(values: np.ndarray) -> np.ndarray:
    x = np.asarray(values, float)
    x = x[~np.isnan(x).any(axis=1)]
    if not len(x):
        raise RunError("ranks: at least one subject needs a value from every method, got none. Leave a method out.")
    return x


def _compute_means(x: np.ndarray) -> np.ndarray:
    # Methods with the same values must tie, whatever order the sums are taken in.
    return np.array([math.fsum(column) / len(x) for column in x.T])


def _draw_ranks(x: np.ndarray, higher: bool, seed: int, draws: int) -> np.ndarray:
    """(draws, methods) ranks of the means over resampled subjects."""
    n = len(x)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws)
    # Equal methods stay equal: rounded well below what could matter.
    return rank_means(np.round(times @ x / n, 12), higher=higher)


def _share_lowest(scores: np.ndarray) -> tuple[float, ...]:
    lowest = scores <= scores.min(axis=1, keepdims=True) + 1e-9
    return tuple(map(float, lowest.mean(axis=0)))


def _test_friedman(x: np.ndarray) -> float:
    from scipy.stats import friedmanchisquare

    subjects, methods = x.shape
    # Where every subject has all methods equal, the statistic is 0 / 0.
    constant: Sequence[bool] = np.ptp(x, axis=1) == 0
    if subjects < FEWEST_BLOCKS or methods < FEWEST_METHODS or np.all(constant):
        return math.nan
    return float(friedmanchisquare(*x.T).pvalue)
