"""Content hashes: by content only, remembered by path, size and times."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from mlseg.data import file_hashes
from mlseg.data.file_hashes import hash_files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once."""
    monkeypatch.setattr(file_hashes, "_SETTLED_S", -1.0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read."""
    seen: list[Path] = []
    original = file_hashes._hash_file

    def record(path: Path) -> str:
        seen.append(path)
        return original(path)

    monkeypatch.setattr(file_hashes, "_hash_file", record)
    return seen


def test_hash_follows_from_the_content(source: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(source, tmp_path / "b.bin"))
    other = tmp_path / "c.bin"
    other.write_bytes(b"CONTENT")
    hashes = hash_files([source, copy, other], memory=tmp_path)
    assert hashes[source] == hashes[copy] != hashes[other]


@pytest.mark.usefixtures("settled")
def test_a_known_file_is_not_read_again(source: Path, tmp_path: Path, reads: list[Path]) -> None:
    first = hash_files([source, source], memory=tmp_path)
    assert hash_files([source], memory=tmp_path) == first
    assert reads == [source]


@pytest.mark.usefixtures("settled")
def test_a_change_that_keeps_size_and_mtime_is_seen(source: Path, tmp_path: Path) -> None:
    before = hash_files([source], memory=tmp_path)[source]
    status = source.stat()
    source.write_bytes(b"changed")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.stat().st_size == status.st_size
    assert hash_files([source], memory=tmp_path)[source] != before


def test_a_file_that_was_just_written_is_not_remembered(source: Path, tmp_path: Path, reads: list[Path]) -> None:
    for _ in range(2):
        hash_files([source], memory=tmp_path)
    assert len(reads) == 2
    assert time.time() - source.stat().st_mtime < 2


@pytest.mark.usefixtures("settled")
def test_a_broken_memory_costs_time_only(source: Path, tmp_path: Path) -> None:
    first = hash_files([source], memory=tmp_path)
    for text in ("{", "[]", ""):
        (tmp_path / "hashes.json").write_text(text)
        assert hash_files([source], memory=tmp_path) == first


@pytest.mark.usefixtures("settled")
def test_a_missing_file_has_no_hash_and_is_not_remembered(source: Path, tmp_path: Path) -> None:
    source.unlink()
    assert hash_files([source], memory=tmp_path) == {source: ""}
    assert not (tmp_path / "hashes.json").exists()
