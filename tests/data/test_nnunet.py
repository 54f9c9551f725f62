"""nnU-Net's raw layout: channels in files of their own, both styles of dataset.json, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.acdc import ACDCSource
from mlseg.data.nnunet import NnUNetSource

NAMES = ("background", "RV", "Myo", "LV")
V1: dict[str, Any] = {"modality": {"0": "MR"}, "labels": {str(n): name for n, name in enumerate(NAMES)}}
V2: dict[str, Any] = {
    "channel_names": {"0": "MR"},
    "labels": {name: n for n, name in enumerate(NAMES)},
    "numTraining": 10,
    "file_ending": ".nii.gz",
}


def convert(acdc_root: Path, root: Path, record: dict[str, Any] = V2) -> Path:
    """The same scans in nnU-Net's layout."""
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        (root / folder).mkdir(parents=True)
    for case in ACDCSource(acdc_root).list_cases():
        assert case.target is not None
        shutil.copy(case.images[0], root / f"imagesTr/{case.case_id}_0000.nii.gz")
        shutil.copy(case.target, root / f"labelsTr/{case.case_id}.nii.gz")
    (root / "dataset.json").write_text(json.dumps(record))
    return root


@pytest.fixture
def root(acdc_root: Path, tmp_path: Path) -> Path:
    return convert(acdc_root, tmp_path / "Dataset027_ACDC")


@pytest.mark.parametrize("record", [V1, V2], ids=["v1", "v2"])
def test_converted_scans_are_the_same_arrays(acdc_root: Path, tmp_path: Path, record: dict[str, Any]) -> None:
    official = ACDCSource(acdc_root)
    source = NnUNetSource(convert(acdc_root, tmp_path / "d", record), subject_pattern=r"(patient\d+)_")
    pairs = list(zip(official.list_cases(), source.list_cases(), strict=True))
    assert len(pairs) == 10
    for expected, files in pairs:
        assert (files.case_id, files.subject_id) == (expected.case_id, expected.subject_id)
        a, b = official.read_case(expected), source.read_case(files)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.target, b.target)
        np.testing.assert_array_equal(a.affine, b.affine)
        assert a.spacing_mm == b.spacing_mm
    assert (source.labels, source.channels) == (NAMES, ("MR",))


def test_channels_come_in_the_order_of_their_numbers(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({**V2, "channel_names": {"1": "double", "0": "MR"}}))
    for path in sorted((root / "imagesTr").iterdir()):
        image = nibabel.load(path)
        doubled = nibabel.Nifti1Image(2 * np.asarray(image.dataobj), image.affine)
        nibabel.save(doubled, path.with_name(path.name.replace("_0000", "_0001")))
    source = NnUNetSource(root)
    files = source.list_cases()[0]
    assert [path.name[-11:] for path in files.images] == ["0000.nii.gz", "0001.nii.gz"]
    case = source.read_case(files)
    assert case.image.shape[0] == 2
    np.testing.assert_array_equal(case.image[1], 2 * case.image[0])
    files.images[1].unlink()
    with pytest.raises(DataError, match=r"_0001\.nii\.gz: must exist"):
        source.read_case(source.list_cases()[0])


def test_each_case_is_a_subject_without_a_pattern(root: Path) -> None:
    assert all(case.subject_id == case.case_id for case in NnUNetSource(root).list_cases())


def test_halves_of_a_pair_are_listed_so_that_reading_reports_them(root: Path) -> None:
    (root / "imagesTr/patient001_frame01_0000.nii.gz").unlink()
    (root / "labelsTr/patient002_frame01.nii.gz").unlink()
    source = NnUNetSource(root)
    cases = {case.case_id: case for case in source.list_cases()}
    assert len(cases) == 10
    with pytest.raises(DataError, match=r"imagesTr/patient001_frame01_0000\.nii\.gz: must exist"):
        source.read_case(cases["patient001_frame01"])
    with pytest.raises(DataError, match=r"labelsTr/patient002_frame01\.nii\.gz: must exist"):
        source.read_case(cases["patient002_frame01"])


def test_hidden_and_test_files_are_left_out(root: Path) -> None:
    for name in ("imagesTr/._patient001_frame01_0000.nii.gz", "labelsTr/._x.nii.gz", "imagesTs/y_0000.nii.gz"):
        (root / name).touch()
    assert len(NnUNetSource(root).list_cases()) == 10


def test_plain_nifti(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({**V2, "file_ending": ".nii"}))
    for path in [*(root / "imagesTr").iterdir(), *(root / "labelsTr").iterdir()]:
        nibabel.save(nibabel.load(path), path.with_suffix(""))
        path.unlink()
    source = NnUNetSource(root)
    assert source.list_cases()[0].images[0].name == "patient001_frame01_0000.nii"
    assert source.read_case(source.list_cases()[0]).image.shape[0] == 1


def test_a_channel_that_dataset_json_does_not_know_is_refused(root: Path) -> None:
    (root / "imagesTr/patient001_frame01_0001.nii.gz").touch()
    with pytest.raises(DataError, match=r"_0001\.nii\.gz: channel must be one of the 1 .*\(MR\), got 0001"):
        NnUNetSource(root).list_cases()


def test_the_decathlons_layout_is_recognised(root: Path) -> None:
    for path in (root / "imagesTr").iterdir():
        path.rename(path.with_name(path.name.replace("_0000", "")))
    with pytest.raises(DataError, match=r"imagesTr: must hold a file per channel, .* Say data=msd\."):
        NnUNetSource(root).list_cases()


def test_empty_and_missing_folders_are_named(root: Path) -> None:
    for path in (root / "imagesTr").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"imagesTr: must hold a file per channel, .*got none"):
        NnUNetSource(root).list_cases()
    shutil.rmtree(root / "labelsTr")
    with pytest.raises(DataError, match="labelsTr: must be a folder"):
        NnUNetSource(root).list_cases()


def test_files_that_are_no_nifti_are_refused_at_once(root: Path) -> None:
    (root / "dataset.json").write_text(json.dumps({**V2, "file_ending": ".nrrd"}))
    with pytest.raises(DataError, match=r'file_ending must be \.nii\.gz or \.nii, got "\.nrrd"'):
        NnUNetSource(root)


@pytest.mark.slow
def test_real_acdc_converted(realdata_dir: Path, tmp_path: Path) -> None:
    for patient in ("patient001", "patient021"):
        shutil.copytree(realdata_dir / "acdc/training" / patient, tmp_path / "few/training" / patient)
    official = ACDCSource(tmp_path / "few")
    source = NnUNetSource(convert(tmp_path / "few", tmp_path / "d"))
    for expected, files in zip(official.list_cases(), source.list_cases(), strict=True):
        a, b = official.read_case(expected), source.read_case(files)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.target, b.target)
