"""The report of one run from its own files: summary on the screen, summary.md, figures."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.checks import RunError
from mlseg.records import read_json
from mlseg.report.bins_file import BINS_NAME
from mlseg.report.definitions import SETTINGS
from mlseg.report.judgement import USUAL_BINS, Judgement, report_judgement

# What a report takes from run.json.
_NEEDED = (
    *("choices", "config", "protocols", "split", "best_epoch", "history", "overrides"),
    *("can_grow", "can_change_loss"),
)


@dataclass(frozen=True, kw_only=True)
class Programs:
    """How the programs are called where the reader sits, for commands that can be typed as they are printed."""

    train: tuple[str, ...] = ("mlseg-train",)
    tensorboard: tuple[str, ...] = ("tensorboard",)


def report_run(run_dir: Path, *, programs: Programs | None = None) -> None:
    """Draw the figures of a run, write summary.md and print the summary.

    Args:
        run_dir: a run directory with scores.csv, bins.npz and run.json, and views.npz for the figure of cases.
        programs: how to call what is suggested next.

    Raises:
        RunError: one of them cannot be read.
    """
    record = read_json(run_dir / "run.json")
    lacking = [key for key in _NEEDED if key not in record]
    if lacking:
        raise RunError(f"{run_dir / 'run.json'}: must hold {lacking[0]}, got none. Restore it, or remove it and go on.")
    if not (run_dir / BINS_NAME).is_file():
        raise RunError(f"{run_dir / BINS_NAME}: must be a file of histograms, got none. Evaluate the run again.")
    commands = suggest_commands(record, run_dir, programs=programs or Programs())
    report_judgement(run_dir, build_judgement(record, run_dir), commands=commands)


def build_judgement(record: dict[str, Any], run_dir: Path) -> Judgement:
    """What run.json says of a run, for its report.

    Args:
        record: run.json.
        run_dir: where it was.
    """
    choices, protocols = record["choices"], record["config"]["evaluation"]
    return Judgement(
        title=f"{choices['data']}, {choices['model']}, {choices['loss']}",
        about=describe_run(record, run_dir),
        protocols=tuple(record["protocols"]),
        labels=tuple(protocols["default"]["labels"]),
        settings={name: protocols["default"][name] for name in SETTINGS},
        # The paper's protocol has no such setting: its authors took 15.
        bins={name: protocols.get(name, {}).get("bins", USUAL_BINS) for name in record["protocols"]},
    )


def describe_run(record: dict[str, Any], run_dir: Path) -> str:
    """Which run the scores are from, in a sentence."""
    choices, config, split = record["choices"], record["config"], record["split"]
    what = ", ".join(f"{group} {choices[group]}" for group in ("data", "model", "loss"))
    epochs = f"epoch {record['best_epoch']} of {len(record['history'])} by {config['evaluation']['checkpoint_score']}"
    people = f"{len(split['test'])} test subjects of split {split['name']}"
    return f"Run `{run_dir}`: {what}, seed {config['seed']}; {epochs}; {people}. run.json has every setting."


def suggest_commands(record: dict[str, Any], run_dir: Path, *, programs: Programs) -> dict[str, str]:
    """What to do next -> the command that does it, as it can be typed here.

    Args:
        record: run.json.
        run_dir: where it was.
    """
    choices, longer = record["choices"], 2 * record["config"]["trainer"]["max_epochs"]
    place = ("run_dir=", "run_name=")

    def train(*words: str, without: tuple[str, ...] = ()) -> str:
        kept = [word for word in record["overrides"] if not word.startswith(without)]
        return shlex.join([*programs.train, *kept, *words])

    commands = {"open TensorBoard": shlex.join([*programs.tensorboard, "--logdir", str(run_dir)])}
    if record["can_grow"]:
        commands["train longer, from here on"] = train(f"trainer.max_epochs={longer}", without=("trainer.max_epochs=",))
    if choices["loss"] == "mbls":
        commands["sweep the margin"] = train("loss.margin=3,5,8,10", "-m", without=("loss.margin=", *place))
    if record["can_change_loss"] and choices["loss"] != "ce":
        commands["compare with cross-entropy"] = train("loss=ce", without=("loss", *place))
    if choices["data"] == "phantom":
        quick = [*programs.train, "experiment=acdc_quick", "data.root=/path/to/ACDC"]
        commands["train on real ACDC"] = shlex.join(quick)
    return commands
