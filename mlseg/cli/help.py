"""What `--help` says: what the command does, what can be chosen, what to type, where the results go."""

from __future__ import annotations

from pathlib import Path

from mlseg.cli.compose import find_config_dir, read_yaml

ABOUT = {
    "train": "trains a segmentation network, then judges its best checkpoint on the test split.",
    "evaluate": "judges a run again: other subjects, protocol or weights. Its first results are left as they are.",
    "calibrate": "fits a calibrator to a trained run on its validation subjects. The network is left as it is.",
    "doctor": "tells whether a data set is all right, and what a training will need. Changes nothing.",
}
# What must be given.
NEEDED = {"evaluate": "run=DIR ", "calibrate": "run=DIR "}
SETTINGS = {
    "evaluate": (
        ("run=DIR", "the directory of the run, whose own settings are the base"),
        ("part=test", "test, val or train"),
        ("split=null", "null: as the run recorded it; or a split file, random, kfold, loso;"),
        ("", "unseen: all on disk that the run was neither trained on nor validated with"),
        ("checkpoint=best", "best, last, or the path of a checkpoint"),
        ("calibrator=none", "none, auto (fitted by mlseg-calibrate), or the path of a calibrator"),
        ("evaluation.<setting>=", "changes that one, e.g. evaluation.default.bins=20"),
        ("data.root=", "where the data is now; likewise data.cache_dir=, trainer.device="),
        ("name=, output=", "the folder's name below DIR/evaluations, or another folder"),
        ("allow_seen_subjects=true", "judge subjects that the run was trained on or validated with"),
        ("allow_changed_data=true", "judge files that the run knew with another content"),
    ),
    "calibrate": (
        ("run=DIR", "the directory of the run, whose own settings are the base"),
        ("method=temperature", "temperature, class_temperature, vector or isotonic"),
        ("region=image", "voxels that are fitted: image, foreground or boundary"),
        ("part=val", "val; train needs allow_training_subjects=true"),
        ("split=null", "null: as the run recorded it; or a split file"),
        ("checkpoint=best", "best, last, or the path of a checkpoint"),
        ("max_voxels=1000000", "voxels that are fitted, of all cases; more are drawn from evenly"),
        ("sample_seed=0", "seed of that draw"),
        ("output=null", "the file; null: calibrator.json beside the checkpoint"),
        ("evaluation.<setting>=", "changes how predictions are made and scored"),
        ("data.root=", "where the data is now; likewise data.cache_dir=, trainer.device="),
        ("allow_training_subjects=true", "fit to subjects that the run was trained on"),
        ("allow_changed_data=true", "fit to files that the run knew with another content"),
    ),
    "doctor": (
        ("data.root=DIR", "where the data set lies"),
        ("data.<setting>=", "as for a training: data.split=, data.crop=, data.source.subject_pattern=, ..."),
        ("data.workers=4", "processes that read; all cores if it is left out"),
        ("--json", "print one JSON object and nothing else"),
    ),
}
EXAMPLES = {
    "train": (
        ("experiment=demo", "the newcomer's first run, on the phantom"),
        ("loss=mbls data.root=/my/ACDC", "margin-based label smoothing on your ACDC"),
        ("loss=mbls loss.margin=5 seed=2", "another margin, another seed"),
        ("-m loss=mbls loss.margin=3,5,8,10", "a sweep; a stopped one goes on where it was"),
        ("--cfg job loss=mbls", "every setting with its value, nothing is run"),
    ),
    "evaluate": (
        ("run=DIR part=val", "the validation part"),
        ("run=DIR checkpoint=last evaluation=paper", "the last epoch, under the authors' definitions first"),
        ("run=DIR evaluation.default.bins=20", "ECE with 20 bins"),
        ("run=DIR split=unseen data.root=/my/other/ACDC", "all new subjects of another folder"),
        ("-m run=DIR1,DIR2 part=val", "several runs"),
        ("--cfg job run=DIR", "every setting with its value, nothing is run"),
    ),
    "calibrate": (
        ("run=DIR", "temperature scaling"),
        ("run=DIR method=vector output=vector.json", "another method, into another file"),
        ("-m run=DIR1,DIR2", "several runs"),
        ("--cfg job run=DIR", "every setting with its value, nothing is run"),
    ),
    "doctor": (
        ("data=acdc data.root=/my/ACDC", "your ACDC under its usual split"),
        ("data=msd data.root=/my/Task04_Hippocampus", "classes and channels from its dataset.json"),
        ("data=brats data.split=kfold data.fold=2", "the subjects of one fold"),
        ("data=acdc --json > report.json", "for a program"),
    ),
}
RESULTS = {
    "train": "outputs/<data>/<model>/<loss>/<what differs>/seed<k>: scores.csv, run.json, checkpoints, TensorBoard.\n"
    "The same command goes on where it was, or says that it is done.",
    "evaluate": "DIR/evaluations/<what differs from the run's own>: scores.csv, summary.md, run.json, figures.\n"
    "The same command gives the same scores.",
    "calibrate": "scores before and after, of subjects that each fit has not seen; then calibrator.json beside the\n"
    "checkpoint, for mlseg-evaluate and mlseg-predict with calibrator=auto. Where the NLL gets worse, nothing is\n"
    "written and the exit status is 1.",
    "doctor": "layout, counts, grids, classes, split, disk and memory, then what is wrong.\n"
    "Exit status: 0 without problems (warnings are none), 1 with, 2 for a mistake in the command.\n"
    "--json has the keys version, data, name, root; layout, cases, cases_read, subjects, frames, groups, channels,\n"
    "classes, shape, spacing_mm, orientations, corner_distance_mm, split, needs; problems and warnings (kind, text,\n"
    "cases); seconds, processes; case_list. Axes are (d, h, w), sizes in bytes; what is not known is null.",
}
OPTIONS = (
    ("-m", "run every combination of values separated by commas"),
    ("--cfg job", "print the configuration (--resolve fills references in)"),
    ("--config-dir DIR", "compose from your own configs too"),
    ("-sc install=bash", "completion for your shell: eval the output"),
    ("--version", "print the version"),
)


