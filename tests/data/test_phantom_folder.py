"""Whose a folder is: phantoms are written once, replaced by others, and never put over somebody's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.phantom_folder import MARKER, check_phantom, write_folder


def write(root: Path, *names: str, version: int = 1) -> list[str]:
    """A phantom of text files; returns the files that were written now."""
    written: list[str] = []

    def job(name: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        written.append(name)

    jobs: list[Callable[[], None]] = [partial(job, name) for name in names]
    entries = list(dict.fromkeys(name.split("/")[0] for name in names))
    write_folder(root, {"version_of_test": version}, entries=entries, jobs=jobs)
    return sorted(written)


def test_a_whole_phantom_is_left_alone(tmp_path: Path) -> None:
    assert write(tmp_path, "a/1", "a/2", "b") == ["a/1", "a/2", "b"]
    assert write(tmp_path, "a/1", "a/2", "b") == []


@pytest.mark.parametrize("name", ["a/2", "b"])
def test_a_phantom_that_lost_a_file_is_written_anew(tmp_path: Path, name: str) -> None:
    write(tmp_path, "a/1", "a/2", "b")
    (tmp_path / name).unlink()
    assert write(tmp_path, "a/1", "a/2", "b") == ["a/1", "a/2", "b"]


def test_other_settings_replace_all_that_the_old_phantom_wrote(tmp_path: Path) -> None:
    write(tmp_path, "a/1", "b")
    (tmp_path / "notes.txt").write_text("mine")
    assert write(tmp_path, "a/3", "c/1", version=2) == ["a/3", "c/1"]
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"a/3", "c/1", "notes.txt", MARKER}


def test_an_unfinished_phantom_is_written_anew(tmp_path: Path) -> None:
    def fail() -> None:
        raise DataError("disk full")

    with pytest.raises(DataError, match="disk full"):
        write_folder(tmp_path, {"version_of_test": 1}, entries=["a"], jobs=[fail])
    assert write(tmp_path, "a/1") == ["a/1"]


def test_phantoms_of_former_versions_and_damaged_markers_are_replaced(tmp_path: Path) -> None:
    for marker in ('{"version": 1, "subjects": 3, "complete": true}', "[]", "{broken"):
        (tmp_path / "training").mkdir(exist_ok=True)
        (tmp_path / "training/old").write_text("")
        (tmp_path / MARKER).write_text(marker)
        assert write(tmp_path, "training/new", version=3) == ["training/new"]
        assert [path.name for path in (tmp_path / "training").iterdir()] == ["new"]
        (tmp_path / MARKER).unlink()


def test_a_marker_can_name_nothing_outside_the_folder(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / MARKER).write_text(json.dumps({"entries": ["../outside"]}))
    write(root, "a/1")
    assert outside.is_dir()


def test_somebody_elses_files_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1").write_text("mine")
    with pytest.raises(DataError, match="must be empty or hold a phantom, got other files"):
        write(tmp_path, "a/1")
    assert (tmp_path / "a/1").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="must be a folder that can be written"):
        write(tmp_path / "file" / "p", "a/1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"subjects": 0},
        {"seed": -1},
        {"shape": (7, 64, 64)},
        {"shape": (8, 64)},
        {"spacing_mm": (10.0, 0.0, 1.0)},
    ],
)
def test_arguments_are_checked(wrong: dict[str, object]) -> None:
    right = {"subjects": 1, "seed": 0, "shape": (8, 32, 32), "spacing_mm": (1.0, 1.0, 1.0)}
    assert check_phantom("P", **right) == {**right, "shape": [8, 32, 32], "spacing_mm": [1.0, 1.0, 1.0]}  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"P: {next(iter(wrong))}|shape and spacing_mm"):
        check_phantom("P", **{**right, **wrong})  # type: ignore[arg-type]
