"""`mlseg-score prediction=FOLDER reference=FOLDER`: have predictions from elsewhere judged."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.checks import ConfigError
from mlseg.cli.score_options import HELP, PROG, SETTINGS, read_options

if TYPE_CHECKING:
    from mlseg.data.saved_files import SavedSet
    from mlseg.data.saved_labels import LabelNames
    from mlseg.metrics.default import DefaultEvaluation
    from mlseg.metrics.paper import PaperEvaluation


def main() -> None:
    """Console script: judge, or print one line for each problem and exit with 1 or 2."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    scored = Path(os.environ.get("MLSEG_OUTPUTS", "outputs")) / "scored"
    if any(argument in ("--help", "-h", "help") for argument in arguments):
        print(HELP.format(output=scored), end="")
        return 0
    # What imports more comes in here, so that --help answers at once.
    from mlseg.cli.errors import Reporter

    with Reporter(prog=PROG, outermost=True) as reporter:
        options = read_options(arguments)
        output = options.pop("output", None) or scored / name_predictions(options)
        _score(options, output, arguments)
        sys.stdout.flush()
    return reporter.code


def _score(options: dict[str, Any], output: Path, words: Sequence[str]) -> None:
    from mlseg.data.saved_files import find_cases

    places = {name: options.get(name) for name in ("prediction", "probs", "image", "subject")}
    found = find_cases(reference=options["reference"], **places, missing=options.get("missing", "error"))
    # torch comes in once the files have been found.
    from mlseg.data.predictions import MIN_AGREEMENT, SavedReader
    from mlseg.data.saved_labels import name_labels
    from mlseg.engine.provenance import describe_software
    from mlseg.engine.saved_scoring import SavedJudge, check_output, describe_probs, judge_cases, write_verdicts
    from mlseg.report.judgement import Judgement, report_judgement

    record = {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
    check_output(output, record)
    near = [options.get(name) for name in ("prediction", "probs", "reference")]
    names = name_labels(options.get("labels"), near=near, cases=found.cases)
    protocols = _build_protocols(options, names.labels)
    print(f"{_count(found.cases, 'case')}, labels {', '.join(names.labels)} ({names.source}).", *found.notes, sep="\n")
    reader = SavedReader(
        labels=names.labels, label_map=names.label_map, min_agreement=options.get("agreement", MIN_AGREEMENT)
    )
    verdicts = judge_cases(
        SavedJudge(reader=reader, protocols=protocols), found.cases, workers=options.get("workers", 1)
    )
    about = [*describe(options, found, names), *describe_probs(verdicts)]
    facts = {"labels": list(names.labels), "labels_from": names.source, "n_cases": len(verdicts), "about": about}
    write_verdicts(output, verdicts, {**record, **facts, "software": describe_software()})
    judgement = Judgement(
        title=name_predictions(options),
        about=" ".join([*about, "score.json has every file."]),
        protocols=tuple(options["evaluation"]),
        labels=names.labels,
        settings={name: options[name] for name in SETTINGS if name in options},
        bins={name: options["bins"] for name in options["evaluation"] if name != "paper" and "bins" in options},
    )
    report_judgement(output, judgement, commands=suggest_commands(options, found, words))


def _build_protocols(
    options: Mapping[str, Any], labels: tuple[str, ...]
) -> tuple[DefaultEvaluation | PaperEvaluation, ...]:
    from mlseg.metrics.score import build_protocol

    settings = {name: options[name] for name in SETTINGS if name in options}
    try:
        return tuple(
            build_protocol(
                name,
                labels,
                merged=options["merged"] if name == "merged" else None,
                settings={} if name == "paper" else settings,
            )
            for name in options["evaluation"]
        )
    except ConfigError as error:
        # The protocols speak to who configures a training.
        raise ConfigError(str(error).replace("data.merged_labels", "merged")) from error


def name_predictions(options: Mapping[str, Any]) -> str:
    """What the predictions are called: as their folder or file, or the last fixed part of a pattern.

    Example:
        >>> name_predictions({"prediction": "runs/preds/*_seg.nii.gz"}), name_predictions({"probs": "a.nii.gz"})
        ('preds', 'a')
    """
    place = Path(options.get("prediction") or options["probs"]).expanduser().absolute()
    fixed = [part for part in place.parts if not re.search(r"[*?\[]", part)]
    return re.sub(r"\.(nii|nii\.gz|npz)$", "", fixed[-1]) if len(fixed) > 1 else "predictions"


def describe(options: Mapping[str, Any], found: SavedSet, names: LabelNames) -> list[str]:
    """What was judged, a sentence each."""
    judged = "prediction" if "prediction" in options else "probs"
    people = _count({case.subject_id for case in found.cases}, "subject")
    what = f"{_count(found.cases, 'case')} of {people}, labels {', '.join(names.labels)} ({names.source})."
    about = [f"`{options[judged]}` against `{options['reference']}`: {what}", *found.notes]
    if judged == "probs":
        about.append("Judged is the most probable class.")
    if any(case.probs is None for case in found.cases):
        about.append("No probabilities were given, so calibration is not judged.")
    elif "probs" in options:
        about.append(f"Calibration is that of the probabilities in `{options['probs']}`.")
    else:
        about.append("Calibration is that of nnU-Net's probabilities (.npz) beside the label maps.")
    if "paper" in options["evaluation"]:
        about.append(
            "evaluation=paper looks at the whole image here; the authors' code looks at the training crop, which saved "
            "predictions do not tell."
        )
    return about


def suggest_commands(options: Mapping[str, Any], found: SavedSet, words: Sequence[str]) -> dict[str, str]:
    """What to do next -> the command that does it."""
    from mlseg.cli.programs import find_typed

    def type_again(*more: str) -> str:
        kept = [word for word in words if word.partition("=")[0] not in [one.partition("=")[0] for one in more]]
        return shlex.join([*find_typed(PROG), *kept, *more])

    commands = {}
    if any(case.probs is None for case in found.cases):
        commands["judge calibration too"] = type_again("probs=FOLDER_OF_PROBABILITIES")
        commands["have nnU-Net save them"] = "nnUNetv2_predict ... --save_probabilities"
    if "image" not in options:
        commands["draw the cases on their images"] = type_again("image=FOLDER_OF_IMAGES")
    if "paper" not in options["evaluation"]:
        several = ",".join([*options["evaluation"], "paper"])
        commands["stand beside the MbLS paper's numbers"] = type_again(f"evaluation=[{several}]")
    return {**commands, "see what else can be written": shlex.join([*find_typed(PROG), "--help"])}


def _count(things: Collection[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


if __name__ == "__main__":
    main()
