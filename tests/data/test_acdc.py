"""Finding ACDC's frames in every layout the archives have, with and without Info.cfg."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.acdc import ACDCSource
from mlseg.data.nifti import read_volume, to_stored


def ids(root: Path) -> list[str]:
    return [case.case_id for case in ACDCSource(root).list_cases()]


@pytest.mark.parametrize("place", ["training", "database/training", "testing", "database/testing", "."])
def test_layouts(acdc_root: Path, tmp_path: Path, place: str) -> None:
    shutil.copytree(acdc_root / "training", tmp_path / place, dirs_exist_ok=True)
    assert ids(tmp_path) == ids(acdc_root)
    assert len(ids(tmp_path)) == 10


def test_training_and_testing_are_both_read(acdc_copy: Path) -> None:
    (acdc_copy / "testing").mkdir()
    (acdc_copy / "training/patient005").rename(acdc_copy / "testing/patient005")
    cases = ACDCSource(acdc_copy).list_cases()
    assert [case.subject_id for case in cases[-2:]] == ["patient005"] * 2
    assert {case.images[0].parent.parent.name for case in cases} == {"training", "testing"}


def test_cases_carry_subject_frame_and_group(acdc_root: Path) -> None:
    cases = ACDCSource(acdc_root).list_cases()
    first, second = cases[:2]
    assert (first.case_id, first.subject_id, first.frame, first.group) == (
        "patient001_frame01",
        "patient001",
        "ED",
        "DCM",
    )
    assert (second.subject_id, second.frame) == ("patient001", "ES")
    assert first.images[0].name == "patient001_frame01.nii.gz"
    assert first.target is not None
    assert first.target.name == "patient001_frame01_gt.nii.gz"


def test_info_decides_which_frame_is_ed(acdc_copy: Path) -> None:
    info = acdc_copy / "training/patient001/Info.cfg"
    es = int(info.read_text().split("ES: ")[1].split()[0])
    info.write_text(f"ED: {es}\nES: 1\nGroup: NOR\n")
    first, second = ACDCSource(acdc_copy).list_cases()[:2]
    assert (first.frame, second.frame, first.group) == ("ES", "ED", "NOR")


def test_without_info_the_lower_frame_is_ed(acdc_copy: Path) -> None:
    (acdc_copy / "training/patient001/Info.cfg").unlink()
    first, second = ACDCSource(acdc_copy).list_cases()[:2]
    assert (first.frame, second.frame, first.group) == ("ED", "ES", "")


def test_one_frame_without_info_has_no_name(acdc_copy: Path) -> None:
    (acdc_copy / "training/patient001/Info.cfg").unlink()
    for path in (acdc_copy / "training/patient001").glob("*_frame01*"):
        path.unlink()
    assert ACDCSource(acdc_copy).list_cases()[0].frame == ""


def test_a_broken_info_is_named(acdc_copy: Path) -> None:
    info = acdc_copy / "training/patient003/Info.cfg"
    info.write_text("ED: first\n")
    with pytest.raises(DataError, match=r"patient003/Info\.cfg: ED must be a frame number, got 'first'"):
        ids(acdc_copy)
    info.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"patient003/Info\.cfg: must be a text file"):
        ids(acdc_copy)


def test_listing_reads_no_image_and_ignores_other_files(acdc_copy: Path) -> None:
    before = ids(acdc_copy)
    patient = acdc_copy / "training/patient001"
    for name in ("patient001_4d.nii.gz", "._patient001_frame01.nii.gz", "patient002_frame07_gt.nii.gz", "notes.txt"):
        (patient / name).write_bytes(b"not an image")
    for path in patient.glob("patient001_frame*"):
        path.write_bytes(b"")
    assert ids(acdc_copy) == before


def test_uncompressed_files_are_found(acdc_copy: Path) -> None:
    patient = acdc_copy / "training/patient001"
    for path in patient.glob("*.nii.gz"):
        path.rename(path.with_suffix(""))
    first = ACDCSource(acdc_copy).list_cases()[0]
    assert first.images[0].name == "patient001_frame01.nii"
    assert first.images[0].is_file()


def test_a_missing_half_of_a_pair_is_listed_so_that_reading_reports_it(acdc_copy: Path) -> None:
    patient = acdc_copy / "training/patient001"
    for name in ("patient001_frame01.nii.gz", "patient001_frame01_gt.nii.gz"):
        aside = patient / "aside"
        (patient / name).rename(aside)
        source = ACDCSource(acdc_copy)
        with pytest.raises(DataError, match=rf"{name}: must exist"):
            source.read_case(source.list_cases()[0])
        aside.rename(patient / name)


def test_test_patients_without_references_are_left_out(acdc_copy: Path) -> None:
    (acdc_copy / "testing").mkdir()
    patient = (acdc_copy / "training/patient005").rename(acdc_copy / "testing/patient005")
    for path in patient.glob("*_gt.nii.gz"):
        path.unlink()
    assert {case.subject_id for case in ACDCSource(acdc_copy).list_cases()} == {f"patient00{n}" for n in range(1, 5)}


def test_a_patient_in_two_places_is_refused(acdc_copy: Path) -> None:
    shutil.copytree(acdc_copy / "training/patient002", acdc_copy / "testing/patient002")
    with pytest.raises(DataError, match="patient002: a patient must be in one place"):
        ids(acdc_copy)


def test_a_missing_root_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder") as caught:
        ids(tmp_path / "nowhere")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'nowhere'}: must hold training/patient001")
    assert "data.root=" in message
    assert "mlseg-phantom" in message
    assert "\n" not in message


def test_folders_without_patients_or_frames_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no patient folders there"):
        ids(tmp_path)
    (tmp_path / "training/patient001").mkdir(parents=True)
    with pytest.raises(DataError, match="training: must hold frames such as"):
        ids(tmp_path)


def test_read_case_gives_the_stored_arrays(acdc_root: Path) -> None:
    source = ACDCSource(acdc_root)
    files = source.list_cases()[1]
    case = source.read_case(files)
    stored = read_volume(files.images[0])
    assert case.image.dtype == np.float32
    np.testing.assert_array_equal(case.image[0], stored.array)
    assert files.target is not None
    np.testing.assert_array_equal(case.target, read_volume(files.target).array)
    assert case.target.dtype == np.uint8
    assert case.spacing_mm == stored.spacing_mm
    assert (case.case_id, case.frame, case.group) == (files.case_id, "ES", "DCM")


def test_orientation_turns_image_and_target_alike(acdc_root: Path) -> None:
    native, turned = ACDCSource(acdc_root), ACDCSource(acdc_root, orientation="SAR")
    files = native.list_cases()[0]
    a, b = native.read_case(files), turned.read_case(files)
    assert b.target.shape != a.target.shape
    assert b.spacing_mm != a.spacing_mm
    for before, after in ((a.image[0], b.image[0]), (a.target, b.target)):
        np.testing.assert_array_equal(to_stored(after, b.affine, "SAR"), before.transpose(2, 1, 0))
    np.testing.assert_array_equal(a.affine, b.affine)


@pytest.mark.parametrize(
    "wrong", [{"labels": ["background"]}, {"labels": ["a", "a"]}, {"channels": []}, {"orientation": "LLL"}]
)
def test_arguments_are_checked(acdc_root: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ACDCSource(acdc_root, **wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_real_acdc(realdata_dir: Path) -> None:
    source = ACDCSource(realdata_dir / "acdc")
    cases = source.list_cases()
    assert len(cases) == 160
    assert {case.group for case in cases} == {"DCM", "HCM", "MINF", "NOR", "RV"}
    assert [case.frame for case in cases[:2]] == ["ED", "ES"]
    case = source.read_case(cases[0])
    assert case.image.shape == (1, 10, 256, 216)
    assert case.spacing_mm == (10.0, 1.5625, 1.5625)
    assert set(np.unique(case.target)) == {0, 1, 2, 3}
