"""Probabilities of a scan in the axes of its file: of one network or the mean of several, with flips if asked for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from mlseg.checks import ConfigError
from mlseg.data.preprocess import Preprocessing
from mlseg.data.unlabelled import turn_case
from mlseg.engine.device import full_float32
from mlseg.engine.inference import Inference
from mlseg.types import Case, PreparedCase

# Axis -> its place in an image (D,C,h,w) and in probabilities (K,D,H,W).
_PLACES = {"d": (0, 1), "h": (2, 2), "w": (3, 3)}


@dataclass(frozen=True, kw_only=True)
class Member:
    """A trained network with all that stands between a scan and its probabilities.

    Args:
        network: in eval mode, on the device of `inference`.
        inference: how it looks at a case; a calibrator belongs there.
        preprocessing: what was done to its training cases.
        orientation: the axis codes that they were brought to, or "native".
        flip_axes: axes out of d, h, w that the scan is flipped along, in all combinations; () leaves it as it is.
    """

    network: nn.Module
    inference: Inference
    preprocessing: Preprocessing
    orientation: str
    flip_axes: tuple[str, ...] = ()

    def predict(self, prepared: PreparedCase) -> np.ndarray:
        """(K,D,H,W) float32 probabilities of a prepared case on its native grid, the mean over the flips."""
        summed: np.ndarray | None = None
        combinations = list_combinations(self.flip_axes)
        for axes in combinations:
            image = np.flip(prepared.image, tuple(_PLACES[axis][0] for axis in axes))
            with full_float32():
                found = self.inference.predict(self.network, replace(prepared, image=image), grid="native").probs
            assert found is not None
            probs = np.flip(found.cpu().numpy(), tuple(_PLACES[axis][1] for axis in axes))
            summed = probs if summed is None else summed + probs
        assert summed is not None
        return summed / np.float32(len(combinations)) if len(combinations) > 1 else summed


def predict_scan(members: Sequence[Member], case: Case) -> np.ndarray:
    """(K,D,H,W) float32 probabilities of a scan, in the axes that the case has: the mean over the members.

    Args:
        members: at least one, with the same classes.
        case: as `mlseg.data.unlabelled.read_scan` gives it.

    Raises:
        RunError: a network's output is not finite.
    """
    prepared: dict[tuple[Preprocessing, str], PreparedCase] = {}
    summed: np.ndarray | None = None
    for member in members:
        turned, steps = turn_case(case, member.orientation)
        key = (member.preprocessing, member.orientation)
        if key not in prepared:
            prepared[key] = member.preprocessing.prepare(turned)
        probs = steps.invert().apply(member.predict(prepared[key]))
        summed = probs if summed is None else summed + probs
    assert summed is not None
    return summed / np.float32(len(members)) if len(members) > 1 else summed


def choose_flip_axes(allowed: Sequence[str], *, in_3d: bool) -> tuple[str, ...]:
    """The axes along which flips change what a network sees: slices don't know their neighbours.

    Args:
        allowed: axes out of d, h, w whose mirror image could be a patient's.
        in_3d: True for a network that sees volumes.

    Raises:
        ConfigError: there are none.
    """
    axes = tuple(axis for axis in _PLACES if axis in allowed and (in_3d or axis != "d"))
    if not axes:
        raise ConfigError(
            f"tta: flips must have an axis that the run's data allows, got data.flip_axes=[{', '.join(allowed)}]. "
            "A mirrored scan of this kind is no patient's: write tta=none."
        )
    return axes


def list_combinations(axes: Sequence[str]) -> list[tuple[str, ...]]:
    """All sets of axes, the empty one first.

    Example:
        >>> list_combinations(("h", "w"))
        [(), ('h',), ('w',), ('h', 'w')]
    """
    return [chosen for count in range(len(axes) + 1) for chosen in itertools.combinations(axes, count)]
