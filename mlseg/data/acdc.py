"""ACDC: cine cardiac MR with RV, myocardium and LV, from the official layout.

Source: Bernard et al., IEEE TMI 2018. Layout: training/patient001/patient001_frame01.nii.gz with its _gt.nii.gz and
Info.cfg; testing/ beside it in the release of 2022; both below database/ in the archive itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mlseg.checks import ConfigError, DataError
from mlseg.data.nifti import NATIVE, check_orientation
from mlseg.data.reading import read_labelled_case
from mlseg.types import Case, CaseFiles

_PATIENT = re.compile(r"patient\d+")
_FRAME = re.compile(r"(?P<patient>patient\d+)_frame(?P<frame>\d+)\.nii(\.gz)?")
_PLACES = (("training", "database/training"), ("testing", "database/testing"))


class ACDCSource:
    """The ED and ES frames of every patient below `root`.

    Args:
        root: the folder that holds training/ (or database/training, or the patient folders); testing/ beside it is
            taken too.
        labels: class names in the order of the stored values, background first.
        channels: one name; ACDC has one channel.
        orientation: axis codes that every scan is brought to (e.g. "LPS"), or "native" to keep the stored axes.

    Raises:
        ConfigError: labels, channels or orientation can't be used.
    """

    name = "acdc"

    def __init__(
        self,
        root: str | Path,
        *,
        labels: Sequence[str] = ("background", "RV", "Myo", "LV"),
        channels: Sequence[str] = ("MR",),
        orientation: str = NATIVE,
    ) -> None:
        if not 2 <= len(labels) <= 256 or len(set(labels)) != len(labels):
            raise ConfigError(
                f"ACDCSource: labels must be 2 to 256 different names, got {list(labels)}. "
                "Write [background, RV, Myo, LV]."
            )
        if len(channels) != 1:
            raise ConfigError(f"ACDCSource: channels must be one name, got {list(channels)}. Write [MR].")
        check_orientation(orientation)
        self.root = Path(root).expanduser()
        self.labels = tuple(labels)
        self.channels = tuple(channels)
        self.orientation = orientation

    def list_cases(self) -> list[CaseFiles]:
        """Every frame that has a reference, sorted by case_id; reads Info.cfg but no image.

        A frame of a patient in training/ whose reference is missing is listed too, so that reading reports it; a
        patient in testing/ without any is left out, because the first release of the challenge kept them back.

        Raises:
            DataError: no patients below `root`, the same patient in two places, or an Info.cfg that can't be read.
        """
        cases: dict[str, CaseFiles] = {}
        folders = self._find_folders()
        patients = [patient for folder in folders for patient in sorted(folder.iterdir()) if _is_patient(patient)]
        seen: dict[str, Path] = {}
        for patient in patients:
            if patient.name in seen:
                raise DataError(
                    f"{patient}: a patient must be in one place, got {seen[patient.name]} too. Remove one of them."
                )
            seen[patient.name] = patient
            for case in _list_patient(patient):
                cases[case.case_id] = case
        if not cases:
            raise DataError(
                f"{folders[0]}: must hold frames such as patient001/patient001_frame01.nii.gz with their _gt.nii.gz, "
                "got none. Unpack the archive there, or give data.root=/my/ACDC."
            )
        return [cases[case_id] for case_id in sorted(cases)]

    def read_case(self, files: CaseFiles) -> Case:
        """Read and check one frame. Raises DataError with one line per problem, each naming its file."""
        return read_labelled_case(files, labels=self.labels, channels=self.channels, orientation=self.orientation)

    def _find_folders(self) -> list[Path]:
        try:
            found = [
                next((self.root / place for place in places if _has_patients(self.root / place)), None)
                for places in _PLACES
            ]
            folders = [folder for folder in found if folder] or ([self.root] if _has_patients(self.root) else [])
        except PermissionError as error:
            raise DataError(f"{error.filename}: must be readable, got {error.strerror}. Change its rights.") from error
        if folders:
            return folders
        state = "no patient folders there" if self.root.is_dir() else "no such folder"
        raise DataError(
            f"{self.root}: must hold training/patient001 (or database/training/patient001, or patient001), "
            f"got {state}. Download ACDC and give data.root=/my/ACDC, or write a phantom: "
            "mlseg-phantom root=data/raw/phantom, then data=phantom."
        )


def _is_patient(folder: Path) -> bool:
    return bool(_PATIENT.fullmatch(folder.name)) and folder.is_dir()


def _has_patients(folder: Path) -> bool:
    return folder.is_dir() and any(_is_patient(child) for child in folder.iterdir())


def _list_patient(patient: Path) -> list[CaseFiles]:
    """The frames of one patient; 4-D files and anything else in the folder are ignored."""
    names = {entry.name for entry in os.scandir(patient)}
    numbers: dict[int, str] = {}
    for name in sorted(names):
        match = _FRAME.fullmatch(name.replace("_gt.nii", ".nii"))
        if match and match["patient"] == patient.name:
            numbers[int(match["frame"])] = f"{patient.name}_frame{match['frame']}"
    info = read_info(patient / "Info.cfg") if "Info.cfg" in names else {}
    frames = name_frames(patient / "Info.cfg", info, sorted(numbers))
    held_back = patient.parent.name == "testing" and not any("_gt.nii" in name for name in names)
    if held_back:
        return []
    return [
        CaseFiles(
            case_id=stem,
            subject_id=patient.name,
            images=(patient / _present(f"{stem}.nii.gz", f"{stem}.nii", names),),
            target=patient / _present(f"{stem}_gt.nii.gz", f"{stem}_gt.nii", names),
            group=info.get("Group", ""),
            frame=frames.get(number, ""),
        )
        for number, stem in sorted(numbers.items())
    ]


def _present(compressed: str, plain: str, names: set[str]) -> str:
    return plain if plain in names and compressed not in names else compressed


def read_info(path: Path) -> dict[str, str]:
    """The `key: value` lines of an Info.cfg. Raises DataError if the file can't be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: must be a text file, got {error}. Download it again or remove it.") from error
    return {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}


def name_frames(path: Path, info: dict[str, str], numbers: Sequence[int]) -> dict[int, str]:
    """ED or ES for the frame numbers: as Info.cfg says; without it, of two frames the first is ED and the second ES.

    Raises:
        DataError: Info.cfg gives something else than a frame number.
    """
    if "ED" not in info and "ES" not in info:
        return dict(zip(numbers, ("ED", "ES"), strict=True)) if len(numbers) == 2 else {}
    frames: dict[int, str] = {}
    for phase in ("ED", "ES"):
        text = info.get(phase, "")
        if text and not text.isdecimal():
            raise DataError(f"{path}: {phase} must be a frame number, got {text!r}. Correct it or remove the file.")
        if text:
            frames[int(text)] = phase
    return frames
