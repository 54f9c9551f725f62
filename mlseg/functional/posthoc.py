"""Maps from logits to calibrated logits that are fitted after training, and what all their fits share.

All take logits (N,K,*S) and return logits whose softmax is the calibrated probability; nothing else is needed to use
them, so they can stand inside an exported network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Log-odds that an isotonic map is tabulated at: beyond them float32 probabilities are 1 to the last digits.
FIRST_LOG_ODDS, LOG_ODDS_STEP, LOG_ODDS_COUNT = -15.0, 0.25, 121
# Voxels that a fit looks at together: small enough for float64 copies of 256 classes to stay below 0.3 GB.
CHUNK = 2**16


@dataclass(frozen=True, kw_only=True)
class PosthocFit:
    """Fitted parameters, and how the search for them ended.

    Args:
        parameters: name -> numbers, a list for each class where the method has one, as JSON holds them.
        nll: weighted mean over the fitted voxels of -log p of the reference class, in nats.
        gradient: largest absolute derivative of it by a free parameter at the end; 0 for isotonic maps, which have
            a closed form.
        iterations: steps of the search.
        converged: False if it ended at a bound, or before the derivative was small.
        note: why it did not converge, a sentence; "" if it did.
    """

    parameters: dict[str, Any]
    nll: float
    gradient: float
    iterations: int
    converged: bool
    note: str = ""


def scale_by_temperature(logits: Tensor, temperature: Tensor) -> Tensor:
    """z / T: one temperature for all; the top label stays.

    Args:
        logits: any floating-point type.
        temperature: T > 0, a scalar; above 1 it lowers confidence.

    Shape:
        `logits` (N,K,*S), result likewise.

    Source: Guo et al., ICML 2017, equation 9.

    Example:
        >>> scale_by_temperature(torch.tensor([[4.0, 0.0]]), torch.tensor(2.0))
        tensor([[2., 0.]])
    """
    return logits / temperature


def scale_by_class_temperature(logits: Tensor, temperature: Tensor) -> Tensor:
    """z / T_k with k the top label of each voxel; the top label stays. The lowest class wins a tie.

    Args:
        logits: any floating-point type.
        temperature: T_k > 0 of each class.

    Shape:
        `logits` (N,K,*S), `temperature` (K,), result like the logits.

    Source: Frenkel and Goldberger, EUSIPCO 2021: a temperature for each class. Here the class is the predicted one, as
    the reference is not known when the map is used.

    Example:
        >>> scale_by_class_temperature(torch.tensor([[4.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, 2.0]))
        tensor([[4., 0.],
                [0., 2.]])
    """
    return logits / temperature[logits.argmax(dim=1, keepdim=True)]


def scale_by_vector(logits: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """w_k z_k + b_k: a scale and a bias for each class; the top label may change.

    Shape:
        `logits` (N,K,*S), `scale` and `bias` (K,), result like the logits.

    Source: Guo et al., ICML 2017, section 4.2, vector scaling.

    Example:
        >>> scale_by_vector(torch.tensor([[4.0, 2.0]]), torch.tensor([0.5, 1.0]), torch.tensor([0.0, 1.0]))
        tensor([[2., 3.]])
    """
    shape = (-1, *(1,) * (logits.dim() - 2))
    return logits * scale.view(shape) + bias.view(shape)


def map_log_odds(logits: Tensor, log_odds: Tensor) -> Tensor:
    """log q_k, where q_k is read from a rising table of each class at p_k; the top label may change.

    The softmax of the result is q_k / sum_j q_j. Between two columns of the table log-odds are interpolated linearly,
    beyond its ends they stay.

    Args:
        logits: float32 or float64.
        log_odds: log(q_k / (1 - q_k)) where log(p_k / (1 - p_k)) is -15, -14.75, ..., 15.

    Shape:
        `logits` (N,K,*S), `log_odds` (K,121), result like the logits.

    Source: Zadrozny and Elkan, KDD 2002: one class against all others, then normalised.

    Example:
        >>> same = torch.linspace(-15, 15, 121).expand(2, -1)
        >>> map_log_odds(torch.tensor([[1.0, 0.0]]), same).softmax(dim=1)
        tensor([[0.7311, 0.2689]])
    """
    position = (compute_log_odds(logits) - FIRST_LOG_ODDS) / LOG_ODDS_STEP
    position = position.clamp(0, LOG_ODDS_COUNT - 1)
    low = position.detach().floor().clamp(max=LOG_ODDS_COUNT - 2)
    start = torch.arange(len(log_odds), device=logits.device).view(-1, *(1,) * (logits.dim() - 2)) * LOG_ODDS_COUNT
    place, table = low.long() + start, log_odds.reshape(-1)
    return F.logsigmoid(torch.lerp(table[place], table[place + 1], position - low))


def compute_log_odds(logits: Tensor) -> Tensor:
    """log(p_k / (1 - p_k)) of the softmax p; infinite where it rounds to 1.

    Example:
        >>> compute_log_odds(torch.tensor([[3.0, 1.0]])).round(decimals=4)
        tensor([[ 2., -2.]])
    """
    log_probs = logits.log_softmax(dim=1)
    return log_probs - torch.log(-torch.expm1(log_probs))


def iterate_chunks(logits: Tensor, target: Tensor, weight: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pieces of the voxels (n,K), (n,), (n,) in float64; the weights are divided by their sum over all voxels."""
    total = weight.double().sum()
    for start in range(0, len(target), CHUNK):
        part = slice(start, start + CHUNK)
        yield logits[part].double(), target[part].long(), weight[part].double() / total


def is_separable(logits: Tensor, target: Tensor) -> bool:
    """True if the reference class of every voxel has the largest logit, alone.

    Shape:
        `logits` (n,K), `target` (n,).

    Example:
        >>> is_separable(torch.tensor([[2.0, 1.0]]), torch.tensor([0]))
        True
    """
    for part, own, _ in iterate_chunks(logits, target, torch.ones(len(target))):
        index = own.unsqueeze(1)
        others = part.scatter(1, index, -torch.inf).amax(dim=1)
        if not bool((part.gather(1, index).squeeze(1) > others).all()):
            return False
    return True


def compute_nll(logits: Tensor, target: Tensor, weight: Tensor) -> float:
    """Weighted mean of -log softmax(z)_y in nats, added up in float64.

    Args:
        logits: any floating-point type.
        target: integer classes 0..K-1.
        weight: not negative, not all 0.

    Shape:
        `logits` (n,K), `target` and `weight` (n,).

    Example:
        >>> round(compute_nll(torch.zeros(3, 2), torch.tensor([0, 1, 1]), torch.ones(3)), 6)
        0.693147
    """
    total = 0.0
    for part, own, share in iterate_chunks(logits, target, weight):
        total += float((F.cross_entropy(part, own, reduction="none") * share).sum())
    return total
