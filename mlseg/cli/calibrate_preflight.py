"""All that is wrong with the words of a calibration, found at once and before anything heavy is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import COUNT, MlsegError, OneOf, Range
from mlseg.cli.compose import flatten
from mlseg.cli.judged_cases import UNSEEN
from mlseg.cli.judged_run import JudgedRun, read_run
from mlseg.cli.known_keys import state
from mlseg.cli.preflight import drop_echoes, find_evaluation_problems, find_rule_problems
from mlseg.cli.suggest import suggest
from mlseg.data.splits import DRAWN, find_split_problems
from mlseg.records import read_json

METHODS = ("temperature", "class_temperature", "vector", "isotonic")
REGIONS = ("image", "foreground", "boundary")
KIND = "calibrator"
_CHOICES = {"method": OneOf(METHODS), "region": OneOf(REGIONS)}
_SWITCHES = ("allow_training_subjects", "allow_changed_data")


def find_calibrate_problems(cfg: DictConfig, choices: Mapping[str, str]) -> list[str]:
    """Every problem of a calibration: `<key>: <rule>, got <value>. <Remedy>.`

    Args:
        cfg: the composed configuration, without Hydra's part.
        choices: the choice of each group.
    """
    del choices
    problems = [*_find_value_problems(cfg), *_find_part_problems(cfg), *_find_output_problems(cfg.output)]
    try:
        run = read_run(cfg.run)
    except MlsegError as error:
        return [str(error), *problems]
    tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    problems += find_rule_problems({key: tree[key] for key in ("data", "evaluation") if key in tree})
    problems += find_evaluation_problems(tree)
    problems += _find_place_problems(cfg, tree, run)
    return drop_echoes(problems, flatten(OmegaConf.to_container(cfg, resolve=False)), [])  # type: ignore[arg-type]


def _find_value_problems(cfg: DictConfig) -> Iterator[str]:
    for key, rule in _CHOICES.items():
        if not rule.accepts(cfg[key]):
            yield state(key, rule, cfg[key], suggest(str(cfg[key]), map(str, rule.words)).strip() or "Choose one.")
    if cfg.region == "foreground" and cfg.method in METHODS[1:]:
        # Without voxels of the background it would learn that there is none.
        yield state("region", f"image or boundary with method={cfg.method}", cfg.region, "Choose one.")
    if not COUNT.accepts(cfg.max_voxels):
        yield state("max_voxels", COUNT, cfg.max_voxels)
    seed = Range(low=0, integer=True)
    if not seed.accepts(cfg.sample_seed):
        yield state("sample_seed", seed, cfg.sample_seed)
    if not isinstance(cfg.checkpoint, str) or not cfg.checkpoint:
        yield state("checkpoint", "best, last or a file", cfg.checkpoint, "Choose one.")
    for key in _SWITCHES:
        if not isinstance(cfg[key], bool):
            yield state(key, "true or false", cfg[key], "Choose one.")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        yield "mlseg-calibrate: must run as a single process, got several. Type it without torchrun."


def _find_part_problems(cfg: DictConfig) -> Iterator[str]:
    part, split = cfg.part, cfg.split
    if part == "test":
        yield state("part", "val", part, "What was fitted to test subjects cannot be judged by them. Leave part out.")
    elif part == "train" and cfg.allow_training_subjects is not True:
        yield state("part", "val", part, "Leave part out, or give allow_training_subjects=true.")
    elif part not in ("val", "train"):
        yield state("part", "val or train", part, suggest(str(part), ("val", "train")).strip() or "Choose one.")
    if split is None:
        return
    if not isinstance(split, str) or split in (*DRAWN, UNSEEN):
        yield state("split", "null or a split file, which says who is val", split, "Leave split out.")
    else:
        for problem in find_split_problems(split, fold=0, folds=2):
            yield problem.replace("data.split:", "split:", 1)


def _find_output_problems(output: Any) -> Iterator[str]:
    if output is None:
        return
    if not isinstance(output, str) or not output.endswith(".json"):
        yield state("output", "a file that ends in .json", output, "Give output=calibrator.json.")
        return
    path = Path(output).expanduser()
    try:
        if path.exists() and read_json(path).get("kind") != KIND:
            yield state("output", "a new file or an earlier calibrator", output, "It is something else: rename one.")
    except MlsegError:
        yield state("output", "a new file or an earlier calibrator", output, "It is something else: rename one.")


def _find_place_problems(cfg: DictConfig, tree: Mapping[str, Any], run: JudgedRun) -> Iterator[str]:
    root, device = tree["data"].get("root"), tree["trainer"].get("device")
    if not isinstance(root, str) or not os.path.isdir(os.path.expanduser(root)):
        here = "" if os.path.isabs(os.path.expanduser(str(root))) else f" in {os.getcwd()}"
        yield f"data.root: no such folder '{root}'{here}. Give data.root=/where/the/data/is/now."
    if not isinstance(device, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        yield state("trainer.device", "auto, cpu, cuda or cuda:<number>", device, "Choose one.")
    if cfg.split is None and cfg.part in ("val", "train") and not run.parts[cfg.part]:
        yield (
            f"part: {cfg.part} of the run's own split must hold at least one subject, got none. "
            "Give split=<a file whose val are new to the run>."
        )
    try:
        if isinstance(cfg.checkpoint, str) and cfg.checkpoint:
            run.find_checkpoint(cfg.checkpoint)
    except MlsegError as error:
        yield str(error)
