"""Rows that are calibrated after the training: whose runs they are, and what is left to do of them."""

from __future__ import annotations

import pytest

from mlseg.checks import ConfigError
from mlseg.cli import table_plan
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import compose_config, open_session
from mlseg.cli.naming import claim
from mlseg.cli.table_commands import CALIBRATE, Ended
from mlseg.cli.table_plan import TABLES, plan_table, read_named
from mlseg.cli.table_posthoc import FILES
from mlseg.records import write_json


@pytest.fixture
def plan(workplace):
    def call(name="posthoc", **options):
        with open_session("test"):
            return plan_table(name, "paper", **options)

    return call


def finish(cell, seed):
    """Write what a finished run with a validation subject leaves."""
    cfg = complete_config(compose_config(cell.words).cfg.copy())
    cfg.seed = seed
    folder = cell.runs[seed]
    folder.mkdir(parents=True)
    for name in ("scores.csv", "bins.npz", "views.npz", "best.pt"):
        (folder / name).write_text("")
    write_json(folder / "run.json", {"split": {"name": "random-0", "val": ["p3"]}})
    write_json(folder / "status.json", {"state": "done", "epoch": cfg.trainer.max_epochs})
    write_json(folder / "claim.json", claim(cfg))


@pytest.fixture
def shorten_tables(monkeypatch):
    """Tables of these rows and data sets alone: composing all cells takes seconds."""

    def call(*rows, data=("acdc",), **more):
        def read_less(group, name):
            found = read_named(group, name)
            if group != TABLES:
                return found
            posthoc = {row: method for row, method in found.get("posthoc", {}).items() if row in rows}
            own = {row: words for row, words in found["rows"].items() if row in rows}
            return {**found, "data": list(data), "rows": own, "posthoc": posthoc, **more}

        monkeypatch.setattr(table_plan, "read_named", read_less)

    return call


def test_a_calibrated_row_has_the_runs_of_the_row_that_it_calibrates(plan, shorten_tables):
    shorten_tables("CE", "CE+TS", "MbLS", "MbLS+TS", data=["brats"])
    found = plan().cells
    for name in ("CE", "MbLS"):
        own, calibrated = found["brats", name], found["brats", f"{name}+TS"]
        assert (own.runs, own.words) == (calibrated.runs, calibrated.words)
        assert (own.method, calibrated.method) == ("", "temperature")
    assert plan("main").cells["brats", "MbLS"].runs == found["brats", "MbLS+TS"].runs


def test_what_is_trained_is_to_be_calibrated(plan, shorten_tables):
    shorten_tables("CE", "CE+TS")
    cells = plan().cells
    for seed in (1, 2):
        finish(cells["acdc", "CE"], seed)
    cells = plan().cells
    cell = cells["acdc", "CE+TS"]
    assert (cell.missing, cell.uncalibrated, cell.ready) == ((3,), (1, 2), ())
    assert cell.later == ("data.root=data/raw/acdc",)
    assert cells["acdc", "CE"].ready == (1, 2)
    posthoc = cell.find_posthoc(2)
    assert posthoc.make((), call=leave_files(posthoc)) == 0
    # Nobody to fit to: that is no work that is left to do.
    write_json(cell.runs[1] / "run.json", {"split": {"name": "own", "val": []}})
    cell = plan().cells["acdc", "CE+TS"]
    assert (cell.uncalibrated, cell.ready) == ((), (2,))


def leave_files(posthoc):
    """Stands for mlseg-calibrate and mlseg-evaluate."""

    def call(prog, words):
        if prog == CALIBRATE:
            write_json(posthoc.calibrator, {})
        else:
            posthoc.scores.mkdir(parents=True)
            for name in FILES:
                (posthoc.scores / name).write_text("")
            record = {"calibrator": {"method": posthoc.method}, "split": {"part": "test"}}
            write_json(posthoc.scores / "run.json", record)
        return Ended(code=0)

    return call


def test_what_a_later_command_needs_goes_with_it(plan, shorten_tables):
    shorten_tables("CE+TS")
    extra = ("data.cache_dir=c", "trainer.device=cpu", "data.root='my data, old'", "trainer.max_epochs=3")
    finish(plan(extra=extra).cells["acdc", "CE+TS"], 1)
    cell = plan(extra=extra).cells["acdc", "CE+TS"]
    assert cell.later == ("data.root='my data, old'", "data.cache_dir=c", "trainer.device=cpu")
    assert cell.reason == "no data at my data, old"


def test_calibrating_needs_the_data_and_nothing_else(plan, shorten_tables, workplace):
    shorten_tables("CE", "CE+TS", data=["brats"])
    finish(plan(seeds=(1,)).cells["brats", "CE"], 1)
    (workplace / "data" / "raw" / "brats").rmdir()
    found = plan(seeds=(1,)).cells
    assert found["brats", "CE"].reason == ""
    assert found["brats", "CE+TS"].reason == "no data at data/raw/brats"
    shorten_tables("CE", "CE+TS", data=["brats", "acdc"])
    assert plan(seeds=(1,), data=("acdc",)).cells["brats", "CE+TS"].reason == "not asked for"


@pytest.mark.parametrize("wrong", [{"CE+PS": "temperature"}, {"CE": "platt"}])
def test_a_table_that_calibrates_what_it_has_not_is_refused(plan, shorten_tables, wrong):
    shorten_tables("CE", posthoc=wrong)
    with pytest.raises(ConfigError, match=r"table/main\.yaml: posthoc must map rows .* to one of temperature, .* got"):
        plan("main")
