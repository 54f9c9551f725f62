"""BraTS: brain MR of gliomas with T1, T1ce, T2 and FLAIR; NCR, ED and ET, from the layouts of 2017 to 2023.

Source: Menze et al., IEEE TMI 2015; Bakas et al., Scientific Data 2017; Baid et al., arXiv 2107.02314 (2021). Layouts:
<case>/<case>_{t1,t1ce,t2,flair,seg}.nii[.gz] until 2022, below HGG/ and LGG/ until 2019, and
BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t1n,t1c,t2w,t2f,seg}.nii.gz from 2023 on. Folders around them don't matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlseg.checks import ConfigError, DataError, check_arguments
from mlseg.data.brats_layout import FoundCase, find_cases, parse_name, read_grades
from mlseg.data.label_map import check_channels, check_labels
from mlseg.data.nifti import NATIVE, check_orientation
from mlseg.data.reading import read_labelled_case
from mlseg.types import Case, CaseFiles

# Channel -> what its file name ends in, until 2022 and from 2023 on.
CHANNELS = {"T1": ("t1", "t1n"), "T1ce": ("t1ce", "t1c"), "T2": ("t2", "t2w"), "FLAIR": ("flair", "t2f")}
AUTO = "auto"
_OLD, _NEW = 2021, 2023
_REMEDIES = {
    False: "Until 2022 BraTS stores ET as 4 and nothing as 3; if this file is newer, give data.year=2023.",
    True: (
        "From 2023 on BraTS stores ET as 3; if this file is older, give data.year=2021. The 4 of BraTS 2024 "
        "(resection cavity) has no class here."
    ),
}


class BraTSSource:
    """The cases with a reference below `root`, whatever folders lie between.

    Args:
        root: the folder that holds the case folders, HGG/ and LGG/, or what an archive unpacked to.
        labels: names of the background, the necrotic (and non-enhancing) core, the oedema and the enhancing tumour.
        channels: some of T1, T1ce, T2 and FLAIR, in the order that the network gets them.
        year: 2017 to 2023, which decides how the enhancing tumour is stored; "auto" tells it from the file names.
        orientation: axis codes that every scan is brought to (e.g. "LPS"), or "native" to keep the stored axes.

    Raises:
        ConfigError: labels, channels, year or orientation can't be used.
    """

    name = "brats"

    def __init__(
        self,
        root: str | Path,
        *,
        labels: Sequence[str] = ("background", "NCR", "ED", "ET"),
        channels: Sequence[str] = ("T1", "T1ce", "T2", "FLAIR"),
        year: int | str = AUTO,
        orientation: str = NATIVE,
    ) -> None:
        check_arguments("mlseg.data.brats.BraTSSource", year=year)
        self.root = Path(root).expanduser()
        self.labels = check_labels("BraTSSource", labels)
        if len(self.labels) != 4:
            raise ConfigError(
                f"BraTSSource: labels must be four names, got {list(labels)}. Write [background, NCR, ED, ET]."
            )
        self.channels = check_channels("BraTSSource", channels, list(CHANNELS))
        self.year = year
        check_orientation(orientation)
        self.orientation = orientation

    def list_cases(self) -> list[CaseFiles]:
        """Every case, sorted by id; reads the table of grades but no image.

        A case without a reference is listed too, so that reading reports it, unless no case beside it has one: the
        validation data of the challenges have none.

        Raises:
            DataError: no cases below `root`, a case in two places, cases of two releases, or a broken table of grades.
        """
        found, tables = find_cases(self.root)
        labelled = {case.place for case in found if "seg" in case.files}
        found = [case for case in found if case.place in labelled]
        if not found:
            self._report_nothing()
        _check_one_release(self.root, found)
        grades = read_grades(tables)
        cases: dict[str, CaseFiles] = {}
        for case in found:
            if case.case_id in cases:
                raise DataError(
                    f"{case.folder}: a case must be in one place, got {cases[case.case_id].images[0].parent} too. "
                    "Remove one of them."
                )
            cases[case.case_id] = self._make_case(case, grades.get(case.case_id, ""))
        return [cases[case_id] for case_id in sorted(cases)]

    def read_case(self, files: CaseFiles) -> Case:
        """Read and check one case. Raises DataError with one line per problem, each naming its file."""
        year = detect_year(files.images[0].name) if self.year == AUTO else int(self.year)
        return read_labelled_case(
            files,
            labels=self.labels,
            channels=self.channels,
            orientation=self.orientation,
            label_map=year_label_map(year, self.labels),
            label_remedy=_REMEDIES[year >= _NEW],
        )

    def _make_case(self, case: FoundCase, grade: str) -> CaseFiles:
        images = [case.path(CHANNELS[channel][case.is_new]) for channel in self.channels]
        return CaseFiles(
            case_id=case.case_id,
            subject_id=case.subject_id,
            images=tuple(images),
            target=case.path("seg"),
            group=case.grade or grade,
            frame=case.frame,
        )

    def _report_nothing(self) -> None:
        state = "none there" if self.root.is_dir() else "no such folder"
        raise DataError(
            f"{self.root}: must hold cases with a reference such as <case>/<case>_seg.nii.gz (with or without HGG/ and "
            f"LGG/) or BraTS-GLI-00000-000/BraTS-GLI-00000-000-seg.nii.gz, got {state}. Download BraTS and give "
            "data.root=/my/BraTS, or write a phantom: mlseg-phantom data=brats root=data/raw/phantom_brats, and give "
            "that as data.root."
        )


def detect_year(file_name: str) -> int:
    """A year whose way of storing labels goes with a file name: 2021 for the older names, 2023 for the newer ones.

    Example:
        >>> detect_year("BraTS19_2013_10_1_t1.nii.gz"), detect_year("BraTS-GLI-00000-000-t1n.nii.gz")
        (2021, 2023)
    """
    name = parse_name(file_name)
    return _NEW if name is not None and name.is_new else _OLD


def year_label_map(year: int, labels: Sequence[str]) -> dict[int, str]:
    """Stored value -> class name: the enhancing tumour is 4 until 2022 and 3 from 2023 on."""
    background, core, oedema, enhancing = labels
    return {0: background, 1: core, 2: oedema, (3 if year >= _NEW else 4): enhancing}


def _check_one_release(root: Path, found: Sequence[FoundCase]) -> None:
    """Releases hold each other's patients under other names: two of them would put test patients into training."""
    first: dict[str, FoundCase] = {}
    for case in found:
        first.setdefault(case.release, case)
    first.pop("", None)
    if len(first) > 1:
        shown = " and ".join(str(case.folder.relative_to(root)) for case in [*first.values()][:2])
        raise DataError(
            f"{root}: must hold one release of BraTS, because they share patients under different names, got {shown}. "
            "Give the folder of one of them as data.root."
        )
