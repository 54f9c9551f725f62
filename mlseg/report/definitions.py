"""What each score means, in words: the one place that tables, the summary of a run and the README take them from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ScoreDefinition:
    """One score as a reader meets it.

    Args:
        title: the name in a table.
        better: the direction of a better result.
        text: one or two sentences; {bins}, {tolerance_mm} and the like stand for settings of the protocol.
    """

    title: str
    better: Literal["higher", "lower"]
    text: str


SETTINGS: Mapping[str, float] = MappingProxyType(
    {"bins": 15, "tolerance_mm": 2.0, "boundary_mm": 3.0, "roi_margin_mm": 10.0}
)
"""The settings of configs/evaluation/default.yaml that the texts below speak of."""

_DEFAULT = {
    "dice": ScoreDefinition(
        title="Dice",
        better="higher",
        text="Overlap of prediction and reference in the 3D image: twice the shared voxels over the voxels of both. "
        "1 is perfect, 0 no overlap. Undefined where both are empty.",
    ),
    "hd": ScoreDefinition(
        title="HD",
        better="lower",
        text="Hausdorff distance: the farthest that a point of either surface lies from the other surface. "
        "A missed or invented structure counts as the image diagonal.",
    ),
    "hd95": ScoreDefinition(
        title="HD95",
        better="lower",
        text="As HD, with the 95th percentile of the distances in each direction, and the larger of the two: "
        "a few stray voxels weigh less.",
    ),
    "assd": ScoreDefinition(
        title="ASSD",
        better="lower",
        text="Average symmetric surface distance: the mean distance to the other surface, over the points of both "
        "surfaces together. A missed or invented structure counts as the image diagonal.",
    ),
    "nsd": ScoreDefinition(
        title="NSD",
        better="higher",
        text="Normalised surface Dice: the share of both surfaces that lies within {tolerance_mm} mm of the other.",
    ),
    "ece": ScoreDefinition(
        title="ECE",
        better="lower",
        text="Expected calibration error: how far the confidence of the predicted class is from the share of voxels "
        "that are right, over {bins} equal bins of confidence weighted by their voxels. 0.05 means: off by 5 "
        "percentage points on average.",
    ),
    "cece": ScoreDefinition(
        title="CECE",
        better="lower",
        text="Class-wise ECE: the same for the probability of each class by itself, averaged over all classes, "
        "background included.",
    ),
    "cece_t": ScoreDefinition(
        title="CECE_t",
        better="lower",
        text="CECE over only those voxels whose probability of the class exceeds 0.001; classes without any are "
        "left out.",
    ),
    "ace": ScoreDefinition(
        title="ACE",
        better="lower",
        text="Average calibration error: as ECE, but each bin with at least 0.1 % of the voxels weighs the same.",
    ),
    "mce": ScoreDefinition(
        title="MCE",
        better="lower",
        text="Maximum calibration error: the worst bin among those with at least 0.1 % of the voxels.",
    ),
    "nll": ScoreDefinition(
        title="NLL",
        better="lower",
        text="Negative log-likelihood: the mean of -log of the probability of the true class.",
    ),
    "brier": ScoreDefinition(
        title="Brier",
        better="lower",
        text="Brier score: squared difference of probabilities and truth, summed over classes, mean over voxels; "
        "between 0 and 2.",
    ),
}

_PAPER = {
    "dice": ScoreDefinition(
        title="Dice",
        better="higher",
        text="Overlap of prediction and reference in the scored volume, rounded to 4 digits per case. A class absent "
        "from the reference counts as 1, whatever was predicted.",
    ),
    "hd": ScoreDefinition(
        title="HD",
        better="lower",
        text="Hausdorff distance in voxels, spacing ignored. A class absent from the reference and an empty "
        "prediction both count as 0, so a missed structure looks perfect here.",
    ),
    "hd95": ScoreDefinition(
        title="HD95",
        better="lower",
        text="95th percentile of the surface distances of both directions together, in voxels, spacing ignored. "
        "A class absent from the reference and an empty prediction both count as 0.",
    ),
    "assd": ScoreDefinition(
        title="ASSD",
        better="lower",
        text="Average symmetric surface distance in voxels, spacing ignored. A class absent from the reference and an "
        "empty prediction both count as 0.",
    ),
    "ece": ScoreDefinition(
        title="ECE",
        better="lower",
        text="Expected calibration error with 15 bins, on voxels where the reference is not background, rounded to "
        "4 digits per case. Predicting foreground everywhere with confidence 1 would score 0: read it beside the ECE "
        "of the image.",
    ),
    "cece": ScoreDefinition(
        title="CECE",
        better="lower",
        text="Class-wise ECE on the same voxels, averaged over the classes from 0 to the largest in the reference, "
        "rounded to 4 digits per case.",
    ),
}

_MERGED = {
    **_DEFAULT,
    "ece": ScoreDefinition(
        title="ECE",
        better="lower",
        text="Expected calibration error of the question whether a voxel is of the label or not, with {bins} bins: how "
        "far the confidence max(p, 1 - p) is from the share of voxels that are right, for each label by itself.",
    ),
    "cece": ScoreDefinition(
        title="CECE",
        better="lower",
        text="Class-wise ECE: the same for the probability p of the label, averaged over the merged labels.",
    ),
    "cece_t": ScoreDefinition(
        title="CECE_t",
        better="lower",
        text="CECE over only those voxels whose probability of the label exceeds 0.001; labels without any are left "
        "out.",
    ),
}

DEFINITIONS: Mapping[str, Mapping[str, ScoreDefinition]] = MappingProxyType(
    {
        "default": MappingProxyType(_DEFAULT),
        "paper": MappingProxyType(_PAPER),
        "merged": MappingProxyType(_MERGED),
    }
)

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "image": "every voxel scored",
        "foreground": "voxels where the reference is not background",
        "boundary": "voxels within {boundary_mm} mm of a border of the reference",
        "roi": "the bounding box of the reference plus {roi_margin_mm} mm",
    }
)

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "default": "Whole image on the grid it was stored on, distances in mm; mean over a subject's frames, then "
        "subjects, then labels",
        "paper": "The definitions of the MbLS authors' code, quirks included, to stand beside their numbers; training "
        "crop (of volumes and saved predictions the whole image), distances in voxels, plain mean over cases",
        "merged": "Labels made of several classes (such as whole tumour), each judged as a two-class problem: mask = "
        "union of the predicted classes, probability = sum of theirs; foreground and borders are those of these labels",
    }
)

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "reliability": "confidence against accuracy, by region",
        "reliability_classes": "the same for each class",
        "reliability_subjects": "the same subject by subject",
        "ece_bins": "ECE and CECE against the number of bins",
        "cases": "best, median and worst case in pictures",
    }
)
"""Stem of a file in figures/ -> what it shows; other protocols than the headline add their name: ece_bins_paper.png."""
FIGURES_FOLDER = "figures"


def get_title(evaluation: str, metric: str) -> str:
    """The name of a score in a table; an unknown one keeps its own.

    Example:
        >>> get_title("default", "hd95"), get_title("default", "new_score")
        ('HD95', 'new_score')
    """
    definition = DEFINITIONS.get(evaluation, {}).get(metric)
    return definition.title if definition else metric


def describe_score(evaluation: str, metric: str, settings: Mapping[str, float] = SETTINGS) -> str:
    """The definition of a score under one protocol, or "" if it has none.

    Example:
        >>> describe_score("default", "nsd", {"tolerance_mm": 1.0})
        'Normalised surface Dice: the share of both surfaces that lies within 1 mm of the other. Higher is better.'
    """
    definition = DEFINITIONS.get(evaluation, {}).get(metric)
    if definition is None:
        return ""
    return f"{_fill(definition.text, settings)} {definition.better.capitalize()} is better."


def describe_region(region: str, settings: Mapping[str, float] = SETTINGS) -> str:
    """Which voxels a region holds, or "" if it is not one of REGIONS."""
    return _fill(REGIONS.get(region, ""), settings)


def _fill(text: str, settings: Mapping[str, float]) -> str:
    return text.format(**{name: f"{value:g}" for name, value in {**SETTINGS, **settings}.items()})
