from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import DataError
from mlseg.data.matching import (
    NIFTI_ENDINGS,
    check_apart,
    join_names,
    list_files,
    match_names,
    strip_ending,
    strip_suffix,
)


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_a_place_is_a_folder_a_file_or_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path / "p", "b.nii", "a.nii.gz", "._a.nii.gz", "notes.txt", "a.npz")
    found = {"a": tmp_path / "p/a.nii.gz", "b": tmp_path / "p/b.nii"}
    assert list_files("prediction", str(tmp_path / "p"), NIFTI_ENDINGS) == found
    assert list_files("prediction", str(tmp_path / "*/*.nii*"), NIFTI_ENDINGS) == found
    assert list_files("prediction", str(tmp_path / "**/b.*"), NIFTI_ENDINGS) == {"b": tmp_path / "p/b.nii"}
    assert list_files("prediction", str(tmp_path / "p/b.nii"), NIFTI_ENDINGS) == {"b": tmp_path / "p/b.nii"}


def test_a_place_without_files_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.mha", "b.mha")
    with pytest.raises(DataError, match=r"^image: must be a .nii.gz or .nii file.*got 2 files of other kinds"):
        list_files("image", str(tmp_path), NIFTI_ENDINGS)
    with pytest.raises(DataError, match="got nothing there for"):
        list_files("image", str(tmp_path / "x"), NIFTI_ENDINGS)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "1", "segm.nii.gz")
    touch(tmp_path / "2", "segm.nii")
    with pytest.raises(DataError, match=r"one file of each name.*1/segm.nii.gz and .*2/segm.nii"):
        list_files("reference", str(tmp_path / "*" / "segm.*"), NIFTI_ENDINGS)


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("patient001_frame01_gt", "patient001_frame01"),
        ("x_probabilities", "x"),
        ("x_Pred", "x"),
        ("x_0000", "x"),
        ("x_0001", "x_0001"),
        ("_seg", "_seg"),
        ("seg", "seg"),
        ("x_gt_seg", "x_gt"),
    ],
)
def test_one_end_is_taken_off(name: str, case: str) -> None:
    assert strip_suffix(name) == case


def test_endings_are_taken_off() -> None:
    assert [strip_ending(name) for name in ("a.b.nii.gz", "a.nii", "a.npz", "a")] == ["a.b", "a", "a", "a"]


def test_equal_names_come_before_those_equal_without_an_end() -> None:
    assert match_names(["a", "a_pred"], ["a", "a_pred"]) == {"a": ("a", "a"), "a_pred": ("a_pred", "a_pred")}
    assert match_names(["a_pred", "b"], ["b", "a_gt", "c"]) == {"b": ("b", "b"), "a": ("a_pred", "a_gt")}
    # What has no partner stays alone, whatever it looks like.
    assert match_names(["a"], ["a", "a_gt"]) == {"a": ("a", "a")}
    assert match_names(["a"], ["b"]) == {}


@pytest.mark.parametrize(
    ("left", "right"),
    [(["a_pred"], ["a_gt", "a_seg"]), (["a_pred", "a_seg"], ["a_gt"]), (["a", "a_pred"], ["a", "a_gt"])],
)
def test_names_that_could_mean_two_are_refused(left: list[str], right: list[str]) -> None:
    with pytest.raises(DataError, match=r"^a: must be one file on each side, got a"):
        match_names(left, right)


def test_long_lists_are_cut() -> None:
    assert join_names("dbca") == "a, b, c and 1 more"
    assert join_names(["b", "a"]) == "a, b"


def test_a_file_is_never_judged_by_itself(tmp_path: Path) -> None:
    touch(tmp_path, "a_gt.nii", "a_pred.nii")
    (tmp_path / "link.nii").symlink_to(tmp_path / "a_gt.nii")
    check_apart("prediction", [(tmp_path / "a_pred.nii", tmp_path / "a_gt.nii")])
    for own in ("a_gt.nii", "link.nii"):
        with pytest.raises(DataError, match=r"^prediction: .*for both.*prediction='.*\*_pred\.nii\.gz' reference='"):
            check_apart("prediction", [(tmp_path / own, tmp_path / "a_gt.nii")])
