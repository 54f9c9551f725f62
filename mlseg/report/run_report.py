"""The report of one run from its own files: summary on the screen, summary.md, reliability.png."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.records import read_json, read_scores
from mlseg.report.bins_file import count_cases, pool_bins, read_run_bins, score_pooled
from mlseg.report.console import print_summary
from mlseg.report.definitions import SETTINGS
from mlseg.report.figures import draw_reliability
from mlseg.report.markdown import write_summary
from mlseg.report.summary import PLAIN_MEANS, summarise


@dataclass(frozen=True, kw_only=True)
class Programs:
    """How the programs are called where the reader sits, for commands that can be typed as they are printed."""

    train: tuple[str, ...] = ("mlseg-train",)
    tensorboard: tuple[str, ...] = ("tensorboard",)


def report_run(run_dir: Path, *, programs: Programs | None = None) -> None:
    """Draw the reliability diagram of each protocol, write summary.md and print the summary.

    Args:
        run_dir: a run directory with scores.csv, bins.npz and run.json.
        programs: how to call what is suggested next.

    Raises:
        RunError: one of them cannot be read.
    """
    record = read_json(run_dir / "run.json")
    config, headline = record["config"], record["protocols"][0]
    rows = summarise(read_scores(run_dir / "scores.csv"))
    settings = {name: config["evaluation"]["default"][name] for name in SETTINGS}
    bins = read_run_bins(run_dir)
    # The paper's protocol has no such setting: its authors took 15, and they did not pool.
    count = {evaluation: config["evaluation"][evaluation].get("bins", 15) for evaluation in record["protocols"]}
    pooled = {name: score_pooled(bins, evaluation=name, count=count[name]) for name in count if name not in PLAIN_MEANS}
    about = describe_run(record, run_dir)
    write_summary(run_dir / "summary.md", rows, headline=headline, settings=settings, pooled=pooled, about=about)
    choices = record["choices"]
    for evaluation in record["protocols"]:
        draw_reliability(
            pool_bins(bins, evaluation=evaluation),
            run_dir / ("reliability.png" if evaluation == headline else f"reliability_{evaluation}.png"),
            title=f"{choices['data']}, {choices['model']}, {choices['loss']}; evaluation={evaluation}",
            bins=count[evaluation],
            n_cases=count_cases(bins, evaluation=evaluation),
        )
    commands = suggest_commands(record, run_dir, programs=programs or Programs())
    print_summary(rows, headline=headline, run_dir=run_dir, commands=commands, settings=settings)


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
