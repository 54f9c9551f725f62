"""A weighted sum of other losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError, check_arguments


class WeightedSumLoss(nn.Module):
    """Weighted sum of losses that are given by name: sum_i weight_i * loss_i.

    In YAML each loss is a component of its own, so that `loss.mbls.margin=5` reaches into it; see
    configs/loss/mbls_dice.yaml. `terms()` are the weighted terms of the parts: if a part has one it is called <part>,
    if it has several each is called <part>_<term>. `margin` is the smallest of the parts' margins, if any has one.

    Args:
        weights: the weight of each loss, at least 0; the same names as `losses`.
        ignore_index: target value that is left out; the same as that of every part that has one.
        losses: (logits, target) -> scalar, by name.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: no losses, other names in weights than in losses, a weight out of range, parts that ignore another
            value.

    Example:
        >>> from mlseg.losses.ce import CELoss
        >>> from mlseg.losses.mbls import MbLSLoss
        >>> loss = WeightedSumLoss({"ce": 0.5, "mbls": 1.0}, ce=CELoss(), mbls=MbLSLoss(margin=10.0))
        >>> value = loss(torch.tensor([[[12.0], [0.0]]]), torch.tensor([[1]]))
        >>> {name: round(float(term), 4) for name, term in loss.terms().items()}
        {'ce': 6.0, 'mbls_ce': 12.0, 'mbls_margin': 0.1}
        >>> loss.margin
        10.0
    """

    def __init__(self, weights: Mapping[str, float], *, ignore_index: int = -100, **losses: nn.Module) -> None:
        super().__init__()
        check_arguments("mlseg.losses.weighted_sum.WeightedSumLoss", weights=weights, ignore_index=ignore_index)
        _check_parts(weights, losses, ignore_index)
        self.weights = {name: float(weights[name]) for name in losses}
        self.ignore_index = ignore_index
        self.parts = nn.ModuleDict(losses)
        found = (getattr(part, "margin", None) for part in losses.values())
        margins = [float(margin) for margin in found if margin is not None]
        if margins:
            self.margin = min(margins)
        self._terms: dict[str, Tensor] = {}

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The scalar loss. Raises ConfigError if the shapes do not belong together."""
        if logits.is_floating_point():
            # Once for all parts, which leave half precision anyway.
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        with torch.autocast(logits.device.type, enabled=False):
            values = {name: self.weights[name] * part(logits, target) for name, part in self.parts.items()}
        terms = (_name_terms(name, self.parts[name], self.weights[name], value) for name, value in values.items())
        self._terms = {name: term for named in terms for name, term in named.items()}
        return torch.stack(list(values.values())).sum()

    def terms(self) -> dict[str, Tensor]:
        """The weighted, detached terms of the last call, which add up to its value; empty before the first call."""
        return dict(self._terms)


def _name_terms(name: str, part: Any, weight: float, value: Tensor) -> dict[str, Tensor]:
    """The terms of one part after it was called, weighted; `value` is the weighted loss itself."""
    terms = part.terms() if hasattr(part, "terms") else {}
    if len(terms) < 2:
        return {name: value.detach()}
    return {f"{name}_{term}": weight * terms[term] for term in terms}


def _check_parts(weights: Mapping[str, float], losses: Mapping[str, nn.Module], ignore_index: int) -> None:
    owner = "WeightedSumLoss"
    if set(weights) != set(losses):
        raise ConfigError(
            f"{owner}: weights must have the names of the losses ({', '.join(losses) or 'none'}), "
            f"got {', '.join(weights)}. Give each loss its weight."
        )
    for name, part in losses.items():
        ignored = getattr(part, "ignore_index", ignore_index)
        if ignored != ignore_index:
            raise ConfigError(
                f"{owner}: {name}.ignore_index must be the sum's own {ignore_index}, got {ignored}. "
                "Write ignore_index: ${loss.ignore_index} in each part."
            )
