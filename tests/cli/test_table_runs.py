"""Training what is missing: once, one sweep per cell, going on after a failure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mlseg.checks import Stopped
from mlseg.cli import train as train_module
from mlseg.cli.table_plan import PlannedCell, TablePlan
from mlseg.cli.table_posthoc import Posthoc, PosthocState
from mlseg.cli.table_runs import (
    build_command,
    calibrate_missing,
    describe_missing,
    describe_refused,
    list_shown,
    train_here,
    train_missing,
)
from mlseg.cli.table_words import find_phantom
from mlseg.records import write_json


def make_cell(row="CE", *, missing=(1,), reason="", words=None, runs=None):
    words = words or ("data=acdc", f"loss={row}")
    return PlannedCell(data="acdc", row=row, words=words, runs=runs or {}, missing=missing, reason=reason)


def make_plan(*cells, phantoms=None):
    settings = {"phantoms": phantoms or {}}
    return TablePlan(
        name="main", profile="quick", table={}, settings=settings, cells={("acdc", cell.row): cell for cell in cells}
    )


def test_only_what_is_missing_is_trained_and_only_once(capsys):
    typed = []
    plan = make_plan(make_cell("CE", missing=(2, 3)), make_cell("LS", missing=()), make_cell("FL", reason="no data"))
    assert train_missing([plan, plan], train=lambda words: typed.append(list(words)) or 0) == 0
    assert typed == [["-m", "data=acdc", "loss=CE", "seed=2,3"]]
    assert "mlseg-train -m data=acdc loss=CE seed=2,3" in capsys.readouterr().out


def test_one_seed_is_no_sweep():
    assert build_command(make_cell(missing=(4,))) == ["data=acdc", "loss=CE", "seed=4"]


def test_a_failure_is_counted_and_the_others_go_on():
    typed = []
    plan = make_plan(make_cell("CE"), make_cell("LS"))
    assert train_missing([plan], train=lambda words: typed.append(words) or int("loss=CE" in words)) == 1
    assert len(typed) == 2


@pytest.mark.parametrize(("code", "stop"), [(130, KeyboardInterrupt), (85, Stopped)])
def test_an_interruption_ends_all_of_it(code, stop):
    typed = []
    with pytest.raises(stop):
        train_missing([make_plan(make_cell("CE"), make_cell("LS"))], train=lambda words: typed.append(words) or code)
    assert len(typed) == 1


def test_the_phantom_is_written_when_it_is_needed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLSEG_DATA", str(tmp_path))
    phantoms = {"acdc": ["subjects=3", "shape=4,40,36"]}
    plan = make_plan(make_cell(), phantoms=phantoms)
    there = []
    place = find_phantom("acdc", plan.settings)
    assert train_missing([plan], train=lambda words: there.append(place.is_dir()) or 0) == 0
    assert there == [True]
    assert place == tmp_path / "phantom_quick" / "acdc"
    assert len(list((place / "training").iterdir())) == 3
    assert [path.name for path in place.parent.iterdir()] == ["acdc"]


def test_training_here_is_what_would_be_typed(monkeypatch):
    seen = []

    def main(code):
        seen.append(list(sys.argv[1:]))
        sys.exit(code)

    typed = list(sys.argv)
    for code in (0, 3):
        monkeypatch.setattr(train_module, "main", lambda code=code: main(code))
        assert train_here(["loss=ce"]) == code
    assert seen == [["loss=ce"]] * 2
    assert sys.argv == typed


def test_why_a_seed_is_missing(tmp_path):
    write_json(tmp_path / "status.json", {"state": "failed", "error": "Trainer: loss is nan. Lower the rate."})
    cell = make_cell(missing=(1, 2), runs={1: tmp_path, 2: tmp_path / "none"})
    assert describe_missing(cell) == "seed 1 failed: Trainer: loss is nan; seed 2 not trained"
    assert describe_missing(make_cell(missing=())) == ""


OPEN, DONE = PosthocState(done=False, reason="not calibrated yet"), PosthocState(done=True)
REFUSED = PosthocState(done=True, reason="no temperature helped, scores as trained", final=True, as_trained=True)


def make_calibrated(row="CE+TS", *, states, missing=(), reason="", tmp_path=None):
    return PlannedCell(
        data="acdc",
        row=row,
        words=("data=acdc", "loss=ce"),
        runs={seed: (tmp_path or Path()) / f"seed{seed}" for seed in (*states, *missing)},
        missing=missing,
        reason=reason,
        method="temperature",
        states=states,
        later=("data.root=d",),
    )


@pytest.fixture
def made(monkeypatch):
    """Which calibrations were made, and with which words; `codes` says how they end."""
    made, codes = [], {}

    def make(self, words, *, call):
        made.append((self.run.name, tuple(words)))
        return codes.get(self.run.name, 0)

    monkeypatch.setattr(Posthoc, "make", make)
    return made, codes


def test_only_what_is_open_is_calibrated_and_only_once(made, capsys):
    cells = [
        make_calibrated(states={1: OPEN, 2: DONE, 3: REFUSED, 4: OPEN}),
        make_calibrated("away", states={5: OPEN}, reason="no data"),
        make_cell("CE", runs={1: Path("seed1")}, missing=()),
    ]
    assert calibrate_missing([make_plan(*cells), make_plan(*cells)]) == 0
    assert made[0] == [("seed1", ("data.root=d",)), ("seed4", ("data.root=d",))]
    assert "calibration 2 of 2, acdc CE+TS, seed 4:" in capsys.readouterr().out


def test_a_failed_calibration_is_counted_and_a_stop_ends_all(made):
    plan = make_plan(make_calibrated(states={1: OPEN, 2: OPEN}))
    made[1]["seed1"] = 1
    assert calibrate_missing([plan]) == 1
    assert len(made[0]) == 2
    for code, stop in ((130, KeyboardInterrupt), (85, Stopped)):
        made[0].clear()
        made[1]["seed1"] = code
        with pytest.raises(stop):
            calibrate_missing([plan])
        assert len(made[0]) == 1


def test_why_a_calibrated_seed_is_missing(tmp_path):
    none = PosthocState(done=False, reason="no validation subject to fit to", final=True)
    assert describe_missing(make_calibrated(states={1: none, 2: none})) == "no validation subject to fit to"
    cell = make_calibrated(states={1: DONE, 2: REFUSED}, missing=(3,), tmp_path=tmp_path)
    assert describe_missing(cell) == "seed 3 not trained"
    cell = make_calibrated(states={1: DONE, 2: OPEN}, missing=(3,), tmp_path=tmp_path)
    assert describe_missing(cell) == (
        "seed 2 not calibrated yet; seed 3 not trained; empty until all trained seeds are calibrated"
    )
    assert describe_missing(make_calibrated(states={1: DONE, 2: DONE})) == ""
    # What is there is not missing, whatever was asked for.
    assert describe_missing(make_calibrated(states={1: DONE}, reason="not asked for")) == ""
    assert describe_missing(make_calibrated(states={1: OPEN}, reason="not asked for")) == "not asked for"


def test_a_calibrated_cell_shows_all_trained_seeds_or_none():
    assert list_shown(make_calibrated(states={1: DONE, 2: REFUSED}, missing=(3,))) == (1, 2)
    assert list_shown(make_calibrated(states={1: DONE, 2: OPEN, 3: REFUSED})) == ()
    # Without a calibrator nothing waits for anything.
    assert list_shown(make_cell(runs={1: Path("a"), 2: Path("b")}, missing=(2,))) == (1,)


def test_refused_seeds_are_named_where_they_are_shown():
    cells = [
        make_calibrated(states={1: REFUSED, 2: DONE, 3: REFUSED}),
        make_calibrated("MbLS+TS", states={1: REFUSED, 2: OPEN}),
        make_calibrated("LS+TS", states={1: DONE}),
    ]
    assert describe_refused(cells) == "acdc CE+TS, seeds 1, 3: no temperature helped, scores as trained."
