"""MRBrainS18: brain MR of adults with T1, T1-IR and FLAIR, and GM, WM, CSF out of ten labels, from the official layout.

Source: Kuijf and Bennink, Grand Challenge on MR Brain Segmentation at MICCAI 2018. Layout:
training/1/pre/{reg_T1,reg_IR,FLAIR}.nii.gz with training/1/segm.nii.gz; test/ beside it in the published release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlseg.checks import DataError
from mlseg.data.label_map import check_channels, check_labels, read_label_map
from mlseg.data.nifti import NATIVE, check_orientation
from mlseg.data.reading import read_labelled_case
from mlseg.types import Case, CaseFiles

# Channel -> file in pre/, all on the grid of the FLAIR, bias field corrected.
CHANNELS = {"T1": "reg_T1", "IR": "reg_IR", "FLAIR": "FLAIR"}
# The official labels, merged to the three tissues of the paper; what is left out of GM, WM and CSF is background.
LABEL_MAP = {
    0: "background",
    1: "GM",  # cortical grey matter
    2: "GM",  # basal ganglia
    3: "WM",  # white matter
    4: "WM",  # white matter lesions
    5: "CSF",  # cerebrospinal fluid in the extracerebral space
    6: "CSF",  # ventricles
    7: "background",  # cerebellum
    8: "background",  # brain stem
    9: "background",  # infarction
    10: "background",  # other
}


class MRBrainS18Source:
    """The subjects below `root`, one case each.

    Args:
        root: the folder that holds training/ (or the subject folders); test/ beside it is taken too.
        labels: class names, background first.
        label_map: stored value -> class name, for each of the ten official labels and the background.
        channels: some of T1, IR and FLAIR, in the order that the network gets them.
        orientation: axis codes that every scan is brought to (e.g. "LPS"), or "native" to keep the stored axes.

    Raises:
        ConfigError: labels, label_map, channels or orientation can't be used.
    """

    name = "mrbrains18"

    def __init__(
        self,
        root: str | Path,
        *,
        labels: Sequence[str] = ("background", "GM", "WM", "CSF"),
        label_map: Mapping[Any, str] = LABEL_MAP,
        channels: Sequence[str] = ("T1", "IR", "FLAIR"),
        orientation: str = NATIVE,
    ) -> None:
        self.root = Path(root).expanduser()
        self.labels = check_labels("MRBrainS18Source", labels)
        self.label_map = read_label_map("MRBrainS18Source", label_map, self.labels)
        self.channels = check_channels("MRBrainS18Source", channels, list(CHANNELS))
        check_orientation(orientation)
        self.orientation = orientation

    def list_cases(self) -> list[CaseFiles]:
        """Every subject that has a reference, sorted by id; reads no image.

        A subject whose reference is missing is listed too, so that reading reports it, but not one in test/: the
        challenge kept those back at first.

        Raises:
            DataError: no subjects below `root`, or the same subject in two places.
        """
        cases: dict[str, CaseFiles] = {}
        for folder in self._find_folders():
            for subject in sorted(child for child in folder.iterdir() if _is_subject(child)):
                if folder.name == "test" and not _find_file(subject, "segm").is_file():
                    continue
                if subject.name in cases:
                    raise DataError(
                        f"{subject}: a subject must be in one place, got "
                        f"{cases[subject.name].images[0].parent.parent} too. Remove one of them."
                    )
                cases[subject.name] = CaseFiles(
                    case_id=subject.name,
                    subject_id=subject.name,
                    images=tuple(_find_file(subject / "pre", CHANNELS[channel]) for channel in self.channels),
                    target=_find_file(subject, "segm"),
                )
        if not cases:
            raise DataError(f"{self.root}: must hold subjects with a segm.nii.gz, got none. Download the training set.")
        return [cases[case_id] for case_id in sorted(cases)]

    def read_case(self, files: CaseFiles) -> Case:
        """Read and check one subject. Raises DataError with one line per problem, each naming its file."""
        return read_labelled_case(
            files,
            labels=self.labels,
            channels=self.channels,
            orientation=self.orientation,
            label_map=self.label_map,
            label_remedy="Correct the file or data.label_map.",
        )

    def _find_folders(self) -> list[Path]:
        try:
            places = [self.root / "training", self.root / "test", self.root]
            found = [place for place in places if place.is_dir() and any(map(_is_subject, place.iterdir()))]
        except PermissionError as error:
            raise DataError(f"{error.filename}: must be readable, got {error.strerror}. Change its rights.") from error
        if found:
            return found
        state = "no subject folders there" if self.root.is_dir() else "no such folder"
        raise DataError(
            f"{self.root}: must hold training/1/pre/reg_T1.nii.gz with training/1/segm.nii.gz (or 1/pre/...), "
            f"got {state}. Download MRBrainS18 and give data.root=/my/MRBrainS18, or write a phantom: "
            "mlseg-phantom data=mrbrains18 root=data/raw/phantom_mrbrains18, and give that as data.root."
        )


def _is_subject(folder: Path) -> bool:
    return folder.is_dir() and ((folder / "pre").is_dir() or _find_file(folder, "segm").is_file())


def _find_file(folder: Path, stem: str) -> Path:
    """The .nii.gz, or the .nii where only that is there."""
    compressed, plain = folder / f"{stem}.nii.gz", folder / f"{stem}.nii"
    return plain if plain.is_file() and not compressed.is_file() else compressed
