"""All that is wrong with the words of an export, found at once and before anything heavy is imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import MlsegError, OneOf
from mlseg.cli.judged_calibrator import AUTO, NONE, find_calibrator
from mlseg.cli.judged_run import BEST, LAST
from mlseg.cli.known_keys import state
from mlseg.cli.predict_runs import PredictingRun, read_runs
from mlseg.cli.suggest import suggest
from mlseg.data.nifti import NATIVE, check_orientation

ONNX = "onnx"
ENDING = ".onnx"
# What writes a file, and what tries it.
PACKAGES = ("onnx", "onnxruntime")
_CHOICES = {"format": OneOf((ONNX,)), "evaluation.inference": OneOf(("full", "window"), optional=True)}


def find_export_problems(cfg: DictConfig, choices: Mapping[str, str]) -> list[str]:
    """Every problem of an export: `<key>: <rule>, got <value>. <Remedy>.`

    Args:
        cfg: the composed configuration, without Hydra's part.
        choices: the choice of each group.
    """
    del choices
    problems = list(_find_value_problems(cfg))
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        problems.append(
            f"format: {ONNX} needs {' and '.join(PACKAGES)} installed, got no {' and no '.join(missing)}. "
            "Type: pip install 'mlseg[export]'"
        )
    if any(line.startswith(("run:", "orientation:", "checkpoint:", "calibrator:", "evaluation.")) for line in problems):
        return problems
    try:
        one = read_exported(cfg)
        find_calibrator(cfg.calibrator, one.checkpoint)
    except MlsegError as error:
        return [*problems, str(error)]
    return [*problems, *_find_output_problems(cfg, one)]


def read_exported(cfg: DictConfig) -> PredictingRun:
    """The run of an export. Errors: as `read_runs`."""
    return read_runs(lay_out(cfg))[0]


def lay_out(cfg: DictConfig) -> DictConfig:
    """The settings of an export as those of a prediction: on the CPU, in float32, without flips.

    Example:
        >>> typed = {"run": "r", "evaluation": {"inference": "window"}}
        >>> lay_out(OmegaConf.create(typed)).evaluation.precision
        'float32'
    """
    typed: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    evaluation = {**typed["evaluation"], "batch_size": None, "precision": "float32"}
    return OmegaConf.create({**typed, "evaluation": evaluation, "device": "cpu", "tta": "none"})


def place_output(cfg: DictConfig, one: PredictingRun) -> Path:
    """The file that is written: as typed, or beside the weights of the run."""
    if cfg.output is not None:
        return Path(str(cfg.output)).expanduser()
    return one.run.path / f"{one.checkpoint.stem}{ENDING}"


def _find_value_problems(cfg: DictConfig) -> Iterator[str]:
    for key, rule in _CHOICES.items():
        value = OmegaConf.select(cfg, key)
        if not rule.accepts(value):
            near = suggest(str(value), [str(word) for word in rule.words])
            yield state(key, rule, value, near.strip() or "Choose one.")
    if not isinstance(cfg.run, str) and cfg.run is not None:
        yield state("run", "one directory", OmegaConf.to_container(cfg)["run"], "Export each run into its own file.")  # type: ignore[index,call-overload]
    if not isinstance(cfg.checkpoint, str) or not cfg.checkpoint:
        yield state("checkpoint", f"{BEST}, {LAST} or a file", cfg.checkpoint, "Choose one.")
    if not isinstance(cfg.calibrator, str) or not cfg.calibrator:
        yield state("calibrator", f"{NONE}, {AUTO} or a file", cfg.calibrator, "Choose one.")
    if cfg.output is not None and (not isinstance(cfg.output, str) or not cfg.output.endswith(ENDING)):
        yield state("output", f"a file that ends in {ENDING}", cfg.output, f"Give output=model{ENDING}.")
    if cfg.orientation is not None:
        try:
            check_orientation(str(cfg.orientation))
        except MlsegError as error:
            yield str(error)
        else:
            if cfg.orientation == NATIVE:
                yield state("orientation", "axis codes", cfg.orientation, "Leave it out.")


def _find_output_problems(cfg: DictConfig, one: PredictingRun) -> Iterator[str]:
    path = place_output(cfg, one)
    if path.exists():
        yield f"output: must not be there yet, got {path}. Give another output=, or remove it."
    elif not path.parent.is_dir():
        yield f"output: must be in a folder that is there, got {path}. Make the folder {path.parent}."
