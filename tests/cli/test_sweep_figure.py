"""The figure at the end of a sweep over one number."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from mlseg.cli import sweep_figure
from mlseg.cli.done_runs import DoneRuns
from mlseg.cli.jobs import AppInfo, JobResult
from mlseg.cli.naming import run_directory
from mlseg.cli.sweep_figure import draw_figure, find_folder, find_swept, is_current, tell_figure
from mlseg.cli.sweep_table import SweepRun
from mlseg.records import read_json, write_json
from mlseg.report import figure_trend


@pytest.fixture
def make(compose, write_run):
    """A run of a sweep with its words: `make("loss.margin=3", "seed=2")`; `code` None means that it did not end."""

    def call(*words, code=0, there=True, lift=0.0, **options):
        one = compose("loss=mbls", *words)
        folder = run_directory(one.cfg, one.choices)
        if there:
            margin = one.cfg.loss.margin
            own = {"loss": "mbls", "shift": margin / 1000 + lift, "settings": {"loss.margin": margin}}
            write_run(folder, seed=one.cfg.seed, **own, **options)
        info = AppInfo(choices=one.choices, overrides=words, multirun=True, prog="it")
        result = None if code is None else JobResult(cfg=one.cfg, info=info, code=code, error="")
        return SweepRun(folder=folder, own=" ".join(words), cfg=one.cfg, choices=one.choices, result=result)

    return call


def train(write_run, cfg, info):
    """What is left of a run by a task that trains."""
    folder, margin = run_directory(cfg, info.choices), cfg.loss.margin
    write_run(folder, loss="mbls", shift=margin / 1000, settings={"loss.margin": margin})
    write_json(folder / "run.json", {**read_json(folder / "run.json"), "protocols": ["default", "paper"]})


def find(*runs):
    return find_swept(runs, [run.own.split() for run in runs])


def read_points(stem):
    with open(stem.with_suffix(".csv"), newline="") as file:
        return list(csv.DictReader(file))


def test_one_number_beside_the_seed(make):
    runs = [make(f"loss.margin={m}", f"seed={s}", there=False) for m in (8, 3) for s in (1, 2)]
    found = find(*runs)
    assert (found.key, found.values) == ("loss.margin", (8, 8, 3, 3))


@pytest.mark.parametrize(
    "words",
    [
        [["seed=1"], ["seed=2"]],
        [["loss.margin=3", "optimizer.lr=0.1"], ["loss.margin=5", "optimizer.lr=0.2"]],
        [["model.norm=batch"], ["model.norm=instance"]],
        [["trainer.deterministic=true"], ["trainer.deterministic=false"]],
        [["model.widths=[8,16,32]"], ["model.widths=[8,16,64]"]],
        [["trainer.clip_norm=null"], ["trainer.clip_norm=1"]],
    ],
    ids=lambda words: words[0][0],
)
def test_other_sweeps_have_no_figure(make, words):
    assert find(*[make(*own, there=False) for own in words]) is None


def test_points_of_the_runs_that_are_done(make):
    runs = [make(f"loss.margin={m}", f"seed={s}") for m in (10, 3) for s in (1, 2)]
    runs += [make("loss.margin=20", code=1), make("loss.margin=30", code=None), make("loss.margin=40", there=False)]
    stem = draw_figure(find(*runs))
    assert stem.parent.parent == Path("outputs/acdc/unet/mbls/sweeps")
    assert stem.parent.name.startswith("loss.margin-3-10-20-30-40-")
    assert {path.name for path in stem.parent.iterdir()} == {"trend.png", "trend.pdf", "trend.csv"}
    rows = read_points(stem)
    assert list(dict.fromkeys(row["value"] for row in rows)) == ["3", "10"]
    wanted = [("dice", "image"), ("hd95", "image"), ("ece", "foreground"), ("ece", "image")]
    assert [(row["metric"], row["region"]) for row in rows[:4]] == wanted
    assert float(rows[4]["mean"]) - float(rows[0]["mean"]) == pytest.approx(0.007)
    assert (rows[0]["n_subjects"], rows[0]["n_seeds"], rows[0]["evaluation"]) == ("8", "2", "default")
    assert rows[0]["runs"] == ";".join(run.folder.as_posix() for run in runs[2:4])


def test_fewer_than_two_values_draw_nothing(make):
    runs = [make("loss.margin=3", f"seed={s}") for s in (1, 2)] + [make("loss.margin=5", code=1)]
    assert draw_figure(find(*runs)) is None
    assert not Path("outputs/acdc/unet/mbls/sweeps").exists()


def test_all_points_are_of_the_seeds_that_every_value_has(make, monkeypatch):
    told = []
    build = figure_trend.build_trend
    monkeypatch.setattr(
        figure_trend, "build_trend", lambda *a, about, **o: told.append(about) or build(*a, about=about, **o)
    )
    # What is left out differs by much more than the margin does.
    runs = [make("loss.margin=3", "seed=1"), make("loss.margin=3", "seed=2", lift=0.1), make("loss.margin=5", "seed=1")]
    stem = draw_figure(find(*runs))
    rows = [row for row in read_points(stem) if row["metric"] == "dice"]
    assert [(row["n_seeds"], row["runs"]) for row in rows] == [("1", runs[k].folder.as_posix()) for k in (0, 2)]
    assert float(rows[1]["mean"]) - float(rows[0]["mean"]) == pytest.approx(0.002)
    assert told == ["8 test subjects (16 cases), 1 seed; left out, because not every value has it: seed 2."]
    draw_figure(find(*runs))
    assert len(told) == 1
    # The caption names what is left out: another run of that kind is drawn anew.
    later = stem.with_suffix(".csv").stat().st_mtime_ns + 10**9
    os.utime(runs[1].folder / "scores.csv", ns=(later, later))
    draw_figure(find(*runs))
    assert len(told) == 2


def test_values_without_a_common_seed_draw_nothing(make):
    assert draw_figure(find(make("loss.margin=3", "seed=1"), make("loss.margin=5", "seed=2"))) is None


def test_who_is_tested_may_not_change(make):
    assert draw_figure(find(make("loss.margin=3"), make("loss.margin=5", first=3))) is None


def test_the_headline_protocol_is_drawn(make):
    runs = [make(f"loss.margin={m}") for m in (3, 5)]
    for run in runs:
        record = read_json(run.folder / "run.json")
        write_json(run.folder / "run.json", {**record, "protocols": ["paper", "default"]})
    rows = read_points(draw_figure(find(*runs)))
    assert [row["evaluation"] for row in rows[:4]] == ["paper"] * 4
    assert [(row["metric"], row["unit"]) for row in rows[1:4]] == [("hd95", "voxel"), ("ece", "1"), ("cece", "1")]


def test_what_is_up_to_date_is_left_alone(make, monkeypatch):
    runs = [make(f"loss.margin={m}") for m in (3, 5)]
    drawn = []
    write = sweep_figure._write
    monkeypatch.setattr(sweep_figure, "_write", lambda *args, **more: drawn.append(1) or write(*args, **more))
    first = draw_figure(find(*runs))
    assert draw_figure(find(*runs)) == first
    assert drawn == [1]
    later = (first.with_suffix(".csv")).stat().st_mtime_ns + 10**9
    os.utime(runs[0].folder / "scores.csv", ns=(later, later))
    draw_figure(find(*runs))
    assert drawn == [1, 1]


def test_other_runs_or_a_lost_file_are_not_up_to_date(make):
    runs = [make(f"loss.margin={m}") for m in (3, 5)]
    stem = draw_figure(find(*runs))
    folders = [run.folder for run in runs]
    assert is_current(stem, folders)
    later = stem.with_suffix(".csv").stat().st_mtime_ns
    another = make("loss.margin=8").folder
    for name in ("scores.csv", "run.json"):
        os.utime(another / name, ns=(0, 0))
    assert not is_current(stem, [*folders, another])
    assert not is_current(stem, folders[:1])
    os.utime(stem.with_suffix(".png"), ns=(later, later))
    stem.with_suffix(".csv").write_bytes(b"\xff\xfe")
    assert not is_current(stem, folders)
    stem.with_suffix(".pdf").unlink()
    assert not is_current(stem, folders)


def test_sweeps_over_other_values_keep_their_own(make):
    three, five, eight = (make(f"loss.margin={m}", there=False) for m in (3, 5, 8))
    folders = [find_folder(find(three, five)), find_folder(find(three, five, eight))]
    assert folders[0] != folders[1]
    assert find_folder(find(five, three)) == folders[0]
    again = [make(f"loss.margin={m}", "seed=2", there=False) for m in (3, 5)]
    assert find_folder(find(*again)) not in folders


def test_places_that_have_nothing_in_common(make):
    runs = [make(f"loss.margin={m}", f"run_dir={place}", there=False) for m, place in ((3, "a/x"), (5, "b/y"))]
    swept = find_swept(runs, [[f"loss.margin={m}"] for m in (3, 5)])
    assert find_folder(swept).parent == Path("outputs/sweeps")


def test_one_line_says_where_it_is(make, capsys):
    runs = [make(f"loss.margin={m}") for m in (3, 5)]
    tell_figure(runs, [run.own.split() for run in runs], prog="mlseg-train")
    out, err = capsys.readouterr()
    (line,) = out.splitlines()
    assert line.startswith("Scores against loss.margin: outputs/acdc/unet/mbls/sweeps/loss.margin-3-5-")
    assert line.endswith("/trend.png (also .pdf and .csv)")
    assert err == ""


def test_what_goes_wrong_is_one_line(make, capsys, monkeypatch):
    runs = [make(f"loss.margin={m}") for m in (3, 5)]
    (runs[0].folder / "scores.csv").write_text("x")
    tell_figure(runs, [run.own.split() for run in runs], prog="mlseg-train")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mlseg-train: figure of the sweep: outputs/acdc/unet/mbls/margin-3/seed1/scores.csv: columns")
    assert len(err.splitlines()) == 1

    def fail(*args):
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(sweep_figure, "draw_figure", fail)
    tell_figure(runs, [run.own.split() for run in runs], prog="mlseg-train")
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "figure of the sweep: internal error: ZeroDivisionError" in err


def test_a_sweep_ends_with_its_figure_and_its_own_code(run, write_run, monkeypatch):
    def task(cfg, info):
        return 3 if cfg.loss.margin == 8 else train(write_run, cfg, info)

    answer = run("-m", "loss=mbls", "loss.margin=3,5,8", task=task)
    assert answer.code == 1
    last = answer.out.splitlines()[-1]
    assert last.startswith("Scores against loss.margin: outputs/acdc/unet/mbls/sweeps/loss.margin-3-5-8-")
    assert Path(last.split(": ")[1].split(" (")[0]).stat().st_size > 5000
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: cfg.loss.margin < 8)
    assert run("-m", "loss=mbls", "loss.margin=3,5", task=task).code == 0
    monkeypatch.setattr(sweep_figure, "draw_figure", lambda swept: 1 / 0)
    broken = run("-m", "loss=mbls", "loss.margin=3,5", task=task)
    assert broken.code == 0
    assert "ZeroDivisionError" in broken.err[-1]


def test_a_sweep_that_is_stopped_has_no_figure(run, write_run, monkeypatch):
    def task(cfg, info):
        if cfg.loss.margin == 8:
            raise KeyboardInterrupt
        train(write_run, cfg, info)

    assert run("-m", "loss=mbls", "loss.margin=3,5", "seed=1", task=task).code == 0
    monkeypatch.setattr(DoneRuns, "has", lambda self, cfg, choices: cfg.loss.margin < 8)
    answer = run("-m", "loss=mbls", "loss.margin=3,5,8", task=task)
    assert answer.code == 130
    assert "2 done already, 1 not started" in answer.out
    assert "Scores against" not in answer.out
