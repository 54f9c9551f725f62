"""What a person reads at the end of a run."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from mlseg.report.console import print_summary
from mlseg.report.definitions import describe_score
from mlseg.report.summary import summarise

COMMANDS = {
    "Open TensorBoard": "tensorboard --logdir outputs/phantom/unet/mbls/margin=5/seed1",
    "Train with another margin": "python train.py experiment=demo loss.margin=10 " + "trainer.max_epochs=100 " * 3,
}


def show(scores, width=80, run_dir=Path("outputs/[seed1]"), **options):
    out = io.StringIO()
    console = Console(file=out, width=width, **options)
    settings = {"bins": 20}
    rows = summarise(scores)
    print_summary(rows, headline="paper", run_dir=run_dir, commands=COMMANDS, settings=settings, console=console)
    return out.getvalue()


def test_headline_comes_first_and_both_are_named(make_scores):
    text = show(make_scores())
    assert text.index("evaluation=paper (headline)") < text.index("evaluation=default (for comparison)")


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_and_keep_every_score(make_scores, width):
    text = show(make_scores(), width)
    assert all(len(line) <= width for line in text.splitlines() if "python train.py" not in line)
    for name in ("Dice ", "HD (mm)", "HD95 (mm)", "HD (voxel)", "ECE ", "CECE "):
        assert re.search(f"^{re.escape(name)}", text, re.MULTILINE)
    assert "…" not in text


def test_numbers_are_those_of_the_summary(make_scores):
    rows = summarise(make_scores())
    cells = {row.label: row for row in rows if (row.evaluation, row.metric, row.frame) == ("default", "hd95", "")}
    line = next(line for line in show(make_scores(), 120).splitlines() if line.startswith("HD95 (mm)"))
    expected = [f"{cells[label].mean:.2f}" for label in ("RV", "Myo", "LV")]
    mean = cells["mean"]
    assert line.split() == [
        *("HD95", "(mm)", "image", *expected, f"{mean.mean:.2f}", "±", f"{mean.std:.2f}", "8", "(16)", "1", "/", "0")
    ]


def test_many_labels_get_a_line_each(make_scores):
    text = show(make_scores(("liver", "left_kidney", "right_kidney", "spleen", "pancreas")))
    assert re.search(r"^Dice +image +left_kidney +0\.", text, re.MULTILINE)
    assert all(len(line) <= 80 for line in text.splitlines() if "python train.py" not in line)


def test_definitions_follow_the_protocol_and_its_settings(make_scores):
    text = " ".join(show(make_scores()).split())
    assert describe_score("paper", "hd") in text
    assert describe_score("default", "ece", {"bins": 20}) in text
    assert "20 equal bins" in text
    assert "15 equal bins" not in text


def test_undefined_values_are_told(make_scores):
    assert "Left out as undefined, in cases: Dice: Myo 2; HD: Myo 2; HD95: Myo 2." in " ".join(
        show(make_scores()).split()
    )


def test_undefined_values_of_several_regions_are_told_apart(make_score):
    nan = float("nan")
    case = {"evaluation": "merged", "metric": "ece", "value": nan}
    scores = [make_score(label=label, region=region, **case) for region in ("image", "roi") for label in ("WT", "ET")]
    text = " ".join(show([*scores, make_score(label="ET", evaluation="merged", value=nan)]).split())
    assert "Left out as undefined, in cases: Dice: ET 1; ECE (image): WT 1, ET 1; ECE (roi): WT 1, ET 1." in text


def test_places_and_commands_can_be_copied(make_scores, tmp_path):
    run_dir = tmp_path / "run[1]"
    run_dir.mkdir()
    (run_dir / "figures").mkdir()
    for name in ("scores.csv", "figures/ece_bins.png", "figures/other.png"):
        (run_dir / name).touch()
    text = show(make_scores(), run_dir=run_dir)
    assert f"\n{run_dir}\n" in text
    assert "scores.csv" in text
    assert re.search(r"figures/ece_bins\.png +ECE and CECE against the number of bins", text)
    assert not {"best.pt", "figures/cases.png", "other.png"} & set(text.split())
    for command in COMMANDS.values():
        assert f"  {command.rstrip()}" in text


def test_a_pipe_gets_plain_text_and_a_terminal_colour(make_scores):
    assert "\x1b" not in show(make_scores())
    assert "\x1b[1" in show(make_scores(), force_terminal=True, color_system="standard")


def test_an_ascii_terminal_is_spared_other_signs(make_scores):
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=100)
    rows = summarise(make_scores())
    print_summary(rows, headline="default", run_dir=Path("run"), commands={}, console=console)
    console.file.flush()
    assert b"+/-" in raw.getvalue()
