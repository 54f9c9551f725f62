"""Argument rules, written once: constructors and the preflight check call the same functions.

This module imports nothing heavy, so a mistake in a configuration is reported before torch is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class MlsegError(ValueError):
    """An error whose message is one line for the user: what is wrong, where, and what to do."""


class ConfigError(MlsegError):
    """A setting that cannot be used."""


class DataError(MlsegError):
    """A file or a data set that cannot be used."""


class RunError(MlsegError):
    """A run directory or a checkpoint that cannot be used, or a training that had to stop."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers that one argument may take.

    Args:
        low, high: bounds; None leaves a side open.
        open_low, open_high: True excludes the bound itself.
        integer: True asks for a whole number.
        optional: True accepts None.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    integer: bool = False
    optional: bool = False

    def __str__(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        low, high = self.low, self.high
        if low is not None and high is not None:
            left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
            text = f"{kind} in {left}{low:g}, {high:g}{right}"
        elif low is not None:
            text = f"{kind} {'above' if self.open_low else 'of at least'} {low:g}"
        elif high is not None:
            text = f"{kind} {'below' if self.open_high else 'of at most'} {high:g}"
        else:
            text = kind
        return f"{text} or null" if self.optional else text

    def accepts(self, value: Any) -> bool:
        """True if `value` is a finite number inside the range (or None where that is allowed)."""
        if value is None:
            return self.optional
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if self.integer and value != int(value):
            return False
        if self.low is not None and (value < self.low or (self.open_low and value == self.low)):
            return False
        return not (self.high is not None and (value > self.high or (self.open_high and value == self.high)))


@dataclass(frozen=True)
class OneOf:
    """The words that one argument may be; `optional` accepts None too."""

    words: tuple[str | int | bool, ...]
    optional: bool = False

    def __str__(self) -> str:
        words = f"{'one of ' if len(self.words) > 1 else ''}{', '.join(map(str, self.words))}"
        return f"{words} or null" if self.optional else words

    def accepts(self, value: Any) -> bool:
        """True if `value` is one of the words (or None where that is allowed)."""
        return value in self.words or (value is None and self.optional)


@dataclass(frozen=True)
class Subset:
    """A list, possibly empty, of different words out of some."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"a list out of {', '.join(self.words)}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is such a list."""
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return is_list and len(set(value)) == len(value) and set(value) <= set(self.words)


@dataclass(frozen=True)
class Each:
    """A list, not empty, whose every entry keeps to one range."""

    entry: Range

    def __str__(self) -> str:
        return f"a list with each entry {self.entry}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is such a list."""
        return isinstance(value, Sequence) and len(value) > 0 and all(self.entry.accepts(item) for item in value)


@dataclass(frozen=True)
class DivisorOf:
    """The whole numbers that divide another."""

    whole: int

    def __str__(self) -> str:
        return f"a divisor of {self.whole}"

    def accepts(self, value: Any) -> bool:
        """True if `value` is a whole number that divides it."""
        return Range(low=1, integer=True).accepts(value) and self.whole % value == 0


Rule = Range | OneOf | Subset | Each | DivisorOf


def describe_problem(owner: str, argument: str, value: Any, rule: Rule) -> str | None:
    """One sentence on what is wrong with `owner.argument = value`, or None if nothing is.

    Example:
        >>> describe_problem("MbLSLoss", "margin", -1, Range(low=0))
        'MbLSLoss: margin must be a number of at least 0, got -1. Give margin such a value.'
    """
    if rule.accepts(value):
        return None
    return f"{owner}: {argument} must be {rule}, got {value!r}. Give {argument} such a value."


def check_range(owner: str, argument: str, value: Any, rule: Rule) -> None:
    """Raise ConfigError if `value` breaks `rule`."""
    problem = describe_problem(owner, argument, value, rule)
    if problem:
        raise ConfigError(problem)


def find_problems(target: str, values: Mapping[str, Any]) -> list[str]:
    """All broken rules of RANGES for one component.

    Args:
        target: dotted path of the constructor, as in a YAML's `_target_`.
        values: its keyword arguments; those without a rule are not looked at.
    """
    owner, rules = target.rsplit(".", 1)[-1], RANGES.get(target, {})
    found = [describe_problem(owner, name, values[name], rule) for name, rule in rules.items() if name in values]
    return [problem for problem in found if problem]


def check_arguments(target: str, **values: Any) -> None:
    """Raise ConfigError with every broken rule of `target`; called by the constructors themselves."""
    problems = find_problems(target, values)
    if problems:
        raise ConfigError(" ".join(problems))


def find_merged_problems(merged: Any, labels: Sequence[str]) -> list[str]:
    """What is wrong with labels that are made of several classes.

    Args:
        merged: name -> class names, out of the foreground.
        labels: all class names, background first.

    Example:
        >>> find_merged_problems({"WT": ["ED", "oedema"]}, ["background", "ED"])
        ['must be different classes out of ED, got WT: ED, oedema. Correct data.merged_labels.']
    """
    foreground = ", ".join(labels[1:])
    if not isinstance(merged, Mapping) or not merged:
        return [f"must map names to classes out of {foreground}, got {merged!r}. Give e.g. {{all: [{foreground}]}}."]
    found = []
    for name, classes in merged.items():
        listed = list(classes) if isinstance(classes, Sequence) and not isinstance(classes, str) else [classes]
        if not listed or len(set(listed)) < len(listed) or not set(listed) <= set(labels[1:]):
            shown = ", ".join(map(str, listed)) or "none"
            found.append(
                f"must be different classes out of {foreground}, got {name}: {shown}. Correct data.merged_labels."
            )
    return found


NON_NEGATIVE = Range(low=0)
POSITIVE = Range(low=0, open_low=True)
COUNT = Range(low=1, integer=True)
FRACTION = Range(low=0, high=1)
WHOLE = Range(integer=True)
ONLY_2D = OneOf((2,))
NETWORK: dict[str, Rule] = {"in_channels": COUNT, "num_classes": Range(low=2, integer=True)}

EVALUATION: dict[str, Rule] = {
    "bins": DivisorOf(300),
    "tolerance_mm": NON_NEGATIVE,
    "boundary_mm": NON_NEGATIVE,
    "roi_margin_mm": NON_NEGATIVE,
}

RANGES: dict[str, dict[str, Rule]] = {
    "mlseg.losses.ce.CELoss": {"ignore_index": WHOLE},
    "mlseg.losses.ls.LSLoss": {"alpha": FRACTION, "ignore_index": WHOLE},
    "mlseg.losses.fl.FLLoss": {"gamma": NON_NEGATIVE, "ignore_index": WHOLE},
    "mlseg.losses.mbls.MbLSLoss": {"margin": NON_NEGATIVE, "alpha": NON_NEGATIVE, "ignore_index": WHOLE},
    "mlseg.losses.mbls_l2.MbLSL2Loss": {"margin": NON_NEGATIVE, "alpha": NON_NEGATIVE, "ignore_index": WHOLE},
    "mlseg.losses.ecp.ECPLoss": {"alpha": NON_NEGATIVE, "ignore_index": WHOLE},
    "mlseg.losses.flsd.FLSDLoss": {name: NON_NEGATIVE for name in ("gamma_low", "gamma_high")}
    | {"threshold": FRACTION, "ignore_index": WHOLE},
    "mlseg.losses.svls.SVLSLoss": {"sigma": Range(low=0.3), "ignore_index": WHOLE},
    "mlseg.losses.nacl.NACLLoss": {"alpha": NON_NEGATIVE, "norm": OneOf(("l1", "l2")), "ignore_index": WHOLE},
    "mlseg.losses.dice.DiceLoss": {"smooth": POSITIVE, "ignore_index": WHOLE},
    "mlseg.losses.ml1ace.ML1ACELoss": {"bins": COUNT, "binning": OneOf(("hard", "soft")), "ignore_index": WHOLE},
    "mlseg.losses.weighted_sum.WeightedSumLoss": {"ignore_index": WHOLE},
    "mlseg.models.unet.UNet": {
        **NETWORK,
        "dims": Range(low=2, high=3, integer=True),
        "widths": Each(COUNT),
        "norm": OneOf(("none", "batch", "instance", "group")),
    },
    "mlseg.models.attunet.AttUNet": {
        **NETWORK,
        "dims": Range(low=2, high=3, integer=True),
        "widths": Each(COUNT),
    },
    "mlseg.models.unetpp.UNetPlusPlus": {
        **NETWORK,
        "dims": ONLY_2D,
        "encoder_weights": OneOf(("imagenet",), optional=True),
    },
    "mlseg.models.transunet.TransUNet": {
        **NETWORK,
        "dims": ONLY_2D,
        "image_size": Each(COUNT),
        "dropout": FRACTION,
        "encoder_weights": OneOf(("imagenet21k",), optional=True),
    },
    "mlseg.data.brats.BraTSSource": {"year": OneOf(("auto", *range(2017, 2024)))},
    "mlseg.data.preprocess.Preprocessing": {"normalise_over": OneOf(("volume", "nonzero"))},
    "mlseg.data.augment.Augmentation": {
        "flip_axes": Subset(("d", "h", "w")),
        "rotation_deg": Range(low=0, high=180),
        "scale": Range(low=0, high=1, open_high=True),
        "shift": FRACTION,
        "brightness": NON_NEGATIVE,
        "contrast": FRACTION,
        "gamma": NON_NEGATIVE,
        "noise": NON_NEGATIVE,
    },
    "mlseg.metrics.default.DefaultEvaluation": EVALUATION,
    "mlseg.metrics.merged.MergedEvaluation": EVALUATION,
    "mlseg.engine.settings.TrainerSettings": {
        "max_epochs": COUNT,
        "accumulate_steps": COUNT,
        "clip_norm": Range(low=0, open_low=True, optional=True),
        "log_every": COUNT,
        "image_every": Range(low=0, integer=True),
    },
    "torch.optim.Adam": {"lr": POSITIVE, "weight_decay": NON_NEGATIVE},
    "torch.optim.AdamW": {"lr": POSITIVE, "weight_decay": NON_NEGATIVE},
    "torch.optim.SGD": {"lr": POSITIVE, "weight_decay": NON_NEGATIVE, "momentum": NON_NEGATIVE},
    "torch.optim.lr_scheduler.StepLR": {"step_size": COUNT, "gamma": POSITIVE},
}
