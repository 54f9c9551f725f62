"""BraTS of every year: the same cases out of each layout, and labels that can't be of the year are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.brats import BraTSSource, detect_year
from mlseg.data.nifti import read_volume
from mlseg.data.phantom import write_phantom_brats

YEARS = (2018, 2019, 2020, 2021, 2023)


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Three subjects in the layout of each year; read only."""
    folder = tmp_path_factory.mktemp("phantom")
    return {year: write_phantom_brats(folder / str(year), subjects=3, shape=(8, 40, 40), year=year) for year in YEARS}


@pytest.fixture
def copy(roots: dict[int, Path], tmp_path: Path) -> Callable[[int], Path]:
    """A copy of one year's phantom, to be damaged."""
    return lambda year: Path(shutil.copytree(roots[year], tmp_path / f"copy{year}"))


@pytest.mark.parametrize("year", YEARS)
def test_the_same_scans_come_out_of_every_layout(roots: dict[int, Path], year: int) -> None:
    source, reference = BraTSSource(roots[year]), BraTSSource(roots[2018])
    first, expected = source.read_case(source.list_cases()[0]), reference.read_case(reference.list_cases()[0])
    np.testing.assert_array_equal(first.image, expected.image)
    np.testing.assert_array_equal(first.target, expected.target)
    assert first.image.shape == (4, 8, 40, 40)
    assert set(np.unique(first.target)) == {0, 1, 2, 3}


@pytest.mark.parametrize("year", YEARS)
def test_channels_are_in_a_fixed_order(roots: dict[int, Path], year: int) -> None:
    source = BraTSSource(roots[year])
    files = source.list_cases()[0]
    names = [path.name.removeprefix(files.case_id)[1:].split(".")[0] for path in files.images]
    assert names == (["t1n", "t1c", "t2w", "t2f"] if year == 2023 else ["t1", "t1ce", "t2", "flair"])
    assert source.channels == ("T1", "T1ce", "T2", "FLAIR")
    chosen = BraTSSource(roots[year], channels=["FLAIR"])
    np.testing.assert_array_equal(chosen.read_case(chosen.list_cases()[0]).image[0], source.read_case(files).image[3])


def test_stored_values_of_each_generation(roots: dict[int, Path]) -> None:
    for year, stored_values in ((2021, (0, 1, 2, 4)), (2023, (0, 1, 2, 3))):
        source = BraTSSource(roots[year])
        files = source.list_cases()[0]
        assert files.target is not None
        stored, target = read_volume(files.target).array, source.read_case(files).target
        assert tuple(np.unique(stored)) == stored_values
        for index, value in enumerate(stored_values):
            np.testing.assert_array_equal(target == index, stored == value)


@pytest.mark.parametrize(("year", "grades"), [(2018, True), (2019, True), (2020, True), (2021, False), (2023, False)])
def test_grades_come_from_folders_or_tables(roots: dict[int, Path], year: int, grades: bool) -> None:
    groups = {case.subject_id: case.group for case in BraTSSource(roots[year]).list_cases()}
    assert [groups[subject] for subject in sorted(groups)] == (["HGG", "HGG", "LGG"] if grades else ["", "", ""])


def test_the_folder_of_one_grade_can_be_the_root(roots: dict[int, Path]) -> None:
    (case,) = BraTSSource(roots[2018] / "LGG").list_cases()
    assert (case.case_id, case.group) == ("Brats18_PHA_003_1", "LGG")


def test_time_points_of_2023_are_frames_of_one_subject(roots: dict[int, Path]) -> None:
    cases = BraTSSource(roots[2023]).list_cases()
    assert [(case.case_id, case.subject_id, case.frame) for case in cases[-2:]] == [
        ("BraTS-GLI-00003-000", "BraTS-GLI-00003", "000"),
        ("BraTS-GLI-00003-001", "BraTS-GLI-00003", "001"),
    ]
    old = BraTSSource(roots[2019]).list_cases()[0]
    assert (old.subject_id, old.frame) == (old.case_id, "")


