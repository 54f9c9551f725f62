"""Argument rules, written once: constructors and the preflight check call the same functions.

This module imports nothing heavy, so a mistake in a configuration is reported before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlseg.rules import COUNT as COUNT
from mlseg.rules import FRACTION as FRACTION
from mlseg.rules import NON_NEGATIVE as NON_NEGATIVE
from mlseg.rules import POSITIVE as POSITIVE
from mlseg.rules import WHOLE as WHOLE
from mlseg.rules import DivisorOf as DivisorOf
from mlseg.rules import Each as Each
from mlseg.rules import EachValue as EachValue
from mlseg.rules import OneOf as OneOf
from mlseg.rules import Range as Range
from mlseg.rules import Rule as Rule
from mlseg.rules import Subset as Subset


class MlsegError(ValueError):
    """An error whose message is one line for the user: what is wrong, where, and what to do."""


class ConfigError(MlsegError):
    """A setting that cannot be used."""


class DataError(MlsegError):
    """A file or a data set that cannot be used."""


class RunError(MlsegError):
    """A run directory or a checkpoint that cannot be used, or a training that had to stop."""


class PeerError(RunError):
    """Another process of a distributed run has failed; it says why itself."""


class Stopped(KeyboardInterrupt):
    """A signal asked the run to stop.

    Args:
        signal: its name, e.g. "SIGTERM".
        saved: what is kept, for the message.
    """

    def __init__(self, signal: str, *, saved: str = "") -> None:
        super().__init__(f"stopped by {signal}{f', {saved}' if saved else ''}")
        self.signal = signal


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


# What a table calls a score over all classes, and the mean over labels.
RESERVED_LABELS = ("all", "mean")


def find_label_problem(labels: Sequence[Any]) -> str | None:
    """What is wrong with class names, or None.

    Example:
        >>> find_label_problem(["background", "all"])
        "must not have a class named all, which stands for a mean in the tables, got ['background', 'all']"
    """
    words = all(isinstance(label, str) and label for label in labels)
    if not words or not 2 <= len(labels) <= 256 or len(set(labels)) < len(labels):
        return f"must be 2 to 256 different names, background first, got {list(labels)}"
    taken = [label for label in labels if label in RESERVED_LABELS]
    if taken:
        return f"must not have a class named {taken[0]}, which stands for a mean in the tables, got {list(labels)}"
    return None


def find_merged_problems(merged: Any, labels: Sequence[str]) -> list[str]:
    """What is wrong with labels that are made of several classes.

    Args:
        merged: name -> class names, out of the foreground.
        labels: all class names, background first.

    Example:
        >>> find_merged_problems({"WT": ["ED", "oedema"]}, ["background", "ED"])
        ['must be lists of different classes out of ED, got WT: ED, oedema. Correct data.merged_labels.']
    """
    foreground = ", ".join(labels[1:])
    if not isinstance(merged, Mapping) or not merged:
        return [f"must map names to classes out of {foreground}, got {merged!r}. Give e.g. {{tumour: [{foreground}]}}."]
    found = [
        f"must not be named {name}, which stands for a mean in the tables. Choose another name in data.merged_labels."
        for name in merged
        if name in RESERVED_LABELS
    ]
    for name, classes in merged.items():
        is_list = isinstance(classes, Sequence) and not isinstance(classes, str)
        listed = list(classes) if is_list else [classes]
        if not is_list or not listed or len(set(listed)) < len(listed) or not set(listed) <= set(labels[1:]):
            shown = ", ".join(map(str, listed)) or "none"
            found.append(
                f"must be lists of different classes out of {foreground}, got {name}: {shown}. "
                "Correct data.merged_labels."
            )
    return found


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
    "mlseg.losses.flsd.FLSDLoss": {
        "gamma_low": NON_NEGATIVE,
        "gamma_high": NON_NEGATIVE,
        "threshold": FRACTION,
        "ignore_index": WHOLE,
    },
    "mlseg.losses.svls.SVLSLoss": {"sigma": Range(low=0.3), "ignore_index": WHOLE},
    "mlseg.losses.nacl.NACLLoss": {"alpha": NON_NEGATIVE, "penalty": OneOf(("l1", "l2")), "ignore_index": WHOLE},
    "mlseg.losses.dice.DiceLoss": {"smooth": POSITIVE, "ignore_index": WHOLE},
    "mlseg.losses.ml1ace.ML1ACELoss": {"bins": COUNT, "binning": OneOf(("hard", "soft")), "ignore_index": WHOLE},
    "mlseg.losses.weighted_sum.WeightedSumLoss": {"weights": EachValue(NON_NEGATIVE), "ignore_index": WHOLE},
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
    "torch.optim.lr_scheduler.OneCycleLR": {"max_lr": POSITIVE, "total_steps": COUNT, "pct_start": FRACTION},
    "torch.optim.lr_scheduler.StepLR": {"step_size": COUNT, "gamma": POSITIVE},
}
