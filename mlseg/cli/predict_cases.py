"""What is to be predicted: files, folders, whole data sets or the cases of a run; and the references beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mlseg.checks import ConfigError, DataError
from mlseg.cli import build
from mlseg.cli.judged_run import PARTS
from mlseg.cli.predict_runs import PredictingRun
from mlseg.data.matching import NIFTI_ENDINGS, keep_label_maps, list_files, match_names
from mlseg.data.scan_files import TEST_IMAGES, list_folder, list_given, name_cine_frames
from mlseg.types import CaseFiles


def list_inputs(cfg: DictConfig) -> list[Any]:
    """The words of `input` as they were typed."""
    found = OmegaConf.to_container(cfg)["input"]  # type: ignore[index,call-overload]
    return found if isinstance(found, list) else [found]


def find_inputs(cfg: DictConfig, runs: Sequence[PredictingRun]) -> list[CaseFiles]:
    """The cases to predict, sorted by case id; with their references, where they have some.

    Raises:
        ConfigError: the runs disagree about whose cases are meant.
        DataError: nothing to predict, a channel is missing, or references that fit no case.
    """
    words = [str(word) for word in list_inputs(cfg)]
    if len(words) == 1 and words[0] in PARTS:
        cases = _list_own(words[0], runs)
    else:
        paths = [Path(word).expanduser() for word in words]
        if len(paths) == 1 and paths[0].is_dir():
            cases = _list_below(paths[0], runs[0])
        else:
            cases = [list_given(paths, channels=runs[0].channels)]
    if cfg.references is not None:
        cases = _add_references(cases, str(cfg.references))
    # Sources list a missing reference too, so that a training reports it; here none is needed.
    cases = [case if case.target is None or case.target.is_file() else replace(case, target=None) for case in cases]
    return name_cine_frames(cases)


def _list_own(part: str, runs: Sequence[PredictingRun]) -> list[CaseFiles]:
    """The cases of a part of the runs' split, which must be the same people in all."""
    first = runs[0]
    wanted = set(first.run.parts[part])
    for other in runs[1:]:
        if set(other.run.parts[part]) != wanted:
            raise ConfigError(
                f"input: {part} must be the same subjects in all runs, got others in {other.run.path} than in "
                f"{first.run.path}: one network has seen what another is tested on. Predict with each alone."
            )
    if first.source is None:
        raise DataError(first.lacking)
    cases = [case for case in first.source.list_cases() if case.subject_id in wanted]
    missing = sorted(wanted - {case.subject_id for case in cases})
    if missing or not cases:
        raise DataError(
            f"input: all subjects of {part} must be on disk, got {len(missing)} of {len(wanted)} missing "
            f"({', '.join(missing[:3])}). Give data.root=/where/the/data/is/now."
        )
    return cases


def _list_below(folder: Path, one: PredictingRun) -> list[CaseFiles]:
    """The images of a folder; or, where it holds folders, the cases of a data set in the layout of the run's own."""
    is_flat = (folder / TEST_IMAGES).is_dir() or any(
        path.name.endswith(NIFTI_ENDINGS) for path in folder.iterdir() if path.is_file()
    )
    if is_flat:
        return list_folder(folder, channels=one.channels)
    try:
        return build.build(one.cfg.data.source, root=str(folder)).list_cases()
    except DataError:
        return list_folder(folder, channels=one.channels)


def _add_references(cases: Sequence[CaseFiles], place: str) -> list[CaseFiles]:
    """The cases with the label maps of a place as references, matched by name; some may stay without."""
    files = keep_label_maps(list_files("references", place, NIFTI_ENDINGS))
    pairs = match_names([case.case_id for case in cases], files)
    found = {own: files[other] for own, other in pairs.values()}
    if not found and len(cases) == len(files) == 1 and Path(place).expanduser().is_file():
        found = {cases[0].case_id: next(iter(files.values()))}
    if not found:
        raise DataError(
            f"references: must have files named as the cases, got {next(iter(files))} for {cases[0].case_id}. "
            "Rename one side; only ends such as _gt may differ."
        )
    return [replace(case, target=found.get(case.case_id)) for case in cases]