def test_labels_of_the_other_generation_are_refused(
    copy: Callable[[int], Path], change_volume: Callable[..., None]
) -> None:
    old, new = copy(2021), copy(2023)
    first = old / "BraTS2021_00001/BraTS2021_00001_seg.nii.gz"
    change_volume(first, lambda array: np.where(array == 4, 3, array))
    source = BraTSSource(old)
    message = (
        r"BraTS2021_00001_seg\.nii\.gz: labels must .* 4 \(ET\), got 3 in \d+ voxels\. Until 2022 .* data\.year=2023"
    )
    with pytest.raises(DataError, match=message):
        source.read_case(source.list_cases()[0])
    explicit = BraTSSource(old, year=2023)
    assert set(np.unique(explicit.read_case(explicit.list_cases()[0]).target)) == {0, 1, 2, 3}
    change_volume(
        new / "BraTS-GLI-00001-000/BraTS-GLI-00001-000-seg.nii.gz", lambda array: np.where(array == 3, 4, array)
    )
    source = BraTSSource(new)
    with pytest.raises(DataError, match=r"got 4 in \d+ voxels\. From 2023 .* data\.year=2021.*resection cavity"):
        source.read_case(source.list_cases()[0])


def test_the_year_is_told_from_the_names() -> None:
    assert detect_year("BraTS-GLI-00000-000-t1n.nii.gz") == 2023
    assert detect_year("BraTS2021_00000_t1.nii.gz") == 2021
    assert detect_year("scan.nii.gz") == 2021


def test_validation_data_are_left_out_but_a_missing_reference_is_reported(copy: Callable[[int], Path]) -> None:
    root = copy(2020)
    training = root / "MICCAI_BraTS2020_TrainingData"
    held_back = Path(shutil.copytree(training / "BraTS20_Training_002", root / "Validation/BraTS20_Validation_001"))
    for path in held_back.iterdir():
        if "_seg" in path.name:
            path.unlink()
        else:
            path.rename(held_back / path.name.replace("Training_002", "Validation_001"))
    (training / "BraTS20_Training_001/BraTS20_Training_001_seg.nii").unlink()
    source = BraTSSource(root)
    cases = source.list_cases()
    assert [case.case_id for case in cases] == [f"BraTS20_Training_00{n}" for n in (1, 2, 3)]
    with pytest.raises(DataError, match=r"BraTS20_Training_001_seg\.nii\.gz: must exist"):
        source.read_case(cases[0])
    assert source.read_case(cases[1]).case_id == "BraTS20_Training_002"


@pytest.mark.parametrize("year", [2018, 2023])
def test_a_missing_channel_is_named(copy: Callable[[int], Path], year: int) -> None:
    root = copy(year)
    source = BraTSSource(root)
    path = source.list_cases()[0].images[2]
    path.unlink()
    with pytest.raises(DataError, match=f"{path.name}: must exist"):
        source.read_case(source.list_cases()[0])


def test_two_releases_under_one_root_are_refused(roots: dict[int, Path], tmp_path: Path) -> None:
    for year in (2020, 2023):
        shutil.copytree(roots[year], tmp_path / str(year))
    with pytest.raises(DataError, match="must hold one release of BraTS, because they share patients") as caught:
        BraTSSource(tmp_path).list_cases()
    assert "BraTS20_Training_001 and 2023/BraTS-GLI-00001-000" in str(caught.value)
    assert len(BraTSSource(tmp_path / "2023").list_cases()) == 4


def test_a_case_in_two_places_is_refused(copy: Callable[[int], Path]) -> None:
    root = copy(2018)
    shutil.copytree(root / "HGG/Brats18_PHA_001_1", root / "LGG/Brats18_PHA_001_1")
    with pytest.raises(DataError, match="Brats18_PHA_001_1: a case must be in one place"):
        BraTSSource(root).list_cases()


def test_nothing_there_says_what_to_type(tmp_path: Path) -> None:
    for root, state in ((tmp_path / "nowhere", "no such folder"), (tmp_path, "none there")):
        with pytest.raises(DataError, match=f"got {state}") as caught:
            BraTSSource(root).list_cases()
        assert str(caught.value).startswith(f"{root}: must hold cases with a reference")
        assert "mlseg-phantom data=brats" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": ["background", "tumour"]},
        {"labels": ["background", "NCR", "NCR", "ET"]},
        {"channels": ["T1", "T1gd"]},
        {"year": 2016},
        {"year": "new"},
        {"orientation": "LLL"},
    ],
)
def test_arguments_are_checked(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        BraTSSource(tmp_path, **wrong)  # type: ignore[arg-type]
