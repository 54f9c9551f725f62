"""`mlseg-predict run=DIR input=SCANS output=FOLDER`: a trained run, or the mean of several, on scans of one's own."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from mlseg.checks import ConfigError, DataError, RunError
from mlseg.cli.app import AppInfo, run_app
from mlseg.cli.judged_run import PARTS
from mlseg.cli.predict_cases import find_inputs, list_inputs
from mlseg.cli.predict_help import HELP
from mlseg.cli.predict_preflight import find_predict_problems
from mlseg.cli.predict_runs import PredictingRun, build_member, join_settings, read_runs
from mlseg.data.matching import NIFTI_ENDINGS, strip_ending
from mlseg.data.nifti import NATIVE

if TYPE_CHECKING:
    from mlseg.engine.prediction_job import PredictionJob
    from mlseg.types import CaseFiles

PROG, CONFIG = "mlseg-predict", "predict"


def main() -> None:
    """Entry point of the command line."""
    if any(word in ("--help", "-h", "help") for word in sys.argv[1:]):
        print(HELP, end="")
        return
    # SIGTERM ends it as Ctrl-C does: whole cases stay, and the same command goes on with the next.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_app(predict, config_name=CONFIG, prog=PROG, check=find_predict_problems)


def predict(cfg: DictConfig, info: AppInfo) -> int:
    """One prediction from a checked configuration."""
    runs = read_runs(cfg)
    cases = find_inputs(cfg, runs)
    output, ending = _choose_output(str(cfg.output), cases)
    _announce(cfg, runs, cases)
    job = _build_job(cfg, info, runs, cases, output, ending)
    problems = job.run(cases)
    for line in job.write_tables():
        print(line)
    if problems:
        count = f"{len(problems)} problem{'' if len(problems) == 1 else 's'} in {len(cases)} scans"
        raise DataError("\n".join([f"{count}; all others are predicted. Correct these files:", *problems]))
    _suggest_score(cfg, cases, output, ending)
    return 0


def _build_job(
    cfg: DictConfig,
    info: AppInfo,
    runs: Sequence[PredictingRun],
    cases: Sequence[CaseFiles],
    output: Path,
    ending: str,
) -> PredictionJob:
    from mlseg.data.stored_values import find_label_map, invert_label_map
    from mlseg.engine.prediction_job import PredictionJob
    from mlseg.engine.prediction_record import PredictionRecord
    from mlseg.engine.prediction_writing import PredictionWriter
    from mlseg.engine.provenance import describe_software

    first, labels = runs[0], runs[0].labels
    label_map = find_label_map(first.source, labels, cases[0])
    values = invert_label_map(label_map, labels)
    chosen = cfg.largest_component
    largest = tuple(labels[1:]) if chosen is True else () if chosen is False else _as_words(chosen)
    members, depends = zip(*(build_member(one, cfg) for one in runs), strict=True)
    settings = join_settings(
        depends,
        labels=dict(zip(labels, values, strict=True)),
        channels=list(first.channels),
        largest_component=list(largest),
    )
    facts = {
        "runs": [str(one.run.path) for one in runs],
        "checkpoints": [str(one.checkpoint) for one in runs],
        "overrides": list(info.overrides),
        "device": members[0].inference.compute.describe(),
        "software": describe_software(),
    }
    record_path = output / "predict.json" if not ending else output.with_name(f"{_stem(output)}_predict.json")
    return PredictionJob(
        members=members,
        writer=PredictionWriter(values=values, largest=tuple(labels.index(label) for label in largest)),
        record=PredictionRecord(path=record_path, settings=settings, facts=facts),
        output=output,
        ending=ending,
        save=_as_words(cfg.save),
        labels=labels,
        channels=first.channels,
        label_map=label_map,
    )


def _choose_output(word: str, cases: Sequence[CaseFiles]) -> tuple[Path, str]:
    """The output, and what it ends in if it is a file; "" for a folder. It can be written from here on."""
    output = Path(word).expanduser()
    ending = next((end for end in NIFTI_ENDINGS if output.name.endswith(end)), "")
    if ending and len(cases) > 1:
        raise ConfigError(f"output: must be a folder for {len(cases)} cases, got {word}. Give output={_stem(output)}.")
    folder = output.parent if ending else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".mlseg-predict.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(f"output: {folder} cannot be written ({error.strerror}). Give output=/another/place.") from error
    return output, ending


def _announce(cfg: DictConfig, runs: Sequence[PredictingRun], cases: Sequence[CaseFiles]) -> None:
    count = len(cases)
    what = f"{count} scan{'' if count == 1 else 's'}"
    averaged = f" and {len(runs) - 1} more, averaged" if len(runs) > 1 else ""
    print(f"predicting {what} with {runs[0].run.path}{averaged} ({runs[0].checkpoint.name})")
    own = [str(word) for word in list_inputs(cfg)]
    for one in runs:
        if not one.run.is_done:
            print(f"note: {one.run.path} is not finished: it is {one.run.describe_state()}.")
    if own in (["train"], ["val"]):
        seen = "was trained on these very subjects" if own == ["train"] else "was chosen by these very subjects"
        print(f"note: the network {seen}.")
    if runs[0].source is None:
        print(f"note: label maps hold class indices, for the data set's own values are not known ({runs[0].lacking})")
    if own[0] not in PARTS and any(one.orientation == NATIVE for one in runs):
        print(
            "note: the network sees the scans in the axes that they are stored in (data.source.orientation=native). If "
            "the axes of its training data ran another way, give orientation=<their axis codes>."
        )


def _suggest_score(cfg: DictConfig, cases: Sequence[CaseFiles], output: Path, ending: str) -> None:
    """How what was written can be judged."""
    save = _as_words(cfg.save)
    references = sorted({str(case.target) for case in cases if case.target is not None})
    if not references or ending or "labels" not in save:
        return
    place = str(cfg.references) if cfg.references is not None else "FOLDER_OF_REFERENCES"
    probs = [f"probs={output / 'probs'}"] if "probs_nifti" in save and "probs_npz" not in save else []
    print(f"judge them: {shlex.join(['mlseg-score', f'prediction={output}', f'reference={place}', *probs])}")
    sys.stdout.flush()


def _as_words(value: Any) -> tuple[str, ...]:
    return (str(value),) if isinstance(value, str) else tuple(str(word) for word in value)


def _stem(path: Path) -> str:
    return strip_ending(path.name)


if __name__ == "__main__":
    main()
