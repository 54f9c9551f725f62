"""Which calibrator a word means."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.cli.judged_calibrator import find_calibrator, place_calibrator, read_used
from mlseg.engine.calibrator import Calibrator, write_calibrator


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "best.pt"


def write(path: Path, **facts) -> None:
    write_calibrator(path, Calibrator("temperature", {"temperature": 2.0}, labels=("background", "LV")), **facts)


def test_each_checkpoint_has_a_file_of_its_own():
    names = [place_calibrator(Path("run") / name).name for name in ("best.pt", "last.pt", "epoch7.pt")]
    assert names == ["calibrator.json", "calibrator_last.json", "calibrator_epoch7.json"]


def test_none_is_none(checkpoint):
    assert find_calibrator("none", checkpoint) is None
    assert find_calibrator(None, checkpoint) is None
    assert read_used("none", checkpoint) is None


def test_auto_is_the_one_beside_the_checkpoint(checkpoint):
    with pytest.raises(
        RunError, match=r"calibrator.json: must be there for calibrator=auto, got nothing. Fit it first"
    ):
        find_calibrator("auto", checkpoint)
    write(checkpoint.with_name("calibrator.json"))
    assert find_calibrator("auto", checkpoint) == checkpoint.with_name("calibrator.json")


def test_a_file_is_looked_for_here_and_beside_the_checkpoint(checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(checkpoint.with_name("mine.json"))
    assert find_calibrator("mine.json", checkpoint) == checkpoint.with_name("mine.json")
    write(tmp_path / "mine.json")
    assert find_calibrator("mine.json", checkpoint) == Path("mine.json")
    with pytest.raises(ConfigError, match=r"calibrator: must be none, auto or a file, got 'atuo'. Did you mean auto\?"):
        find_calibrator("atuo", checkpoint)
    with pytest.raises(ConfigError, match=r"got 'gone.json'. Correct the path"):
        find_calibrator("gone.json", checkpoint)


def test_what_is_used_says_what_it_is_and_whom_it_has_seen(checkpoint):
    path = checkpoint.with_name("calibrator.json")
    write(path, fitted_on={"cases": {"p3_ED": ["p3", "h1"], "p3_ES": ["p3", "h2"]}})
    used = read_used("auto", checkpoint)
    assert used is not None
    assert (used.file, used.method, used.subjects) == (path, "temperature", {"p3"})
    assert used.about == "temperature scaling (T = 2.0000)"
    assert used.describe() == {
        "file": str(path),
        "method": "temperature",
        "parameters": used.digest,
        "about": used.about,
    }
    assert len(used.digest) == 16
