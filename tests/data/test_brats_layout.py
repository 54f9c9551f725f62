"""What BraTS's file names say, where its cases are found, and its tables of grades."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlseg.checks import DataError
from mlseg.data.brats_layout import find_cases, parse_name, read_grades

TABLE_2020 = (
    "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,BraTS_2019_subject_ID,BraTS_2020_subject_ID\n"
    "HGG,Brats17_CBICA_AAB_1,Brats18_CBICA_AAB_1,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001\n"
    "LGG,NA,NA,TCGA-CS-4941,BraTS19_TCIA10_241_1,BraTS20_Training_270\n"
)


def make(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "case_id", "subject_id", "frame", "part"),
    [
        ("Brats18_2013_2_1_t1ce.nii.gz", "Brats18_2013_2_1", "Brats18_2013_2_1", "", "t1ce"),
        ("BraTS20_Training_001_flair.nii", "BraTS20_Training_001", "BraTS20_Training_001", "", "flair"),
        ("BraTS2021_00000_seg.nii.gz", "BraTS2021_00000", "BraTS2021_00000", "", "seg"),
        ("BraTS-GLI-00002-001-t2f.nii.gz", "BraTS-GLI-00002-001", "BraTS-GLI-00002", "001", "t2f"),
        ("BraTS-MET-00002-000-seg.nii.gz", "BraTS-MET-00002-000", "BraTS-MET-00002", "000", "seg"),
    ],
)
def test_names(name: str, case_id: str, subject_id: str, frame: str, part: str) -> None:
    found = parse_name(name)
    assert found is not None
    assert (found.case_id, found.subject_id, found.frame, found.part) == (case_id, subject_id, frame, part)
    assert found.is_new == bool(frame)


@pytest.mark.parametrize(
    "name",
    [
        "name_mapping.csv",
        "._BraTS2021_00000_t1.nii.gz",
        "BraTS2021_00000_t1.png",
        "BraTS2021_00000_t1gd.nii.gz",
        "x.nii",
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert parse_name(name) is None


def test_cases_are_found_at_any_depth_and_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    make(
        tmp_path / "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/BraTS20_Training_001",
        "BraTS20_Training_001_t1.nii",
    )
    make(tmp_path / "HGG/Brats18_2013_2_1", "Brats18_2013_2_1_t1.nii.gz", "notes.txt")
    make(tmp_path / ".trash/Brats18_2013_3_1", "Brats18_2013_3_1_t1.nii.gz")
    make(tmp_path / "a/b/c/d/e", "BraTS2021_00000_t1.nii.gz")
    cases, _ = find_cases(tmp_path)
    assert [case.case_id for case in cases] == ["BraTS20_Training_001", "Brats18_2013_2_1"]
    assert [case.release for case in cases] == ["brats20", "brats18"]
    assert [case.grade for case in cases] == ["", "HGG"]
    assert cases[1].path("t1").is_file()
    assert cases[1].path("seg").name == "Brats18_2013_2_1_seg.nii.gz"
    assert find_cases(tmp_path / "nowhere") == ([], [])


def test_links_are_followed(tmp_path: Path) -> None:
    make(tmp_path / "store/BraTS2021_00000", "BraTS2021_00000_t1.nii.gz")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path / "store")
    assert [case.case_id for case in find_cases(tmp_path / "root")[0]] == ["BraTS2021_00000"]


def test_compressed_files_come_first(tmp_path: Path) -> None:
    make(tmp_path / "BraTS2021_00000", "BraTS2021_00000_t1.nii", "BraTS2021_00000_t1.nii.gz", "BraTS2021_00000_t2.nii")
    (case,), _ = find_cases(tmp_path)
    assert case.files == {"t1": "BraTS2021_00000_t1.nii.gz", "t2": "BraTS2021_00000_t2.nii"}


def test_the_reference_of_case_355_of_2020_is_known_by_its_old_name(tmp_path: Path) -> None:
    folder = tmp_path / "BraTS20_Training_355"
    make(folder, "BraTS20_Training_355_t1.nii", "W39_1998.09.19_Segm.nii")
    (case,), _ = find_cases(tmp_path)
    assert case.path("seg") == folder / "W39_1998.09.19_Segm.nii"
    make(folder, "BraTS20_Training_355_seg.nii")
    assert find_cases(tmp_path)[0][0].path("seg").name == "BraTS20_Training_355_seg.nii"


def test_grades_of_every_year_are_in_the_table(tmp_path: Path) -> None:
    make(tmp_path / "data/BraTS20_Training_001", "BraTS20_Training_001_t1.nii")
    table = tmp_path / "data/name_mapping.csv"
    table.write_text(TABLE_2020)
    (tmp_path / "data/name_mapping_validation_data.csv").write_text("BraTS_2020_subject_ID\nBraTS20_Validation_001\n")
    _, tables = find_cases(tmp_path)
    assert len(tables) == 2
    grades = read_grades(tables)
    assert grades["BraTS20_Training_001"] == grades["Brats18_CBICA_AAB_1"] == "HGG"
    assert grades["BraTS20_Training_270"] == grades["BraTS19_TCIA10_241_1"] == "LGG"
    assert "BraTS20_Validation_001" not in grades


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "name_mapping.csv"
    path.write_bytes(b"Grade\xff\xfe\n")
    with pytest.raises(DataError, match=r"name_mapping\.csv: must be a text file"):
        read_grades([path])
