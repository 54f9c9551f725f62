"""Which runs of a sweep have nothing left to do."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass, field

import pytest

from mlseg.checks import DataError
from mlseg.cli import build
from mlseg.cli.done_runs import DoneRuns, is_complete, is_held
from mlseg.cli.naming import claim, run_directory
from mlseg.engine.run_directory import RunDirectory
from mlseg.records import write_json

RESULTS = ("scores.csv", "run.json", "bins.npz", "views.npz")


@dataclass
class FakeData:
    found: dict[str, list[str]] = field(default_factory=lambda: {"p1_ED": ["p1", "hash"]})

    def facts(self):
        return {"fingerprint": "f", "train": ("p1",)}

    def cases(self):
        return self.found


@pytest.fixture
def asked(monkeypatch):
    """How often the data was looked at."""
    calls = []
    monkeypatch.setattr(build, "build_data", lambda cfg: calls.append(cfg) or FakeData())
    return calls


@pytest.fixture
def job(compose, asked):
    """A run that is done, and its configuration."""
    one = compose("loss=mbls", "trainer.max_epochs=3")
    folder = run_directory(one.cfg, one.choices)
    folder.mkdir(parents=True)
    for name in RESULTS:
        (folder / name).write_text("x")
    write_json(folder / "status.json", {"state": "done", "epoch": 3})
    write_json(folder / "claim.json", claim(one.cfg))
    write_json(folder / "data.json", {"fingerprint": "f", "train": ["p1"]})
    write_json(folder / "cases.json", FakeData().cases())
    return one, folder


def has(one):
    return DoneRuns().has(one.cfg, one.choices)


def test_a_run_that_is_done(job):
    assert has(job[0])


@pytest.mark.parametrize("name", [*RESULTS, "status.json", "claim.json", "data.json", "cases.json"])
def test_a_file_that_is_missing(job, name):
    (job[1] / name).unlink()
    assert not has(job[0])


@pytest.mark.parametrize("name", ["status.json", "claim.json", "data.json", "cases.json"])
def test_a_file_that_cannot_be_read_or_says_something_else(job, name):
    kept = json.loads((job[1] / name).read_text())
    for text in ("{", "[]", "{}", json.dumps({**kept, **dict.fromkeys(kept, "other")})):
        (job[1] / name).write_text(text)
        assert not has(job[0])


def test_another_configuration_or_more_epochs(job, compose):
    (job[1] / "claim.json").write_text(json.dumps({**claim(job[0].cfg), "loss.margin": 3}))
    assert not has(job[0])
    write_json(job[1] / "claim.json", claim(job[0].cfg))
    assert has(compose("loss=mbls", "trainer.max_epochs=2"))
    assert not has(compose("loss=mbls", "trainer.max_epochs=4"))
    assert not has(compose("loss=ce", "trainer.max_epochs=3"))


def test_other_files_or_files_that_cannot_be_used(job, monkeypatch):
    monkeypatch.setattr(build, "build_data", lambda cfg: FakeData({"p1_ED": ["p1", "changed"]}))
    assert not has(job[0])

    def fail(cfg):
        raise DataError("a file is damaged.")

    monkeypatch.setattr(build, "build_data", fail)
    assert not has(job[0])


def test_the_data_is_looked_at_once_and_only_for_runs_that_may_be_done(job, compose, asked):
    done = DoneRuns()
    for _ in range(2):
        assert done.has(job[0].cfg, job[0].choices)
    assert len(asked) == 1
    other = compose("loss=mbls", "trainer.max_epochs=9")
    assert not DoneRuns().has(other.cfg, other.choices)
    assert len(asked) == 1


def test_complete_is_all_epochs_and_all_results(job):
    run = RunDirectory(job[1])
    assert is_complete(run, 3)
    assert not is_complete(run, 4)
    write_json(job[1] / "status.json", {"state": "running", "epoch": 3})
    assert not is_complete(run, 3)


def test_a_directory_is_held_as_long_as_its_lock(tmp_path):
    assert not is_held(tmp_path / "nowhere")
    assert not is_held(tmp_path)
    with open(tmp_path / ".lock", "w") as lock:
        assert not is_held(tmp_path)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
