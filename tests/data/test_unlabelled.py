"""Scans without references: read and checked as those that are trained on."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.acdc import ACDCSource
from mlseg.data.grids import ALL_STEPS
from mlseg.data.nifti import write_volume
from mlseg.data.unlabelled import read_scan, turn_case
from mlseg.types import CaseFiles

AFFINE = np.diag([-1.5, -1.25, 8.0, 1.0])


def make_files(*paths):
    return CaseFiles(case_id="p1", subject_id="p1", images=paths, target=None)


@pytest.fixture
def scan(tmp_path):
    """Two files of one grid and one that holds both channels."""
    random = np.random.default_rng(0)
    both = random.integers(0, 900, (2, 3, 5, 4)).astype(np.int16)
    for name, array in (("a", both[0]), ("b", both[1]), ("both", both)):
        write_volume(tmp_path / f"{name}.nii.gz", array, affine=AFFINE)
    return tmp_path, both


def test_it_is_what_training_reads(acdc_root):
    source = ACDCSource(acdc_root, orientation="RAS")
    for files in source.list_cases()[:3]:
        expected = source.read_case(files)
        case, _ = turn_case(read_scan(files, channels=["MR"]), "RAS")
        assert np.array_equal(case.image, expected.image)
        assert case.image.dtype == np.float32
        assert (case.spacing_mm, case.target.shape) == (expected.spacing_mm, expected.target.shape)
        assert not case.target.any()
        assert (case.case_id, case.subject_id, case.frame) == (files.case_id, files.subject_id, files.frame)


def test_channels_of_several_files_or_one(scan):
    folder, both = scan
    several = read_scan(make_files(folder / "a.nii.gz", folder / "b.nii.gz"), channels=["T1", "T2"])
    one = read_scan(make_files(folder / "both.nii.gz"), channels=["T1", "T2"])
    assert np.array_equal(several.image, both)
    assert np.array_equal(one.image, both)
    assert one.spacing_mm == (8.0, 1.25, 1.5)


def test_a_turned_case_finds_back(scan):
    folder, both = scan
    case = read_scan(make_files(folder / "both.nii.gz"), channels=["T1", "T2"])
    turned, steps = turn_case(case, "SAR")
    assert turned.image.shape == (2, 4, 5, 3)
    assert turned.spacing_mm == (1.5, 1.25, 8.0)
    assert turned.image.flags.c_contiguous
    assert np.array_equal(steps.invert().apply(turned.image), both)
    assert steps in ALL_STEPS
    assert turn_case(case, "native")[0].spacing_mm == case.spacing_mm


@pytest.mark.parametrize(
    ("names", "channels", "message"),
    [
        (
            ("a",),
            ("T1", "T2"),
            "must have 2 channels (T1, T2) as fourth axis, got 1 volume. Give them, or one file per",
        ),
        (("both",), ("T1",), "must have three axes, got 2 volumes. Give one 3-D file per time point."),
        (("a", "both"), ("T1", "T2"), "both.nii.gz: must have three axes, got 2 volumes"),
        (("a", "b"), ("T1", "T2", "T3"), "must have 3 channels (T1, T2, T3), got 2 files. Give one file per channel"),
        (("a", "none"), ("T1", "T2"), "none.nii.gz: must exist, got no such file"),
    ],
)
def test_what_does_not_fit_the_channels(scan, names, channels, message):
    with pytest.raises(DataError) as caught:
        read_scan(make_files(*(scan[0] / f"{name}.nii.gz" for name in names)), channels=channels)
    (line,) = str(caught.value).splitlines()
    assert message in line


def test_files_must_lie_on_one_grid_and_hold_numbers(scan):
    folder, both = scan
    moved = AFFINE.copy()
    moved[0, 3] = 2.5
    write_volume(folder / "moved.nii.gz", both[0], affine=moved)
    write_volume(folder / "small.nii.gz", both[0][:2], affine=AFFINE)
    wrong = both[0].astype(np.float32)
    wrong[0, 0, :2] = np.nan, np.inf
    write_volume(folder / "wrong.nii.gz", wrong, affine=AFFINE)
    for name, message in (
        ("moved", "must lie where .*a.nii.gz lies, within 0.1 mm, got 2.5 mm"),
        ("small", r"must have the shape of .*a.nii.gz, \(3, 5, 4\)"),
        ("wrong", "intensities must be finite, got NaN or infinity in 2 voxels"),
    ):
        with pytest.raises(DataError, match=f"{name}.nii.gz: {message}"):
            read_scan(make_files(folder / "a.nii.gz", folder / f"{name}.nii.gz"), channels=["T1", "T2"])