def format_help(prog: str, config_name: str, *, typed: str = "") -> str:
    """The help text of one command.

    Args:
        prog: its name.
        config_name: what it composes, e.g. "train".
        typed: how it is typed here, if not by its name.
    """
    typed = typed or prog
    folder = find_config_dir()
    lines = [f"{prog} {ABOUT[config_name]}" if config_name in ABOUT else prog, ""]
    lines += [
        f"usage: {typed} [-m] {NEEDED.get(config_name, '')}[group=choice ...] [setting=value ...]",
        "",
    ]
    standard = _read_defaults(folder / f"{config_name}.yaml")
    lines += ["Groups and choices (* is the default):" if any(standard.values()) else "Groups and choices:"]
    width = max(map(len, standard), default=0) + 2
    for group, choice in standard.items():
        names = sorted(path.stem for path in (folder / group).glob("*.yaml"))
        lines.append(f"  {group:<{width}}{', '.join(f'*{name}' if name == choice else name for name in names)}")
    lines += ["", "Settings:", *_align(SETTINGS[config_name])] if config_name in SETTINGS else []
    examples = EXAMPLES.get(config_name, ())
    lines += ["", "Examples:", *_align([(f"{typed} {words}", what) for words, what in examples])] if examples else []
    lines += ["", "Options:", *_align(OPTIONS)]
    lines += (
        ["", "Results:", *(f"  {line}" for line in RESULTS[config_name].splitlines())] if config_name in RESULTS else []
    )
    return "\n".join(lines)


def _align(rows: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows) + 2
    return [f"  {left:<{width}}{right}" for left, right in rows]


def _read_defaults(path: Path) -> dict[str, str | None]:
    """Group -> default choice, as the primary config lists them."""
    entries = read_yaml(path).get("defaults", [])
    pairs = [next(iter(entry.items())) for entry in entries if isinstance(entry, dict)]
    return {key.removeprefix("optional "): choice for key, choice in pairs if not key.startswith("override ")}
