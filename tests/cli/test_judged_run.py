"""What an evaluation reads of a run, and what it says of folders that are none."""

from __future__ import annotations

import json

import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.cli.judged_run import read_run, read_seen
from mlseg.records import write_json


def test_the_records_of_a_finished_run(make_run):
    run = read_run(str(make_run("loss=mbls")))
    assert run.config["loss"]["margin"] == 10.0
    assert run.choices["loss"] == "mbls"
    assert (run.split, run.state, run.is_done, run.epoch, run.best_epoch) == ("random-0", "done", True, 3, 2)
    assert run.parts == {"train": ("p1", "p2"), "val": ("p3",), "test": ("p4", "p5")}
    assert run.cases["p4_ES"] == ("p4", "hash-p4-ES")
    assert run.seen() == {"p1": "train", "p2": "train", "p3": "val"}


def test_an_unfinished_run_has_no_best_epoch_to_be_held_to(make_run):
    run = read_run(str(make_run(state="running")))
    assert (run.is_done, run.epoch, run.best_epoch, run.choices) == (False, None, None, {})
    assert run.describe_state() == "running"


def test_a_finished_run_that_goes_on_has_none_either(make_run):
    folder = make_run()
    write_json(folder / "status.json", {"state": "running", "epoch": 5})
    run = read_run(str(folder))
    assert (run.best_epoch, run.describe_state()) == (None, "running, with 5 epochs")


def test_a_run_from_before_its_cases_were_recorded(make_run):
    folder = make_run()
    for name in ("cases.json", "data.json"):
        (folder / name).unlink()
    run = read_run(str(folder))
    assert run.cases == {}
    assert run.parts["val"] == ("p3",)


def test_the_record_holds_the_configuration_too(make_run):
    folder = make_run("loss=fl")
    (folder / "config.yaml").unlink()
    assert read_run(str(folder)).config["loss"]["gamma"] == 3.0


def test_checkpoints_by_name_and_by_path(make_run, workplace):
    folder = make_run()
    run = read_run("run")
    assert run.find_checkpoint("best") == run.path / "best.pt"
    assert run.find_checkpoint("last") == run.path / "last.pt"
    assert run.find_checkpoint("last.pt") == run.path / "last.pt"
    (workplace / "copy.pt").write_bytes(b"")
    assert run.find_checkpoint("copy.pt").resolve() == workplace / "copy.pt"
    with pytest.raises(
        ConfigError, match=r"checkpoint: must be best, last or a file, got 'bset'\. Did you mean best\?"
    ):
        run.find_checkpoint("bset")
    (folder / "best.pt").unlink()
    with pytest.raises(RunError, match=r"best\.pt: must be there, got nothing; the run is done, with 3 epochs\."):
        run.find_checkpoint("best")


def test_folders_that_are_no_run(make_run, workplace):
    make_run(name="seed1")
    (workplace / "seed1" / "evaluations" / "val").mkdir(parents=True)
    (workplace / "seed1" / "evaluations" / "val" / "run.json").write_text("{}")
    (workplace / "empty").mkdir()
    for place, message in {
        None: "must be the directory of a run, got nothing",
        3: "must be the directory of a run, got 3",
        "seed2": r"no such folder 'seed2'\. Did you mean seed1\?",
        "nowhere/at/all": r"no such folder 'nowhere/at/all'\. Give run=outputs/",
        "seed1/last.pt": r"must be a directory, got the file 'seed1/last\.pt'\. Give run=seed1\.",
        "seed1/evaluations/val": r"must be a run, got an evaluation of one, 'seed1/evaluations/val'\. Give run=seed1\.",
        ".": r"must be the directory of a run, got '\.', which holds seed1\. Give one of them",
        "empty": r"must be the directory of a run, with its config\.yaml, got 'empty'",
    }.items():
        with pytest.raises(ConfigError, match=f"run: {message}"):
            read_run(place)


def test_a_run_that_never_came_to_its_data(make_run):
    folder = make_run(state="failed")
    (folder / "data.json").unlink()
    with pytest.raises(RunError, match="the run never came to its data"):
        read_run(str(folder))


def test_a_damaged_record_is_named(make_run):
    folder = make_run()
    (folder / "data.json").write_text("{")
    with pytest.raises(RunError, match=r"data\.json: must be a JSON file"):
        read_run(str(folder))


def test_who_a_checkpoint_from_elsewhere_was_trained_on(make_run, workplace):
    assert read_seen(make_run()) == {"p1": "train", "p2": "train", "p3": "val"}
    assert read_seen(workplace) is None


def test_reading_writes_nothing(make_run):
    folder = make_run()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    read_run(str(folder)).find_checkpoint("best")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert json.loads((folder / "status.json").read_text())["state"] == "done"
