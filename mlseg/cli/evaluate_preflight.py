"""All that is wrong with the words of an evaluation, found at once and before anything heavy is imported."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import MlsegError, OneOf
from mlseg.cli.compose import flatten
from mlseg.cli.evaluation_folder import check_kind
from mlseg.cli.judged_calibrator import find_calibrator
from mlseg.cli.judged_cases import UNSEEN
from mlseg.cli.judged_run import EVALUATIONS, JudgedRun, read_run
from mlseg.cli.known_keys import state
from mlseg.cli.preflight import drop_echoes, find_evaluation_problems, find_rule_problems
from mlseg.cli.run_base import build_base
from mlseg.cli.suggest import suggest
from mlseg.data.splits import DEFAULT_FOLDS, DRAWN, find_split_problems

PART = OneOf(("test", "val", "train"))
SWITCHES = ("allow_seen_subjects", "allow_changed_data")
# They say how a split is drawn, and nothing else.
DRAWING_KEYS = ("split_seed", "split_fractions", "fold", "folds")


def find_evaluate_problems(cfg: DictConfig, choices: Mapping[str, str]) -> list[str]:
    """Every problem of an evaluation: `<key>: <rule>, got <value>. <Remedy>.`

    Args:
        cfg: the composed configuration, without Hydra's part.
        choices: the choice of each group.
    """
    del choices
    problems = list(_find_own_problems(cfg))
    try:
        run = read_run(cfg.run)
    except MlsegError as error:
        return [str(error), *problems]
    tree: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    problems += find_rule_problems({key: tree[key] for key in ("data", "evaluation") if key in tree})
    problems += find_evaluation_problems(tree)
    problems += _find_split_problems(cfg, tree["data"], run)
    problems += _find_place_problems(cfg, tree, run)
    return drop_echoes(problems, flatten(OmegaConf.to_container(cfg, resolve=False)), [])  # type: ignore[arg-type]


def _find_own_problems(cfg: DictConfig) -> Iterator[str]:
    if not PART.accepts(cfg.part):
        yield state("part", PART, cfg.part, suggest(str(cfg.part), map(str, PART.words)).strip() or "Choose one.")
    if not isinstance(cfg.checkpoint, str) or not cfg.checkpoint:
        yield state("checkpoint", "best, last or a file", cfg.checkpoint, "Choose one.")
    for key in SWITCHES:
        if not isinstance(cfg[key], bool):
            yield state(key, "true or false", cfg[key], "Choose one.")
    if not isinstance(cfg.calibrator, str) or not cfg.calibrator:
        yield state("calibrator", "none, auto or a file", cfg.calibrator, "Choose one.")
    name = cfg.name
    if name is not None and (not str(name).strip(". ") or re.search(r"[/\\]", str(name)) or str(name).startswith(".")):
        yield state("name", "the name of a folder", name, "A whole path goes into output=.")
    if cfg.output is not None and not str(cfg.output).strip():
        yield state("output", "a folder", cfg.output, "Give output=/path/to/a/new/folder.")
    if name is not None and cfg.output is not None:
        yield "name: must be left out with output=..., which is the whole folder. Give one of them."


def _find_split_problems(cfg: DictConfig, data: Mapping[str, Any], run: JudgedRun) -> Iterator[str]:
    split = cfg.split
    if split is not None and not isinstance(split, str):
        yield state("split", "null, unseen, random, kfold, loso or a split file", split, "Choose one.")
    elif split == UNSEEN and cfg.part != "test":
        yield state("part", f"test with split={UNSEEN}, which has no other", cfg.part, "Leave part out.")
    elif split is not None and split != UNSEEN:
        fold, folds = data.get("fold", 0), data.get("folds", DEFAULT_FOLDS)
        for problem in find_split_problems(split, fold=fold, folds=folds):
            near = suggest(split, (UNSEEN,))
            yield f"split: no such split '{split}'.{near}" if near else problem.replace("data.split:", "split:", 1)
    before = build_base(run)["data"]
    changed = [key for key in DRAWING_KEYS if data.get(key) != before.get(key)]
    if changed and split not in DRAWN:
        rule = f"left out unless a split is drawn (split={', '.join(DRAWN)})"
        yield state(f"data.{changed[0]}", rule, data[changed[0]], "Give split=random, or leave it out.")


def _find_place_problems(cfg: DictConfig, tree: Mapping[str, Any], run: JudgedRun) -> Iterator[str]:
    root, device = tree["data"].get("root"), tree["trainer"].get("device")
    if not isinstance(root, str) or not os.path.isdir(os.path.expanduser(root)):
        here = "" if os.path.isabs(os.path.expanduser(str(root))) else f" in {os.getcwd()}"
        yield f"data.root: no such folder '{root}'{here}. Give data.root=/where/the/data/is/now."
    if not isinstance(device, str) or not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        yield state("trainer.device", "auto, cpu, cuda or cuda:<number>", device, "Choose one.")
    try:
        if isinstance(cfg.checkpoint, str) and cfg.checkpoint:
            checkpoint = run.find_checkpoint(cfg.checkpoint)
            find_calibrator(cfg.calibrator if isinstance(cfg.calibrator, str) else None, checkpoint)
    except MlsegError as error:
        yield str(error)
    try:
        if cfg.output is not None:
            check_kind(Path(str(cfg.output)).expanduser())
        elif cfg.name is not None:
            check_kind(run.path / EVALUATIONS / str(cfg.name))
    except MlsegError as error:
        yield str(error)
