"""The words of `mlseg-score`: what can be written, and what each word means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError

PROG = "mlseg-score"
HELP = """\
mlseg-score judges predictions that were made elsewhere, by nnU-Net for example: overlap, surface distances and
calibration, with the tables and figures of a training run.

  mlseg-score prediction=PLACE reference=PLACE [probs=PLACE] [image=PLACE] [labels=[background,RV,Myo,LV]] ...

  A place is a folder, a file, or a pattern in quotes such as '/my/ACDC/training/*/*_gt.nii.gz'. Files are matched by
  their names, which may differ by an end such as _gt, _seg, _pred or _probs. The files of a case lie on one grid, if
  need be with their axes in another order.

  prediction     label maps (.nii.gz or .nii)
  reference      the reference label maps
  probs          probabilities, for calibration: NIfTI files with the classes as fourth axis, background first, or the
                 .npz files of nnU-Net (--save_probabilities, or --save_npz of v1); those beside the label maps need not
                 be named. probs=none leaves them alone. Without prediction= the most probable class is judged
  image          images to draw the best, the median and the worst case on
  labels         class names, background first, or a dataset.json; else one near the files is taken, or classes are
                 numbered
  subject        finds the person in the name of a case, so that scans of one person are averaged first: a regular
                 expression with one group, e.g. 'subject=(patient\\d+)'
  evaluation     default, paper, merged, or several in brackets; the first is the headline (default: default)
  merged         labels that are made of several classes, e.g. 'merged={{WT: [NCR, ED, ET], TC: [NCR, ET]}}'
  bins, tolerance_mm, boundary_mm, roi_margin_mm
                 settings of default and merged (15, 2, 3 and 10)
  missing        error: a reference without a prediction is refused; skip: it is left out (default: error)
  agreement      least share of the foreground in which the most probable class is that of the label map (default: 0.99)
  workers        cases that are judged at a time, each in a process (default: 1)
  output         a folder for scores.csv, bins.npz, views.npz, score.json, summary.md and figures
                 (default: {output}/NAME of the predictions)

After nnUNetv2_predict -i imagesTs -o preds -d 27 -c 2d --save_probabilities:
  mlseg-score prediction=preds reference=labelsTs image=imagesTs
"""
EVALUATIONS = ("default", "paper", "merged")
SETTINGS = ("bins", "tolerance_mm", "boundary_mm", "roi_margin_mm")
NO_PROBS = "none"


def read_options(arguments: Sequence[str]) -> dict[str, Any]:
    """Turn `key=value` words into typed options; `evaluation` is always among them.

    Raises:
        ConfigError: an unknown key, a value that can't be read, or words that say too little or don't go together; the
            message says what to write instead.

    Example:
        >>> read_options(["prediction=preds", "reference=labelsTs", "bins=10"])
        {'prediction': 'preds', 'reference': 'labelsTs', 'bins': 10, 'evaluation': ['default']}
    """
    options: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or key not in _READERS:
            near = difflib.get_close_matches(key.lstrip("-"), _READERS, n=1)
            hint = f"Did you mean {near[0]}=...?" if near else f"See {PROG} --help."
            raise ConfigError(f"options: must be out of {', '.join(_READERS)}, each with =, got {argument}. {hint}")
        try:
            options[key] = _READERS[key](text)
        except ConfigError:
            raise
        except ValueError:
            raise ConfigError(f"{key}: must be like {_EXAMPLES[key]}, got {text!r}. See {PROG} --help.") from None
    _check_options(options)
    return options


def _check_options(options: dict[str, Any]) -> None:
    if "reference" not in options or ("prediction" not in options and options.get("probs", NO_PROBS) == NO_PROBS):
        raise ConfigError(
            f"options: must have reference=... and prediction=... (or probs=...), got "
            f"{', '.join(options) or 'none of them'}. See {PROG} --help."
        )
    merged = "merged" in options
    evaluation = options.setdefault("evaluation", ["default", "merged"] if merged else ["default"])
    if merged != ("merged" in evaluation):
        raise ConfigError(
            "merged: must say which classes make up each label of evaluation=merged, got one without the other. "
            "Write e.g. 'merged={WT: [NCR, ED, ET], TC: [NCR, ET]}'."
        )
    given = [f"{name}={options[name]}" for name in SETTINGS if name in options]
    if given and evaluation == ["paper"]:
        raise ConfigError(f"{given[0]}: evaluation=paper has no settings, got {given[0]}. Leave it out.")


def _read_list(text: str) -> list[str]:
    words = [word.strip().strip("'\"") for word in text.strip().strip("[]()").split(",")]
    if not all(words):
        raise ValueError(text)
    return words


def _read_labels(text: str) -> list[str] | Path:
    path = Path(text).expanduser()
    if text.endswith(".json") or path.is_dir():
        return path
    labels = _read_list(text)
    if len(labels) < 2:
        raise ValueError(text)
    return labels


def _read_evaluation(text: str) -> list[str]:
    words = list(dict.fromkeys(_read_list(text)))
    if not set(words) <= set(EVALUATIONS):
        near = [difflib.get_close_matches(word, EVALUATIONS, n=1) for word in words if word not in EVALUATIONS]
        hint = f"Did you mean {near[0][0]}?" if near[0] else "Take some of them."
        raise ConfigError(f"evaluation: must be out of {', '.join(EVALUATIONS)}, got {text}. {hint}")
    return words


def _read_merged(text: str) -> dict[str, list[str]]:
    import yaml

    try:
        found = yaml.safe_load(text if text.strip().startswith("{") else f"{{{text}}}")
    except yaml.YAMLError as error:
        raise ValueError(text) from error
    if not isinstance(found, dict) or not found:
        raise ValueError(text)
    listed = {str(name): [one] if isinstance(one, str) else one for name, one in found.items()}
    if not all(isinstance(classes, list) and classes for classes in listed.values()):
        raise ValueError(text)
    return {name: [str(one) for one in classes] for name, classes in listed.items()}


def _read_subject(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(text) from error
    if groups != 1:
        raise ValueError(text)
    return text


def _read_place(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _read_output(text: str) -> Path:
    return Path(_read_place(text)).expanduser()


def _read_missing(text: str) -> str:
    if text not in ("error", "skip"):
        raise ValueError(text)
    return text


def _read_share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


def _read_count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("prediction", "reference", "probs", "image"), _read_place),
    "labels": _read_labels,
    "subject": _read_subject,
    "evaluation": _read_evaluation,
    "merged": _read_merged,
    "bins": int,
    **dict.fromkeys(("tolerance_mm", "boundary_mm", "roi_margin_mm"), float),
    "missing": _read_missing,
    "agreement": _read_share,
    "workers": _read_count,
    "output": _read_output,
}
_EXAMPLES = {
    "prediction": "prediction=preds",
    "reference": "reference=labelsTs",
    "probs": "probs=preds",
    "image": "image=imagesTs",
    "labels": "'labels=[background,RV,Myo,LV]' or labels=dataset.json",
    "subject": r"'subject=(patient\d+)'",
    "evaluation": "evaluation=default",
    "merged": "'merged={WT: [NCR, ED, ET], TC: [NCR, ET]}'",
    "bins": "bins=15",
    "tolerance_mm": "tolerance_mm=2",
    "boundary_mm": "boundary_mm=3",
    "roi_margin_mm": "roi_margin_mm=10",
    "missing": "missing=error or missing=skip",
    "agreement": "agreement=0.99",
    "workers": "workers=2",
    "output": "output=scores_of_mine",
}
