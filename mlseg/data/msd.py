"""Data sets in the layout of the Medical Segmentation Decathlon: a dataset.json, imagesTr and labelsTr.

Source: Antonelli et al., Nature Communications 13, 2022. Layout: Task04_Hippocampus/dataset.json lists pairs of
imagesTr/hippocampus_001.nii.gz and labelsTr/hippocampus_001.nii.gz; an image of several channels is one 4-D file, with
the channels on the last axis. imagesTs has no references and is left out.
"""

from __future__ import annotations

from pathlib import Path

from mlseg.checks import DataError
from mlseg.data.dataset_json import FILE, describe_dataset
from mlseg.data.subjects import find_subject
from mlseg.data.task_folder import IMAGES, LABELS, TaskFolder, find_images, strip_ending
from mlseg.types import CaseFiles


class MSDSource(TaskFolder):
    """The training cases of one task; the arguments are those of `TaskFolder`, `root` e.g. Task04_Hippocampus."""

    name = "msd"

    def list_cases(self) -> list[CaseFiles]:
        """The cases of dataset.json's training list, sorted by case_id; reads no image.

        A case whose file is missing is listed too, so that reading reports it. Without a list, every image or label in
        the two folders makes a case. The case id is the name of the label file.

        Raises:
            DataError: no cases, a case twice, nnU-Net's layout, or a subject pattern that does not fit.
        """
        cases: dict[str, CaseFiles] = {}
        for image, target in self._list_pairs():
            case_id = strip_ending(target.name)
            if case_id in cases:
                raise DataError(f"{self.root / FILE}: must list each case once, got {case_id} twice. Remove one.")
            subject = find_subject(case_id, self.subject_pattern)
            cases[case_id] = CaseFiles(case_id=case_id, subject_id=subject, images=(image,), target=target)
        if not cases:
            raise DataError(
                f"{self.root / IMAGES}: must hold images such as hippocampus_001.nii.gz, got none. "
                "Unpack the archive there, or give data.root=/my/Task04_Hippocampus."
            )
        self._refuse_nnunet(next(iter(cases.values())))
        return [cases[case_id] for case_id in sorted(cases)]

    def _list_pairs(self) -> list[tuple[Path, Path]]:
        """Image and label of each case: those that dataset.json lists, or else those in the folders."""
        training = describe_dataset(self.root, labels=self.labels, channels=self.channels).training
        if training is not None:
            return [(_present(self.root / image), _present(self.root / label)) for image, label in training]
        images, targets = find_images(self.root / IMAGES), find_images(self.root / LABELS)
        stems = sorted({*images, *targets})
        return [(self.place(images, IMAGES, stem), self.place(targets, LABELS, stem)) for stem in stems]

    def _refuse_nnunet(self, case: CaseFiles) -> None:
        """nnU-Net v1 writes a dataset.json in this style too, but has a file per channel."""
        image = case.images[0]
        channel = image.with_name(f"{strip_ending(image.name)}_0000{self.file_ending}")
        if not image.exists() and channel.exists():
            raise DataError(
                f"{image}: must be one file with all channels, got {channel.name} instead, which is nnU-Net's "
                "layout. Say data=nnunet."
            )


def _present(path: Path) -> Path:
    """The path, or its compressed or unpacked twin where only that is there."""
    twin = path.with_suffix("") if path.name.endswith(".gz") else path.with_name(f"{path.name}.gz")
    return twin if not path.exists() and twin.exists() else path
