"""One prepared case on disk: whole or not there, whoever writes at the same time."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data import case_folder
from mlseg.data.acdc import ACDCSource
from mlseg.data.case_folder import check_uncut, is_whole, open_case, remove_leftovers, write_case
from mlseg.data.preprocess import Preprocessing
from mlseg.types import CaseFiles, PreparedCase


@pytest.fixture(scope="module")
def files(acdc_root: Path) -> CaseFiles:
    return ACDCSource(acdc_root).list_cases()[0]


@pytest.fixture(scope="module", params=[None, (2.0, 2.0)], ids=["native", "resampled"])
def case(request: pytest.FixtureRequest, acdc_root: Path, files: CaseFiles) -> PreparedCase:
    return Preprocessing(spacing_mm=request.param).prepare(ACDCSource(acdc_root).read_case(files))


def test_what_is_written_is_what_is_opened(case: PreparedCase, files: CaseFiles, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_case(folder, case)
    opened = open_case(folder, files)
    for name in ("image", "target", "native_target", "affine"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(case, name))
    assert opened.image.dtype == np.float32
    assert opened.target.dtype == opened.native_target.dtype == np.uint8
    assert (opened.spacing_mm, opened.native_spacing_mm) == (case.spacing_mm, case.native_spacing_mm)
    assert (opened.case_id, opened.subject_id, opened.group, opened.frame) == (
        files.case_id,
        files.subject_id,
        "DCM",
        "ED",
    )
    assert isinstance(opened.image, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.image[0] = 0
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


@pytest.mark.parametrize("name", ["image.npy", "target.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_damage_is_seen(case: PreparedCase, files: CaseFiles, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "case"
    write_case(folder, case)
    assert is_whole(folder)
    path = folder / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    assert not is_whole(folder)
    with pytest.raises(DataError, match="must be whole"):
        open_case(folder, files)


def test_a_damaged_folder_is_replaced_and_a_whole_one_stays(case: PreparedCase, tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_case(folder, case)
    first = (folder / "image.npy").stat().st_ino
    write_case(folder, case)
    assert (folder / "image.npy").stat().st_ino == first
    (folder / "image.npy").write_bytes(b"")
    write_case(folder, case)
    assert is_whole(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


def test_a_case_appears_in_one_step(case: PreparedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, steps, rename = tmp_path / "case", [], os.rename

    def watch(source: Path, place: Path) -> None:
        steps.append((is_whole(source), folder.exists()))
        rename(source, place)

    monkeypatch.setattr(os, "rename", watch)
    write_case(folder, case)
    assert steps == [(True, False)]
    assert is_whole(folder)


def test_a_full_disk_leaves_nothing(case: PreparedCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(case_folder, "_put_in_place", fail)
    with pytest.raises(OSError, match="No space left"):
        write_case(tmp_path / "case", case)
    assert list(tmp_path.iterdir()) == []


def test_old_leftovers_are_removed_and_young_ones_kept(tmp_path: Path) -> None:
    for name in (".tmp-old", ".tmp-young", "case"):
        (tmp_path / name).mkdir()
    for name in (".tmp-old", "case"):
        os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".tmp-young", "case"}


def test_a_reader_with_open_maps_survives_the_removal(case: PreparedCase, files: CaseFiles, tmp_path: Path) -> None:
    write_case(tmp_path / "case", case)
    opened = open_case(tmp_path / "case", files)
    shutil.rmtree(tmp_path / "case")
    np.testing.assert_array_equal(opened.image, case.image)


def test_a_cut_below_an_open_map_is_seen_before_it_kills(case: PreparedCase, files: CaseFiles, tmp_path: Path) -> None:
    for name in ("image", "target", "landmarks"):
        folder = tmp_path / name
        write_case(folder, case)
        opened = open_case(folder, files)
        check_uncut(opened)
        os.truncate(folder / f"{name}.npy", (folder / f"{name}.npy").stat().st_size - 1)
        with pytest.raises(DataError, match=f"{name}: the prepared case must be whole"):
            check_uncut(opened)
    shutil.rmtree(folder)
    check_uncut(opened)  # what is removed stays readable
    check_uncut(case)  # in memory
