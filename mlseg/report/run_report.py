"""The report of one run from its own files: summary on the screen, summary.md, reliability.png."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from mlseg.records import read_json, read_scores
from mlseg.report.bins_file import count_cases, pool_bins, read_run_bins
from mlseg.report.console import print_summary
from mlseg.report.definitions import SETTINGS
from mlseg.report.figures import draw_reliability
from mlseg.report.markdown import write_summary
from mlseg.report.summary import summarise


def report_run(run_dir: Path) -> None:
    """Draw the reliability diagram of the headline protocol, write summary.md and print the summary.

    Args:
        run_dir: a run directory with scores.csv, bins.npz and run.json.

    Raises:
        RunError: one of them cannot be read.
    """
    record = read_json(run_dir / "run.json")
    config, headline = record["config"], record["protocols"][0]
    rows = summarise(read_scores(run_dir / "scores.csv"))
    settings = {name: config["evaluation"]["default"][name] for name in SETTINGS}
    write_summary(run_dir / "summary.md", rows, headline=headline, settings=settings)
    bins = read_run_bins(run_dir)
    for evaluation in dict.fromkeys(key.evaluation for key in bins):
        name = "reliability.png" if evaluation == headline else f"reliability_{evaluation}.png"
        title = f"{config['data']['name']}, {config['loss']['_target_'].rsplit('.', 1)[-1]}, evaluation {evaluation}"
        pooled, cases = pool_bins(bins, evaluation=evaluation), count_cases(bins, evaluation=evaluation)
        # The paper's protocol has no such setting: its authors took 15.
        counted = config["evaluation"][evaluation].get("bins", 15)
        draw_reliability(pooled, run_dir / name, title=title, bins=counted, n_cases=cases)
    commands = suggest_commands(config, run_dir)
    print_summary(rows, headline=headline, run_dir=run_dir, commands=commands, settings=settings)


def suggest_commands(config: dict[str, Any], run_dir: Path) -> dict[str, str]:
    """What to do next -> the command that does it."""
    data = config["data"]["name"]
    commands = {
        "watch the curves and images": f"tensorboard --logdir {shlex.quote(str(run_dir))}",
        "train longer": f"... trainer.max_epochs={2 * config['trainer']['max_epochs']}",
    }
    if data == "phantom":
        commands["train on real ACDC"] = "python train.py loss=mbls model=unet data=acdc data.root=/path/to/ACDC"
    else:
        commands["compare with plain cross-entropy"] = f"python train.py loss=ce data={data}"
    commands["sweep the margin"] = f"python train.py -m loss=mbls loss.margin=3,5,8,10 data={data}"
    return commands
