"""Data sets in nnU-Net's raw layout: a dataset.json, imagesTr with a file per channel, and labelsTr.

Source: Isensee et al., Nature Methods 18, 2021, and the documentation of nnU-Net. Layout, below nnUNet_raw:
Dataset027_ACDC/imagesTr/patient001_frame01_0000.nii.gz, ..._0001.nii.gz for further channels, and
labelsTr/patient001_frame01.nii.gz; Task027_ACDC in version 1. imagesTs has no references and is left out.
"""

from __future__ import annotations

import re

from mlseg.checks import DataError
from mlseg.data.dataset_json import FILE
from mlseg.data.subjects import find_subject
from mlseg.data.task_folder import IMAGES, LABELS, TaskFolder, find_images
from mlseg.types import CaseFiles

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})", re.ASCII)


class NnUNetSource(TaskFolder):
    """The training cases of one data set; the arguments are those of `TaskFolder`, `root` e.g. Dataset027_ACDC."""

    name = "nnunet"

    def list_cases(self) -> list[CaseFiles]:
        """Every case that has a file in imagesTr or labelsTr, sorted by case_id; reads no image.

        A case of which a channel or the reference is missing is listed too, so that reading reports it.

        Raises:
            DataError: a folder is missing or empty, a channel that dataset.json does not know, MSD's layout, or a
                subject pattern that does not fit.
        """
        images, targets = find_images(self.root / IMAGES), find_images(self.root / LABELS)
        found = [match for stem in images if (match := _CHANNEL.fullmatch(stem))]
        if not found:
            raise DataError(self._describe_nothing(images.keys() & targets.keys()))
        for match in found:
            if int(match["channel"]) >= len(self.channels):
                raise DataError(
                    f"{images[match[0]]}: channel must be one of the {len(self.channels)} in {FILE} "
                    f"({', '.join(self.channels)}), got {match['channel']}. Add it there, or remove the file."
                )
        case_ids = sorted({match["case"] for match in found} | targets.keys())
        return [
            CaseFiles(
                case_id=case_id,
                subject_id=find_subject(case_id, self.subject_pattern),
                images=tuple(self.place(images, IMAGES, f"{case_id}_{n:04d}") for n in range(len(self.channels))),
                target=self.place(targets, LABELS, case_id),
            )
            for case_id in case_ids
        ]

    def _describe_nothing(self, pairs: set[str]) -> str:
        rule = f"{self.root / IMAGES}: must hold a file per channel, such as patient001_0000{self.file_ending}, got"
        if pairs:
            return f"{rule} {min(pairs)} named like its reference, which is MSD's layout. Say data=msd."
        return f"{rule} none. Convert the data set, or give data.root=/my/nnUNet_raw/Dataset027_ACDC."
