"""`mlseg-doctor data=brats data.root=/my/BraTS`: is my download all right? Looks at everything and changes nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.checks import DataError

# Worker processes import this module: Hydra and all that is heavy come in where they are needed.
if TYPE_CHECKING:
    from omegaconf import DictConfig

    from mlseg.cli.app import AppInfo
    from mlseg.data.inspection import CaseFacts
    from mlseg.data.inspection_findings import Finding
    from mlseg.data.splits import Split
    from mlseg.types import CaseFiles, CaseSource

PROG, CONFIG, JSON = "mlseg-doctor", "doctor", "--json"
# Of a report about a data set that can't even be listed these are null.
_UNKNOWN = (
    "layout",
    "cases",
    "cases_read",
    "subjects",
    "frames",
    "groups",
    "channels",
    "classes",
    "shape",
    "spacing_mm",
    "orientations",
    "corner_distance_mm",
    "split",
    "needs",
    "case_list",
)


def main() -> None:
    """Entry point of the command line."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Do what the words say; returns the exit status."""
    from mlseg.cli.app import App, run_command

    task = partial(examine, as_json=JSON in words)
    typed = f"python {sys.argv[0]}" if sys.argv[0].endswith(".py") else ""
    app = App(
        task=task,
        config_name=CONFIG,
        prog=PROG,
        typed=typed,
        check=find_doctor_problems,
        # The same for all; with it, Hydra's sweeper, which leaves a file behind, stays out.
        find_base=lambda _: CONFIG,
    )
    return run_command(app, [word for word in words if word != JSON])


def find_doctor_problems(cfg: DictConfig, choices: Mapping[str, str]) -> list[str]:
    """What a training would say against the settings of the data set, before it looks at a file."""
    from mlseg.cli.compose import compose_config
    from mlseg.cli.preflight import find_config_problems

    if "data" not in choices:
        return ["data: there must be one, got none. Give data=... (see --help)."]
    training = compose_config([f"data={choices['data']}"])
    whole = training.cfg.copy()
    whole.data = cfg.data
    # What is wrong with dataset.json is told as the data set's problem, with the path first.
    return [problem for problem in find_config_problems(whole, training.choices) if problem.startswith("data.")]


def examine(cfg: DictConfig, info: AppInfo, *, as_json: bool = False) -> int:
    """Look at a data set and print what was found.

    Returns:
        1 if there is a problem, else 0.
    """
    from mlseg.cli.doctor_report import format_report

    report = build_report(cfg, choice=info.choices["data"])
    if as_json:
        print(json.dumps(report, ensure_ascii=False, indent=2, allow_nan=False))
    else:
        print(format_report(report))
    return 1 if report["problems"] else 0


def build_report(cfg: DictConfig, *, choice: str) -> dict[str, Any]:
    """All that is found, as plain values.

    Args:
        cfg: the composed and completed configuration.
        choice: the chosen data set, e.g. "acdc".
    """
    from mlseg.cli.build import build
    from mlseg.data.inspection_findings import Finding
    from mlseg.data.inspection_summary import VERSION

    started = time.perf_counter()
    data = cfg.data
    root = str(Path(data.root).expanduser())
    report: dict[str, Any] = {"version": VERSION, "data": choice, "name": data.name, "root": root}
    problems: list[Finding] = []
    warnings: list[Finding] = []
    found: dict[str, Any] = dict.fromkeys(_UNKNOWN)
    processes = 0
    try:
        source = build(data.source)
        files = source.list_cases()
    except DataError as error:
        problems = [Finding(kind="layout", text=text) for text in str(error).splitlines()]
    else:
        split, problems = _resolve_split(data, files)
        facts, processes = _inspect(data, source, files)
        found |= _summarise(data, source, files, facts, split)
        more, warnings = _judge(data, facts, source, split, found["needs"])
        problems += more
    cases = found.pop("case_list")
    return {
        **report,
        **found,
        "problems": [asdict(finding) for finding in problems],
        "warnings": [asdict(finding) for finding in warnings],
        "seconds": round(time.perf_counter() - started, 2),
        "processes": processes,
        "case_list": cases,
    }


def _resolve_split(data: DictConfig, files: Sequence[CaseFiles]) -> tuple[Split | None, list[Finding]]:
    from mlseg.data.inspection_findings import Finding
    from mlseg.data.splits import DEFAULT_FOLDS, resolve_split

    try:
        split = resolve_split(
            data.split,
            files,
            fractions=tuple(data.split_fractions),
            seed=data.split_seed,
            fold=data.get("fold", 0),
            folds=data.get("folds", DEFAULT_FOLDS),
        )
    except DataError as error:
        return None, [Finding(kind="split", text=text) for text in str(error).splitlines()]
    return split, []


def _inspect(data: DictConfig, source: CaseSource, files: Sequence[CaseFiles]) -> tuple[list[CaseFacts], int]:
    """The facts of all cases, and how many processes found them."""
    from mlseg.cli.build import build_preprocessing
    from mlseg.data.inspection import Inspector, count_processes, inspect_cases

    inspector = Inspector(
        source=source,
        preprocessing=build_preprocessing(data),
        crop=tuple(data.crop),
        skip_blank=data.get("skip_blank", False),
    )
    return inspect_cases(inspector, files, workers=data.workers), count_processes(data.workers, len(files))


def _summarise(
    data: DictConfig,
    source: CaseSource,
    files: Sequence[CaseFiles],
    facts: Sequence[CaseFacts],
    split: Split | None,
) -> dict[str, Any]:
    from mlseg.data.inspection_summary import summarise_cases, summarise_needs

    root, cache_dir = Path(data.root).expanduser(), Path(data.cache_dir)
    kept = tuple(size + 2 * data.get("crop_jitter", 0) for size in data.crop)
    needs = summarise_needs(facts, split, crop=kept, channels=len(source.channels), cache_dir=cache_dir)
    return {**summarise_cases(files, facts, source, root=root, split=split), "needs": needs}


def _judge(
    data: DictConfig, facts: Sequence[CaseFacts], source: CaseSource, split: Split | None, needs: Mapping[str, Any]
) -> tuple[list[Finding], list[Finding]]:
    from mlseg.data.inspection_rules import find_shortages, judge
    from mlseg.data.splits import KFOLD, LOSO

    problems, warnings = judge(facts, source, split, crop=tuple(data.crop), folded=data.split in (KFOLD, LOSO))
    return problems, [*warnings, *find_shortages(needs, data.residency)]


if __name__ == "__main__":
    main()
