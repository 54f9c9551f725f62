"""Which files make a case: by hand, by nnU-Net's numbers, by the names of channels."""

from __future__ import annotations

import pytest

from mlseg.checks import DataError
from mlseg.data.scan_files import list_folder, list_given, name_cine_frames, split_channel
from mlseg.types import CaseFiles

TWO = ("T1", "FLAIR")


@pytest.fixture
def place(tmp_path):
    """Make empty files and return their folder."""

    def call(*names):
        for name in names:
            path = tmp_path / (name if name.endswith((".nii", ".cfg")) else f"{name}.nii.gz")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("ED: 1\nES: 12\n" if name.endswith(".cfg") else "")
        return tmp_path

    return call


def names(cases):
    return {case.case_id: tuple(path.name.removesuffix(".nii.gz") for path in case.images) for case in cases}


@pytest.mark.parametrize(
    ("files", "channels", "expected"),
    [
        (("b", "a"), ("MR",), {"a": ("a",), "b": ("b",)}),
        (("a_0000", "b_2019", "c"), ("MR",), {"a": ("a_0000",), "b_2019": ("b_2019",), "c": ("c",)}),
        (("a_0001", "a_0000", "b"), TWO, {"a": ("a_0000", "a_0001"), "b": ("b",)}),
        (("p_flair", "p_t1", "p_seg"), TWO, {"p": ("p_t1", "p_flair")}),
        (("p-t1n", "p-t2f", "p-seg"), TWO, {"p": ("p-t1n", "p-t2f")}),
        (("a", "a_gt", "b_seg", "._a"), ("MR",), {"a": ("a",), "b_seg": ("b_seg",)}),
        (
            ("patient001_frame01", "patient001_frame01_gt", "patient001_4d"),
            ("MR",),
            {"patient001_frame01": ("patient001_frame01",)},
        ),
        (("imagesTr/a", "imagesTs/b_0000"), ("MR",), {"b": ("b_0000",)}),
        (("x/p_t1", "x/p_flair", "y/q_t1", "y/q_flair"), TWO, {"p": ("p_t1", "p_flair"), "q": ("q_t1", "q_flair")}),
    ],
)
def test_a_folder(place, files, channels, expected):
    found = list_folder(place(*files), channels=channels)
    assert names(found) == expected
    assert [case.case_id for case in found] == sorted(expected)


@pytest.mark.parametrize(
    ("files", "channels", "message"),
    [
        (("a_0000", "b_0000", "b_0001"), TWO, "got none for FLAIR. Add it, e.g. a_0001.nii.gz."),
        (("a_0001",), TWO, "got none for T1"),
        (("a_0000", "a_0001", "a_0002"), TWO, "a_0002.nii.gz: must be one of 2 channels"),
        (("a_0000", "a_0001"), ("MR",), r"a_0001.nii.gz: must be one of 1 channels \(MR\)"),
        (("a", "a_0000", "a_0001"), TWO, "must be one file, or one per channel"),
        (("p_t1", "p-t1", "p_flair"), TWO, "must be the only file of its channel"),
        (("x/a", "y/a"), ("MR",), "must hold each case once, got a twice"),
        ((), ("MR",), "must hold .nii.gz or .nii images, got none"),
    ],
)
def test_what_is_wrong_with_a_folder(place, files, channels, message):
    with pytest.raises(DataError, match=message):
        list_folder(place(*files), channels=channels)


def test_files_by_hand(place):
    folder = place("a_0000", "a_0001", "b_0001", "whole", "one.nii", "note.cfg")
    assert names([list_given([folder / "whole.nii.gz"], channels=TWO)]) == {"whole": ("whole",)}
    assert names([list_given([folder / "one.nii"], channels=("MR",))]) == {"one": ("one.nii",)}
    # A channel of nnU-Net stands for its case; in a list the order is the user's.
    assert names([list_given([folder / "a_0001.nii.gz"], channels=TWO)]) == {"a": ("a_0000", "a_0001")}
    pair = [folder / "a_0001.nii.gz", folder / "whole.nii.gz"]
    assert names([list_given(pair, channels=TWO)]) == {"a": ("a_0001", "whole")}
    for paths, message in (
        (pair, "must be one file for each of the channels MR, or one that holds them all, got 2 files"),
        ([folder / "none.nii.gz"], "none.nii.gz: must be a .nii.gz or .nii file, got no such file"),
        ([folder / "note.cfg"], "got another file"),
    ):
        with pytest.raises(DataError, match=message):
            list_given(paths, channels=("MR",))


def test_a_number_beside_the_first_channel_is_one():
    assert split_channel("a_0007", ["MR"]) == ("a_0007", None)
    assert split_channel("a_0007", ["MR"], {"a_0000"}) == ("a", 7)
    assert split_channel("a_t1ce", ["T1", "T1ce"]) == ("a", 1)
    assert split_channel("scan_mr", ["MR"]) == ("scan_mr", None)


def test_frames_of_a_heart_are_named_by_info_cfg(place):
    files = ("patient003_frame01", "patient003_frame12", "patient003_frame05", "patient003/Info.cfg")
    folder = place(*files, "patient004_frame01", "heart")
    cases = list_folder(folder, channels=("MR",))
    assert {(case.case_id, case.subject_id, case.frame) for case in name_cine_frames(cases)} >= {
        ("patient003_frame01", "patient003", ""),
        ("heart", "heart", ""),
    }
    (folder / "patient003" / "Info.cfg").rename(folder / "Info.cfg")
    named = {case.case_id: case.frame for case in name_cine_frames(cases)}
    assert (named["patient003_frame01"], named["patient003_frame12"]) == ("ED", "ES")
    assert (named["patient003_frame05"], named["heart"]) == ("", "")
    # Beside the reference it says so too, and what a data set knows is left.
    elsewhere = folder / "elsewhere" / "patient003_frame12.nii.gz"
    case = CaseFiles(case_id="patient003_frame12", subject_id="x", images=(elsewhere,), target=folder / "a_gt.nii.gz")
    known = CaseFiles(case_id="patient003_frame12", subject_id="x", images=(elsewhere,), target=None, frame="ED")
    assert [one.frame for one in name_cine_frames([case, known])] == ["ES", "ED"]
