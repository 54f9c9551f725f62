"""What MSD's and nnU-Net's layouts share: a folder with dataset.json, imagesTr and labelsTr, and how a case is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mlseg.checks import DataError
from mlseg.data.dataset_json import FILE, FILE_ENDINGS, describe_dataset
from mlseg.data.nifti import NATIVE, check_orientation
from mlseg.data.reading import read_labelled_case
from mlseg.data.subjects import check_pattern
from mlseg.types import Case, CaseFiles

IMAGES, LABELS = "imagesTr", "labelsTr"


class TaskFolder:
    """The settings of such a source, most of them from dataset.json; a layout adds `list_cases`.

    Args:
        root: the folder that holds dataset.json.
        labels: class names by rising stored value, background first; None takes them from dataset.json.
        channels: channel names; None takes them from dataset.json.
        orientation: axis codes that every scan is brought to (e.g. "LPS"), or "native" to keep the stored axes.
        subject_pattern: a regular expression whose one group finds the person in a case id; None makes each case a
            person, which is wrong where a person has several scans.

    Raises:
        ConfigError: an argument can't be used.
        DataError: dataset.json is missing or can't be used.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        labels: Sequence[str] | None = None,
        channels: Sequence[str] | None = None,
        orientation: str = NATIVE,
        subject_pattern: str | None = None,
    ) -> None:
        check_orientation(orientation)
        if subject_pattern is not None:
            check_pattern(subject_pattern)
        self.root = Path(root).expanduser()
        description = describe_dataset(self.root, labels=labels, channels=channels)
        self.labels, self.channels = description.labels, description.channels
        self.label_map = description.label_map
        self.file_ending = description.file_ending
        self.orientation = orientation
        self.subject_pattern = subject_pattern

    def read_case(self, files: CaseFiles) -> Case:
        """Read and check one case. Raises DataError with one line per problem, each naming its file."""
        return read_labelled_case(
            files,
            labels=self.labels,
            channels=self.channels,
            orientation=self.orientation,
            label_map=self.label_map,
            label_remedy=f"Correct the file, or labels in {self.root / FILE}.",
        )

    def place(self, found: dict[str, Path], folder: str, stem: str) -> Path:
        """The file that was found under a name, or else where it should be, so that reading reports it missing."""
        return found.get(stem, self.root / folder / f"{stem}{self.file_ending}")


def find_images(folder: Path) -> dict[str, Path]:
    """The NIfTI files of a folder by their name without ending; hidden ones, such as a Mac's `._*`, are left out.

    Raises:
        DataError: no such folder, or it can't be read.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{folder}: must be a folder of .nii.gz files, got no such folder. Download it or correct data.root."
        ) from error
    except OSError as error:
        raise DataError(f"{folder}: must be readable, got {error.strerror}. Change its rights.") from error
    found = [name for name in names if name.endswith(FILE_ENDINGS) and not name.startswith(".")]
    # In ascending order x.nii.gz comes after x.nii, and counts where both are there.
    return {strip_ending(name): folder / name for name in found}


def strip_ending(name: str) -> str:
    """The name of a NIfTI file without folder and ending.

    Example:
        >>> strip_ending("./labelsTr/hippocampus_001.nii.gz")
        'hippocampus_001'
    """
    return name.rsplit("/", 1)[-1].removesuffix(".gz").removesuffix(".nii")
