"""A calibrator as it lies beside the checkpoint that it was fitted to: calibrator.json, plain JSON with its history."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlseg.checks import RunError
from mlseg.functional import posthoc
from mlseg.records import read_json, write_json

VERSION, KIND = 1, "calibrator"
REMEDY = "Fit it again with mlseg-calibrate run=..."
_MAPS: dict[str, Callable[..., Tensor]] = {
    "temperature": posthoc.scale_by_temperature,
    "class_temperature": posthoc.scale_by_class_temperature,
    "vector": posthoc.scale_by_vector,
    "isotonic": posthoc.map_log_odds,
}
# The shape of each parameter, K standing for the number of classes; those of POSITIVE must lie above 0.
_SHAPES: dict[str, dict[str, tuple[int | str, ...]]] = {
    "temperature": {"temperature": ()},
    "class_temperature": {"temperature": ("K",)},
    "vector": {"scale": ("K",), "bias": ("K",)},
    "isotonic": {"log_odds": ("K", posthoc.LOG_ODDS_COUNT)},
}
_POSITIVE = {"temperature"}
_WORDS = {
    "class_temperature": "class-wise temperature scaling",
    "vector": "vector scaling",
    "isotonic": "isotonic regression",
}


class Calibrator(nn.Module):
    """Maps logits (N,K,*S) to logits whose softmax is the calibrated probability.

    A plain function of the logits, without state of its own: it works on any device and can be exported with a network.

    Args:
        method: "temperature", "class_temperature", "vector" or "isotonic".
        parameters: as the fits of `mlseg.functional.posthoc_*` return them.
        labels: class names, background first; logits must have as many classes.
        record: all of calibrator.json, if it was read from one.

    Raises:
        RunError: an unknown method, or parameters that do not fit it.

    Example:
        >>> halve = Calibrator("temperature", {"temperature": 2.0}, labels=("background", "LV"))
        >>> halve(torch.tensor([[4.0, 0.0]])), halve.describe()
        (tensor([[2., 0.]]), 'temperature scaling (T = 2.0000)')
    """

    def __init__(
        self,
        method: str,
        parameters: Mapping[str, Any],
        *,
        labels: tuple[str, ...],
        record: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if method not in _MAPS:
            raise RunError(f"Calibrator: method must be one of {', '.join(_MAPS)}, got {method!r}. {REMEDY}")
        self.method, self.labels, self.record = method, labels, dict(record or {})
        self.names = tuple(_SHAPES[method])
        for name, shape in _SHAPES[method].items():
            sizes = tuple(len(labels) if size == "K" else int(size) for size in shape)
            self.register_buffer(name, _check_parameter(name, parameters.get(name), sizes))

    def forward(self, logits: Tensor) -> Tensor:
        """Calibrated logits, of the shape and type of `logits`."""
        if logits.shape[1] != len(self.labels):
            raise RunError(f"Calibrator: logits must have {len(self.labels)} classes, got {logits.shape[1]}. {REMEDY}")
        return _MAPS[self.method](logits, *(getattr(self, name).to(logits) for name in self.names))

    def describe(self) -> str:
        """The method in words, with its temperature where it has one."""
        if self.method == "temperature":
            return f"temperature scaling (T = {float(self.temperature):.4f})"  # type: ignore[arg-type]
        return _WORDS[self.method]

    @property
    def weights(self) -> str | None:
        """The hash of the network's weights that it was fitted to; None if it does not say."""
        return self.record.get("checkpoint", {}).get("weights")

    @property
    def cases(self) -> dict[str, tuple[str, str]]:
        """Case -> subject and hash of the files, for those that it was fitted to."""
        found = self.record.get("fitted_on", {}).get("cases", {})
        return {case: (str(subject), str(content)) for case, (subject, content) in found.items()}

    def check_weights(self, weights: str, *, owner: str = "calibrator") -> None:
        """Raise RunError if it was fitted to other weights than these.

        Args:
            weights: their hash, `mlseg.cli.judging.hash_weights`.
            owner: what the message begins with, such as its file.
        """
        if self.weights is not None and self.weights != weights:
            epoch = self.record["checkpoint"].get("epoch")
            raise RunError(
                f"{owner}: must be fitted to these very weights, got one that was fitted to others (epoch {epoch}). "
                f"{REMEDY}"
            )


def read_calibrator(path: Path) -> Calibrator:
    """Read calibrator.json.

    Raises:
        RunError: it is not there, is none, or is of another version.
    """
    if not path.is_file():
        raise RunError(f"{path}: must be a calibrator, got nothing. {REMEDY}")
    record = read_json(path)
    found = record.get("kind"), record.get("version")
    if found != (KIND, VERSION):
        raise RunError(f"{path}: must be a calibrator of version {VERSION}, got kind and version {found}. {REMEDY}")
    labels = record.get("labels")
    if not isinstance(labels, list) or not isinstance(record.get("parameters"), dict):
        raise RunError(f"{path}: must name labels and parameters, got neither or one. {REMEDY}")
    try:
        return Calibrator(
            str(record.get("method")), record["parameters"], labels=tuple(map(str, labels)), record=record
        )
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def write_calibrator(path: Path, calibrator: Calibrator, **facts: Any) -> None:
    """Write calibrator.json in one step; read back, it gives the same logits to the last bit.

    Args:
        path: beside the checkpoint: calibrator.json for best.pt.
        facts: what it was fitted to, and how: JSON.

    Raises:
        RunError: it cannot be written.
    """
    parameters = {name: getattr(calibrator, name).tolist() for name in calibrator.names}
    head = {"version": VERSION, "kind": KIND, "method": calibrator.method, "labels": list(calibrator.labels)}
    write_json(path, {**head, "parameters": parameters, **facts})


def hash_parameters(calibrator: Calibrator) -> str:
    """A hash of method and parameters: two calibrators with the same one change logits in the same way."""
    parameters = {name: getattr(calibrator, name).tolist() for name in calibrator.names}
    return hashlib.sha256(json.dumps([calibrator.method, parameters]).encode()).hexdigest()[:16]


def _check_parameter(name: str, value: Any, shape: tuple[int, ...]) -> Tensor:
    """The float64 tensor of a parameter of calibrator.json."""
    try:
        tensor = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        tensor = torch.tensor(math.nan)
    good = tensor.shape == shape and bool(tensor.isfinite().all()) and not (name in _POSITIVE and tensor.min() <= 0)
    if not good:
        what = "positive numbers" if name in _POSITIVE else "numbers"
        raise RunError(f"Calibrator: {name} must be {what} of shape {shape}, got {str(value)[:60]}. {REMEDY}")
    return tensor
