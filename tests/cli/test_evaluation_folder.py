"""The folder of an evaluation is whole or not there, and never anybody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, RunError
from mlseg.cli.evaluation_folder import check_free, check_kind, filling
from mlseg.records import write_json


def fill(folder: Path, text: str = "new") -> None:
    with filling(folder) as hidden:
        assert not (folder / text).exists()
        (hidden / text).write_text(text)
        write_json(hidden / "run.json", {"kind": "evaluation", "settings": {"part": text}})


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_it_takes_its_place_when_it_is_whole(tmp_path):
    fill(tmp_path / "evaluations" / "val")
    assert everything(tmp_path) == {"evaluations", "evaluations/val", "evaluations/val/new", "evaluations/val/run.json"}


def test_it_takes_the_place_of_an_earlier_one_altogether(tmp_path):
    fill(tmp_path / "val", "old")
    fill(tmp_path / "val", "new")
    assert everything(tmp_path) == {"val", "val/new", "val/run.json"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_and_touches_nothing(tmp_path, error):
    def fail(folder: Path) -> None:
        with filling(folder) as hidden:
            (hidden / "half").write_text("")
            raise error

    with pytest.raises(error):
        fail(tmp_path / "run" / "evaluations" / "val")
    assert everything(tmp_path / "run") == set()
    fill(tmp_path / "val", "old")
    with pytest.raises(error):
        fail(tmp_path / "val")
    assert everything(tmp_path) == {"run", "val", "val/old", "val/run.json"}


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os; from pathlib import Path; from mlseg.cli.evaluation_folder import filling\n"
        f"with filling(Path({str(tmp_path / 'val')!r})): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert len(everything(tmp_path)) == 2
    fill(tmp_path / "val")
    assert everything(tmp_path) == {"val", "val/new", "val/run.json"}


def test_what_a_living_process_fills_is_left_alone(tmp_path):
    with filling(tmp_path / "val") as other:
        os.rename(other, tmp_path / ".val.99.tmp")  # as another process would have called it
        fill(tmp_path / "val")
        assert (tmp_path / ".val.99.tmp").is_dir()
        os.rename(tmp_path / ".val.99.tmp", other)


def test_what_was_killed_while_it_took_its_place_is_removed_when_that_is_long_ago(tmp_path):
    for name, age_s in {".val.1.tmp": 0, ".val.2.tmp": 7200, ".value.2.tmp": 7200}.items():
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    fill(tmp_path / "val")
    assert {path.name for path in tmp_path.iterdir()} == {".val.1.tmp", ".value.2.tmp", "val"}


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/val: cannot be written \(.*\)\. Free space, or give output="):
        fill(tmp_path / "file" / "val")


def test_only_evaluations_are_replaced(tmp_path):
    assert check_kind(tmp_path / "new") is None
    (tmp_path / "empty").mkdir()
    assert check_kind(tmp_path / "empty") is None
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "run.json", {"version": 1})
    (tmp_path / "file").write_text("")
    for name in ("run", "file"):
        with pytest.raises(ConfigError, match=r"must be a new folder or an earlier evaluation"):
            check_free(tmp_path / name, {})


def test_other_settings_are_refused_by_name(tmp_path):
    fill(tmp_path / "val", "a")
    record = check_free(tmp_path / "val", {"part": "a"})
    assert record is not None
    assert record["settings"] == {"part": "a"}
    with pytest.raises(
        ConfigError, match=r"val: belongs to an evaluation with other settings: part \(a there, b now\)\."
    ):
        check_free(tmp_path / "val", {"part": "b"})
    many = {"part": "a", **{f"key{i}": list(range(50)) for i in range(5)}}
    with pytest.raises(ConfigError, match=r"key0 \(None there, \[0, 1,.*\.\.\. now\).* and 2 more\. Give name="):
        check_free(tmp_path / "val", many)
