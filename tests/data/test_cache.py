"""The cache: fingerprints, all problems at once, killed and concurrent writers, several processes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data import cache
from mlseg.data.acdc import ACDCSource
from mlseg.data.cache import PreparedSet, prepare_cases
from mlseg.data.preprocess import Preprocessing

SCRIPT = """
import os, signal, sys
from pathlib import Path
import numpy as np
from mlseg.data.acdc import ACDCSource
from mlseg.data.cache import prepare_cases
from mlseg.data.preprocess import Preprocessing

root, cache_dir, die_at = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
save, calls = np.save, 0

def save_and_die(path, array):
    global calls
    calls += 1
    save(path, array)
    if calls == die_at:
        os.truncate(path, 100)
        os.kill(os.getpid(), signal.SIGKILL)

np.save = save_and_die
source = ACDCSource(root)
prepared = prepare_cases(source, source.list_cases(), Preprocessing(), cache_dir=cache_dir, workers=1)
print(prepared.fingerprint)
"""


def prepare(
    root: Path, cache_dir: Path, *, spacing_mm: tuple[float, float] | None = None, **options: str
) -> PreparedSet:
    source = ACDCSource(root, **options)
    preprocessing = Preprocessing(spacing_mm=spacing_mm)
    return prepare_cases(source, source.list_cases(), preprocessing, cache_dir=cache_dir, workers=1)


def run_script(root: Path, cache_dir: Path, die_at: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(root), str(cache_dir), str(die_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_cases_come_prepared_and_in_order(acdc_root: Path, tmp_path: Path) -> None:
    prepared = prepare(acdc_root, tmp_path)
    source = ACDCSource(acdc_root)
    assert len(prepared) == 10
    assert [case.case_id for case in prepared] == [files.case_id for files in source.list_cases()]
    expected = Preprocessing().prepare(source.read_case(prepared.files[3]))
    np.testing.assert_array_equal(prepared[3].image, expected.image)
    np.testing.assert_array_equal(prepared[3].target, expected.target)


def test_a_second_start_prepares_nothing(acdc_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare(acdc_root, tmp_path)
    monkeypatch.setattr(ACDCSource, "read_case", lambda *_: pytest.fail("a case was read again"))
    assert prepare(acdc_root, tmp_path) == first


def test_subset_by_subject(acdc_root: Path, tmp_path: Path) -> None:
    prepared = prepare(acdc_root, tmp_path)
    part = prepared.subset(["patient004", "patient002"])
    assert [case.subject_id for case in part] == ["patient002"] * 2 + ["patient004"] * 2
    np.testing.assert_array_equal(part[2].image, prepared[6].image)
    assert part.fingerprint != prepared.fingerprint
    assert len(prepared.subset([])) == 0


def test_fingerprint_is_that_of_the_content_not_of_the_place(
    acdc_root: Path, acdc_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(acdc_root, tmp_path / "one")
    assert prepare(acdc_copy, tmp_path / "two").fingerprint == first.fingerprint
    monkeypatch.setattr(ACDCSource, "read_case", lambda *_: pytest.fail("a copy was prepared again"))
    assert prepare(acdc_copy, tmp_path / "one").fingerprint == first.fingerprint


def test_settings_change_the_fingerprint_and_the_entry(acdc_root: Path, tmp_path: Path) -> None:
    sets = [
        prepare(acdc_root, tmp_path),
        prepare(acdc_root, tmp_path, spacing_mm=(2.0, 2.0)),
        prepare(acdc_root, tmp_path, orientation="RAS"),
    ]
    assert len({prepared.fingerprint for prepared in sets}) == 3
    assert len({prepared.folders[0].parent for prepared in sets}) == 3
    assert sets[1][0].image.shape != sets[0][0].image.shape


@pytest.mark.parametrize("name", ["patient001_frame01.nii.gz", "patient001_frame01_gt.nii.gz"])
def test_a_changed_file_makes_a_new_entry(
    acdc_copy: Path, tmp_path: Path, name: str, change_volume: Callable[..., None]
) -> None:
    first = prepare(acdc_copy, tmp_path / "cache")
    change_volume(acdc_copy / "training/patient001" / name, lambda array: np.where(array == 1, 0, array))
    second = prepare(acdc_copy, tmp_path / "cache")
    assert second.fingerprint != first.fingerprint
    assert second.folders[0] != first.folders[0]
    assert second.folders[1:] == first.folders[1:]


def test_a_changed_group_changes_the_fingerprint_but_not_the_entry(acdc_copy: Path, tmp_path: Path) -> None:
    first = prepare(acdc_copy, tmp_path / "cache")
    (acdc_copy / "training/patient001/Info.cfg").write_text("ED: 1\nGroup: NOR\n")
    second = prepare(acdc_copy, tmp_path / "cache")
    assert second.fingerprint != first.fingerprint
    assert second.folders == first.folders
    assert second[0].group == "NOR"


def test_all_problems_of_all_files_come_together(
    acdc_copy: Path, tmp_path: Path, change_volume: Callable[..., None]
) -> None:
    good = prepare(acdc_copy, tmp_path / "cache")
    place = acdc_copy / "training"
    cut = place / "patient001/patient001_frame01.nii.gz"
    cut.write_bytes(cut.read_bytes()[:2000])
    seven, nan = place / "patient002/patient002_frame01_gt.nii.gz", place / "patient003/patient003_frame01.nii.gz"
    change_volume(seven, lambda array: np.where(array == 3, 7, array).astype(np.uint8))
    change_volume(nan, lambda array: np.where(array > 500, np.nan, array).astype(np.float32))
    missing = place / "patient004/patient004_frame01_gt.nii.gz"
    missing.unlink()
    with pytest.raises(DataError) as caught:
        prepare(acdc_copy, tmp_path / "cache")
    head, *lines = str(caught.value).splitlines()
    assert head.startswith("4 problems in acdc")
    for line, path, text in zip(lines, (cut, seven, nan, missing), ("damaged", "got 7", "NaN", "exist"), strict=True):
        assert line.startswith(f"{path}: ")
        assert text in line
    with pytest.raises(DataError, match="4 problems"):  # found again though the other cases are cached
        prepare(acdc_copy, tmp_path / "cache")
    assert all(folder.is_dir() for folder in good.folders)


@pytest.mark.parametrize("die_at", [1, 2, 7])
def test_a_writer_killed_with_9_leaves_nothing_half(acdc_root: Path, tmp_path: Path, die_at: int) -> None:
    killed = run_script(acdc_root, tmp_path / "cache", die_at)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    prepared = prepare(acdc_root, tmp_path / "cache")
    whole = prepare(acdc_root, tmp_path / "other")
    assert prepared.fingerprint == whole.fingerprint
    for case, expected in zip(prepared, whole, strict=True):
        np.testing.assert_array_equal(case.image, expected.image)
        np.testing.assert_array_equal(case.target, expected.target)


def test_two_runs_at_once_do_not_harm_each_other(acdc_root: Path, tmp_path: Path) -> None:
    runs = [run_script(acdc_root, tmp_path / "cache") for _ in range(2)]
    printed = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    prepared = prepare(acdc_root, tmp_path / "cache")
    assert printed == {prepared.fingerprint + "\n"}
    assert sorted(path.name for path in prepared.folders[0].parent.iterdir()) == sorted(
        folder.name for folder in prepared.folders
    )


def test_a_file_cut_in_half_is_found_and_rebuilt(acdc_root: Path, tmp_path: Path) -> None:
    prepared = prepare(acdc_root, tmp_path)
    before = np.array(prepared[2].image)
    path = prepared.folders[2] / "image.npy"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = prepare(acdc_root, tmp_path)
    assert again == prepared
    np.testing.assert_array_equal(again[2].image, before)


def test_several_processes_give_the_same(acdc_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_CASES_PER_WORKER", 1)
    source = ACDCSource(acdc_root)
    files = source.list_cases()
    broken = replace(files[1], target=acdc_root / "gone.nii.gz")
    with pytest.raises(DataError, match=r"1 problem in acdc.*\n.*gone\.nii\.gz: must exist"):
        prepare_cases(source, [files[0], broken, *files[2:]], Preprocessing(), cache_dir=tmp_path / "two", workers=2)
    several = prepare_cases(source, files, Preprocessing(), cache_dir=tmp_path / "two", workers=2)
    one = prepare(acdc_root, tmp_path / "one")
    assert several.fingerprint == one.fingerprint
    for case, expected in zip(several, one, strict=True):
        np.testing.assert_array_equal(case.image, expected.image)


def test_a_cache_dir_that_cannot_be_written_is_one_line(acdc_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"^data\.cache_dir: .* must be a folder with room .*data\.cache_dir="):
        prepare(acdc_root, tmp_path / "file" / "cache")


def test_a_full_disk_is_one_line(acdc_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(DataError, match=r"^data\.cache_dir: .*No space left on device.*Free some space") as caught:
        prepare(acdc_root, tmp_path)
    assert "\n" not in str(caught.value)


def test_workers_are_checked(acdc_root: Path, tmp_path: Path) -> None:
    source = ACDCSource(acdc_root)
    with pytest.raises(ConfigError, match="workers must be a whole number of at least 1 or null, got 0"):
        prepare_cases(source, source.list_cases(), Preprocessing(), cache_dir=tmp_path, workers=0)


def test_the_place_of_the_data_may_go_when_it_is_prepared(acdc_copy: Path, tmp_path: Path) -> None:
    prepared = prepare(acdc_copy, tmp_path / "cache")
    shutil.rmtree(acdc_copy)
    assert all(np.isfinite(case.image).all() for case in prepared)


@pytest.mark.slow
def test_real_acdc_is_prepared_and_found_again(realdata_dir: Path, tmp_path: Path) -> None:
    source = ACDCSource(realdata_dir / "acdc")
    files = [case for case in source.list_cases() if case.subject_id <= "patient012"]
    prepared = prepare_cases(source, files, Preprocessing(spacing_mm=(1.4, 1.4)), cache_dir=tmp_path)
    assert len(prepared) == 24
    for case in prepared:
        assert np.isfinite(case.image).all()
        assert set(np.unique(case.target)) == {0, 1, 2, 3}
        assert abs(case.spacing_mm[1] - 1.4) < 0.01
        assert case.native_target.shape[0] == case.image.shape[0]


def test_contents_are_those_of_the_files_whatever_the_settings_and_the_place(
    acdc_root: Path, acdc_copy: Path, tmp_path: Path, change_volume: Callable[..., None]
) -> None:
    contents = prepare(acdc_root, tmp_path / "cache").contents
    assert len(contents) == len(set(contents.values())) == 10
    assert prepare(acdc_copy, tmp_path / "other", spacing_mm=(3.0, 3.0)).contents == contents
    change_volume(acdc_copy / "training/patient001/patient001_frame01_gt.nii.gz", lambda array: 0 * array)
    changed = prepare(acdc_copy, tmp_path / "cache").contents
    assert {case for case in contents if changed[case] != contents[case]} == {"patient001_frame01"}
