"""All that is wrong with the words of a prediction, found at once and before anything heavy is imported."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import COUNT, MlsegError, OneOf
from mlseg.cli.judged_run import BEST, LAST, PARTS
from mlseg.cli.known_keys import show
from mlseg.cli.predict_runs import FLIPS, list_places, read_runs
from mlseg.cli.suggest import suggest
from mlseg.data.matching import NIFTI_ENDINGS
from mlseg.data.nifti import NATIVE, check_orientation

SAVE = ("labels", "probs_nifti", "probs_npz", "confidence", "entropy")
NO_TTA = "none"
_CHOICES = {
    "evaluation.inference": OneOf(("full", "window"), optional=True),
    "evaluation.precision": OneOf(("float32", "bf16"), optional=True),
    "tta": OneOf((NO_TTA, FLIPS)),
}


def find_predict_problems(cfg: DictConfig, choices: Mapping[str, str]) -> list[str]:
    """Every problem of a prediction: `<key>: <rule>, got <value>. <Remedy>.`

    Args:
        cfg: the composed configuration, without Hydra's part.
        choices: the choice of each group.
    """
    del choices
    tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    problems = [*_find_value_problems(cfg, tree), *_find_input_problems(tree["input"]), *_find_output_problems(tree)]
    places = list_places(cfg)
    if isinstance(tree["checkpoint"], str) and tree["checkpoint"] not in (BEST, LAST) and len(places) > 1:
        problems.append(_state("checkpoint", "best or last with several runs", tree["checkpoint"], "Choose one."))
    twice = sorted({str(place) for place in places if places.count(place) > 1})
    if twice:
        problems.append(_state("run", "different runs", twice[0] + " twice", "Leave one out.", quoted=False))
    if any(line.startswith(("checkpoint:", "orientation:", "device:")) for line in problems):
        return problems
    try:
        labels: Sequence[str] = read_runs(cfg)[0].labels
    except MlsegError as error:
        return [str(error), *problems]
    return [*problems, *_find_component_problems(tree["largest_component"], labels)]


def _state(key: str, rule: object, value: Any, remedy: str, *, quoted: bool = True) -> str:
    return f"{key}: must be {rule}, got {show(value) if quoted else value}. {remedy}"


def _find_value_problems(cfg: DictConfig, tree: Mapping[str, Any]) -> Iterator[str]:
    for key, rule in _CHOICES.items():
        value = OmegaConf.select(cfg, key)
        if not rule.accepts(value):
            near = suggest(str(value), [str(word) for word in rule.words])
            yield _state(key, rule, value, near.strip() or "Choose one.")
    batch_size = tree["evaluation"]["batch_size"]
    if batch_size is not None and not COUNT.accepts(batch_size):
        yield _state("evaluation.batch_size", COUNT, batch_size, "Give evaluation.batch_size such a value.")
    if not isinstance(tree["checkpoint"], str) or not tree["checkpoint"]:
        yield _state("checkpoint", "best, last or a file", tree["checkpoint"], "Choose one.")
    if not isinstance(tree["device"], str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", tree["device"]):
        yield _state("device", "auto, cpu, cuda or cuda:<number>", tree["device"], "Choose one.")
    save = tree["save"]
    words = save if isinstance(save, list) else [save]
    wrong = [word for word in words if word not in SAVE]
    if wrong or not words or len(set(words)) < len(words):
        close = difflib.get_close_matches(str(wrong[0]), SAVE, n=1, cutoff=0.3) if wrong else []
        yield _state(
            "save",
            f"different words out of {', '.join(SAVE)}",
            save,
            f"Did you mean {close[0]}?" if close else "Take some.",
        )
    orientation = tree["orientation"]
    if orientation is not None:
        try:
            check_orientation(str(orientation))
            if orientation == NATIVE:
                yield _state(
                    "orientation", "axis codes, or null for the axes of the file", orientation, "Leave it out."
                )
        except MlsegError as error:
            yield str(error)


def _find_input_problems(given: Any) -> Iterator[str]:
    if given is None or given == [] or given == "":
        yield "input: must be a file, a folder, or test, got nothing. Give input=/my/scans."
        return
    words = [str(word) for word in given] if isinstance(given, list) else [str(given)]
    if len(words) == 1 and words[0] in PARTS:
        return
    for word in words:
        path = Path(word).expanduser()
        if not path.exists():
            here = "" if path.is_absolute() else f" in {os.getcwd()}"
            yield f"input: no such file or folder '{word}'{here}.{suggest(word, PARTS) or ' Correct the path.'}"
        elif path.is_dir() and len(words) > 1:
            yield _state(
                "input", "one folder, or the files of one case's channels", words, "Predict one folder at a time."
            )
        elif path.is_file() and not path.name.endswith(NIFTI_ENDINGS):
            yield _state("input", "a .nii.gz or .nii file, or a folder of them", word, "Convert it to NIfTI.")


def _find_output_problems(tree: Mapping[str, Any]) -> Iterator[str]:
    output = tree["output"]
    if not isinstance(output, str) or not output.strip():
        yield "output: must be a folder, or a .nii.gz file for one case, got nothing. Give output=predicted."
        return
    path = Path(output).expanduser()
    if path.is_dir() and output.endswith(NIFTI_ENDINGS):
        yield _state("output", "a file if it ends in .nii.gz or .nii", output, "It is a folder: rename it.")
    elif path.is_file() and not output.endswith(NIFTI_ENDINGS):
        yield _state("output", "a folder, or a file that ends in .nii.gz or .nii", output, "Give another place.")


def _find_component_problems(given: Any, labels: Sequence[str]) -> Iterator[str]:
    if isinstance(given, bool):
        return
    words = given if isinstance(given, list) else [given]
    wrong = [word for word in words if word not in labels[1:]]
    if wrong or not words:
        rule = f"true, false, or a list out of {', '.join(labels[1:])}"
        yield _state(
            "largest_component",
            rule,
            given,
            suggest(str(wrong[0] if wrong else ""), labels[1:]).strip() or "Choose some.",
        )
