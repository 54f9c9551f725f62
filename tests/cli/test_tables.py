"""`mlseg-tables` from the words to the files, without training; one slow test trains."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.cli import table_posthoc, table_runs, tables
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.naming import claim
from mlseg.cli.table_commands import CALIBRATE, Ended
from mlseg.cli.table_plan import plan_table
from mlseg.cli.table_posthoc import Posthoc
from mlseg.cli.tables import Options, build_spec, read_options, run
from mlseg.functional.bins_file import write_bins
from mlseg.functional.views_file import write_views
from mlseg.records import read_json, write_json


@pytest.fixture
def finish(workplace, write_run):
    """Leave the files of finished runs of some rows of a quick table."""

    def call(rows, *, seeds=(1, 2), table="penalty"):
        with open_session("test"):
            plan = plan_table(table, "quick", seeds=seeds)
        for (_, row), cell in plan.cells.items():
            for seed in seeds if row in rows else ():
                cfg = complete_config(compose_config(cell.words).cfg.copy())
                cfg.seed = seed
                folder = write_run(cell.runs[seed], seed=seed, shift=0.1 * row.startswith("linear"))
                write_json(folder / "status.json", {"state": "done", "epoch": cfg.trainer.max_epochs})
                write_json(folder / "claim.json", claim(cfg))
                write_bins(folder / "bins.npz", {})
                write_views(folder / "views.npz", [])
                (folder / "best.pt").write_bytes(b"weights")
        return plan

    return call


ROWS = ("linear, m = 3", "quadratic, m = 3")


def test_what_is_there_is_written_without_training(finish, monkeypatch, capsys):
    plan = finish(ROWS)
    monkeypatch.setattr(table_runs, "train_here", lambda words: pytest.fail("nothing is to be trained"))
    assert run(["penalty", "profile=quick", "seeds=1,2", "train=false"]) == 0
    assert "penalty: 12 runs, 4 done, 8 to train" in capsys.readouterr().out
    drawn = {path.name for path in Path("figures").iterdir()}
    assert drawn >= {"penalty_quick_acdc_differences.pdf", "penalty_quick_acdc_differences.png"}
    text = Path("tables/penalty_quick.md").read_text()
    assert "Profile quick: synthetic phantoms" in text
    assert "8 test subjects (16 cases), 2 seeds." in text
    assert re.search(r"\| linear, m = 3 - quadratic, m = 3 +\| (\*\*)?\+0\.1\d\d \[", text)
    assert "seed 1 not trained; seed 2 not trained" in text
    own = [row for row in read_csv("tables/penalty_quick.csv") if row["method"] == ROWS[0]]
    assert {row["runs"] for row in own} == {";".join(str(p) for p in plan.cells["acdc", ROWS[0]].runs.values())}


def test_only_what_is_missing_is_trained(finish, monkeypatch):
    finish(ROWS)
    typed = []
    monkeypatch.setattr(table_runs, "train_here", lambda words: typed.append(list(words)) or 0)
    monkeypatch.setattr(table_runs, "_write_phantom", lambda data, plan: None)
    assert run(["penalty", "profile=quick", "seeds=1,2", "write=tables"]) == 0
    assert len(typed) == 4
    assert not any("loss.margin=3" in words for words in typed)
    assert all(words[0] == "-m" and words[-1] == "seed=1,2" for words in typed)
    assert not Path("figures").exists()


def test_a_failed_training_is_told(finish, monkeypatch):
    finish(ROWS)
    monkeypatch.setattr(table_runs, "train_here", lambda words: 1)
    monkeypatch.setattr(table_runs, "_write_phantom", lambda data, plan: None)
    assert run(["penalty", "profile=quick", "seeds=1,2"]) == 1
    assert Path("tables/penalty_quick.md").is_file()


def test_a_cell_of_two_configurations_names_the_key(finish):
    plan = finish(ROWS)
    place = plan.cells["acdc", ROWS[0]].runs[2] / "run.json"
    record = read_json(place)
    record["config"]["optimizer"] = {"lr": 0.5}
    write_json(place, record)
    with open_session("test"):
        plan = plan_table("penalty", "quick", seeds=(1, 2))
    with pytest.raises(RunError, match=r"penalty, acdc, linear, m = 3: .* optimizer\.lr nothing and 0\.5"):
        build_spec(plan, command="")


@pytest.fixture
def programs(monkeypatch, write_run):
    """Stand for mlseg-calibrate and mlseg-evaluate: what was typed; scores are better by 0.05 with the calibrator."""
    typed = []

    def call(prog, words):
        typed.append((prog, words))
        run = Path(words[0].removeprefix("run="))
        own = Posthoc(run=run, method="temperature")
        if prog == CALIBRATE and "mbls" in str(run) and run.name == "seed2":
            return Ended(code=1, message="calibrator: NLL of it must not get worse. Leave it.")
        if prog == CALIBRATE:
            write_json(own.calibrator, {"parameters": 2})
        else:
            write_run(own.scores, seed=int(run.name.removeprefix("seed")), shift=0.05)
            write_bins(own.scores / "bins.npz", {})
            write_views(own.scores / "views.npz", [])
            write_json(own.scores / "run.json", {"calibrator": {"method": "temperature"}, "split": {"part": "test"}})
        return Ended(code=0)

    monkeypatch.setattr(table_posthoc, "call_here", call)
    return typed


def read_csv(name):
    with open(name, newline="") as file:
        return list(csv.DictReader(file))


def test_a_calibrated_row_shows_the_scores_of_its_own_evaluation(finish, programs, monkeypatch, capsys):
    plan = finish(("CE", "MbLS"), table="posthoc")
    monkeypatch.setattr(table_runs, "train_here", lambda words: 0)
    monkeypatch.setattr(table_runs, "_write_phantom", lambda data, plan: None)
    words = ["posthoc", "profile=quick", "seeds=1,2", "write=tables"]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert "posthoc: 6 runs, 4 done, 2 to train, 6 to calibrate" in out
    assert "posthoc: 6 runs, 4 done, 2 to train, 2 to calibrate" in out
    assert [prog for prog, _ in programs] == ["mlseg-calibrate", "mlseg-evaluate"] * 3 + ["mlseg-calibrate"]
    rows = read_csv("tables/posthoc_quick.csv")
    dice = {row["method"]: row for row in rows if (row["evaluation"], row["metric"]) == ("default", "dice")}
    runs = list(plan.cells["acdc", "CE"].runs.values())
    assert dice["CE"]["runs"] == ";".join(map(str, runs))
    assert dice["CE+TS"]["runs"] == ";".join(str(path / "evaluations" / "posthoc-temperature") for path in runs)
    assert float(dice["CE+TS"]["mean"]) - float(dice["CE"]["mean"]) == pytest.approx(0.05)
    text = Path("tables/posthoc_quick.md").read_text()
    assert "acdc MbLS+TS, seed 2: no temperature helped, scores as trained." in text
    assert "acdc MbLS+TS (" not in text
    # Seed 1 is better by 0.05, seed 2 is the run's own: both seeds on both sides.
    own = list(plan.cells["acdc", "MbLS"].runs.values())
    assert dice["MbLS+TS"]["runs"] == f"{own[0] / 'evaluations' / 'posthoc-temperature'};{own[1]}"
    assert float(dice["MbLS+TS"]["mean"]) - float(dice["MbLS"]["mean"]) == pytest.approx(0.025)
    assert "TS: temperature scaling" in text
    assert re.search(r"\| CE\+TS - CE +\| (\*\*)?\+0\.050 \[", text)
    programs.clear()
    assert run(words) == 0
    assert programs == []
    assert "2 to train, 2 to calibrate" in capsys.readouterr().out
    scores = runs[1] / "evaluations" / "posthoc-temperature" / "scores.csv"
    scores.unlink()
    assert run([*words, "train=false"]) == 0
    assert programs == []
    text = Path("tables/posthoc_quick.md").read_text()
    assert "acdc CE+TS (seed 2 not calibrated yet; empty until all trained seeds are calibrated)" in text
    assert "CE+TS - CE" not in text
    assert not [row for row in read_csv("tables/posthoc_quick.csv") if row["method"] == "CE+TS" and row["mean"]]
    assert run(words) == 0
    assert [prog for prog, _ in programs] == ["mlseg-evaluate"]
    assert scores.is_file()


def test_a_failed_calibration_is_told(finish, monkeypatch):
    finish(("CE",), table="posthoc")
    monkeypatch.setattr(table_runs, "train_here", lambda words: 0)
    monkeypatch.setattr(table_runs, "_write_phantom", lambda data, plan: None)
    monkeypatch.setattr(table_posthoc, "call_here", lambda prog, words: Ended(code=1, message="raw: gone. Get it."))
    assert run(["posthoc", "profile=quick", "seeds=1,2", "write=tables"]) == 1
    text = Path("tables/posthoc_quick.md").read_text()
    assert "acdc CE+TS (calibration failed: raw: gone)" in text


def test_words_become_options():
    options = read_options(
        ["main", "margin", "data=acdc brats", "seeds=", "train=false", "write=figures", "tables=t", "optimizer.lr=0.1"]
    )
    assert options == Options(
        names=("main", "margin"),
        data=("acdc", "brats"),
        train=False,
        write=("figures",),
        tables=Path("t"),
        extra=("optimizer.lr=0.1",),
    )
    # An empty DATA or SEEDS of the Makefile is none.
    assert read_options(["profile=", "data=", "seeds="]) == Options()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seeds=a", "seeds: must be like"),
        ("write=pdf", "write: must be"),
        ("train=no", "train: must be"),
        ("-x", "-x: no"),
    ],
)
def test_words_that_cannot_be_read(word, said):
    with pytest.raises(ConfigError, match=said):
        read_options([word])


def test_mistakes_are_one_line(workplace, capsys):
    for words in (["mian"], ["main", "profile=fast"], ["penalty", "profile=quick", "optimizer.lrr=1"]):
        assert run(words) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert run(["--help"]) == 0
    assert "backbones, main, margin, penalty, posthoc" in capsys.readouterr().out
    assert tables.PROFILE == "paper"


@pytest.mark.slow
def test_a_second_call_trains_nothing_and_a_lost_file_costs_one_run(workplace, monkeypatch, capfd):
    words = ["penalty", "profile=quick", "trainer.max_epochs=1"]
    assert run(words) == 0
    capfd.readouterr()
    monkeypatch.setattr(table_runs, "train_here", lambda words: pytest.fail("nothing is to be trained"))
    start = time.perf_counter()
    assert run(words) == 0
    assert time.perf_counter() - start < 20
    monkeypatch.undo()
    monkeypatch.chdir(workplace)
    scores = sorted(Path("outputs").rglob("scores.csv"))
    before = {path: path.stat().st_mtime_ns for path in scores}
    weights = scores[0].parent / "best.pt"
    trained = weights.stat().st_mtime_ns
    text = scores[0].read_bytes()
    scores[0].unlink()
    assert run(words) == 0
    assert scores[0].read_bytes() == text
    assert weights.stat().st_mtime_ns == trained
    assert [path for path in scores if path.stat().st_mtime_ns != before[path]] == [scores[0]]
    assert "sweep 1 of 1" in capfd.readouterr().out
