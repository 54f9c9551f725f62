"""Where the files of BraTS are: names of two generations, in folders of any depth, and the tables of tumour grades."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlseg.checks import DataError

GRADES = ("HGG", "LGG")
# root/BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/BraTS20_Training_001 is the deepest that archives go.
_DEPTH = 4
_OLD_NAME = re.compile(r"(?P<case>[^.].*)_(?P<part>t1|t1ce|t2|flair|seg)\.nii(\.gz)?")
_NEW_NAME = re.compile(
    r"(?P<case>(?P<subject>BraTS-[A-Za-z]+-\d+)-(?P<frame>\d+))-(?P<part>t1n|t1c|t2w|t2f|seg)\.nii(\.gz)?"
)
_RELEASE = re.compile(r"brats\d+(?=_)|brats(?=-)", re.IGNORECASE)
_STRAY_REFERENCE = re.compile(r"[^.].*_segm?\.nii(\.gz)?", re.IGNORECASE)
_TABLE = re.compile(r"name_mapping.*\.csv")


@dataclass(frozen=True, kw_only=True)
class Name:
    """What a file name says: whose it is, which part, and whether it is of the generation of 2023."""

    case_id: str
    subject_id: str
    frame: str
    part: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class FoundCase:
    """One case on disk: its files by the part that their names end in."""

    case_id: str
    subject_id: str
    frame: str
    is_new: bool
    folder: Path
    files: dict[str, str]

    @property
    def place(self) -> Path:
        """The folder around the case folder, which is training or validation data as a whole."""
        return self.folder.parent

    @property
    def grade(self) -> str:
        """HGG or LGG if a folder around the case says so."""
        return next((folder.name for folder in self.folder.parents if folder.name in GRADES), "")

    @property
    def release(self) -> str:
        """What the names of one year's release begin with, e.g. "brats19"; "" for names of one's own."""
        match = _RELEASE.match(self.case_id)
        return match[0].lower() if match else ""

    def path(self, part: str) -> Path:
        """The file of a part; if there is none, the one that is missed."""
        missing = f"{self.case_id}-{part}.nii.gz" if self.is_new else f"{self.case_id}_{part}.nii.gz"
        return self.folder / self.files.get(part, missing)


def parse_name(file_name: str) -> Name | None:
    """What a file name says, or None if it is not one of BraTS.

    Until 2022 a case is a subject; from 2023 on `BraTS-GLI-00000-000` and `-001` are two time points of one.

    Example:
        >>> parse_name("BraTS-GLI-00002-001-t2f.nii.gz").subject_id
        'BraTS-GLI-00002'
        >>> parse_name("BraTS19_2013_10_1_flair.nii").case_id
        'BraTS19_2013_10_1'
    """
    if match := _NEW_NAME.fullmatch(file_name):
        case_id, subject_id, frame = match["case"], match["subject"], match["frame"]
        return Name(case_id=case_id, subject_id=subject_id, frame=frame, part=match["part"], is_new=True)
    if match := _OLD_NAME.fullmatch(file_name):
        return Name(case_id=match["case"], subject_id=match["case"], frame="", part=match["part"], is_new=False)
    return None


def find_cases(root: Path) -> tuple[list[FoundCase], list[Path]]:
    """All cases below `root` and all tables of grades beside them; follows links, skips hidden folders.

    Raises:
        DataError: a folder can't be read.
    """
    cases: list[FoundCase] = []
    tables: list[Path] = []
    if root.is_dir():
        try:
            _walk(root, _DEPTH, cases, tables)
        except OSError as error:
            raise DataError(f"{error.filename}: must be readable, got {error.strerror}. Change its rights.") from error
    return cases, tables


def read_grades(tables: Iterable[Path]) -> dict[str, str]:
    """Case id -> HGG or LGG from the `name_mapping.csv` of 2019 and 2020; tables without grades say nothing.

    Raises:
        DataError: a table is not text.
    """
    grades: dict[str, str] = {}
    for table in tables:
        try:
            with table.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    grade = (row.get("Grade") or "").strip()
                    ids = [text for column, text in row.items() if column and column.startswith("BraTS_") and text]
                    grades.update(dict.fromkeys(ids, grade) if grade in GRADES else {})
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{table}: must be a text file, got {error}. Download it again or remove it.") from error
    return grades


def _walk(folder: Path, depth: int, cases: list[FoundCase], tables: list[Path]) -> None:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    names = [entry.name for entry in entries if entry.is_file()]
    here = _find_here(folder, names)
    cases += here
    tables += [folder / name for name in names if _TABLE.fullmatch(name)]
    if here or not depth:
        return
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            _walk(folder / entry.name, depth - 1, cases, tables)


def _find_here(folder: Path, names: list[str]) -> list[FoundCase]:
    """The cases whose files lie in this folder, usually one; of two files for a part the compressed one counts."""
    found: dict[str, FoundCase] = {}
    for file_name in names:
        name = parse_name(file_name)
        if name is None:
            continue
        case = found.setdefault(
            name.case_id,
            FoundCase(
                case_id=name.case_id,
                subject_id=name.subject_id,
                frame=name.frame,
                is_new=name.is_new,
                folder=folder,
                files={},
            ),
        )
        if file_name.endswith(".gz") or name.part not in case.files:
            case.files[name.part] = file_name
    if len(found) == 1:
        (case,) = found.values()
        # BraTS20_Training_355 came with its reference under the name that it had in the hospital.
        strays = [name for name in names if parse_name(name) is None and _STRAY_REFERENCE.fullmatch(name)]
        if "seg" not in case.files and len(strays) == 1:
            case.files["seg"] = strays[0]
    return list(found.values())
