"""Predicts scan after scan, goes on where it was cut, and leaves tables of the volumes beside the predictions."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from mlseg.checks import DataError
from mlseg.data.dataset_json import FILE
from mlseg.data.matching import strip_ending
from mlseg.data.stored_values import count_classes, measure_volumes, voxel_ml
from mlseg.data.unlabelled import read_scan
from mlseg.data.volumes_table import (
    EF_COLUMNS,
    VOLUME_COLUMNS,
    CaseVolumes,
    format_table,
    list_ejection_fractions,
    list_volumes,
    summarise_agreement,
)
from mlseg.engine.ensemble import Member, predict_scan
from mlseg.engine.prediction_record import PredictionRecord, check_apart, hash_inputs
from mlseg.engine.prediction_writing import PredictionWriter, list_written, place_files
from mlseg.records import write_json, write_text
from mlseg.types import CaseFiles

VOLUMES, FRACTIONS = "volumes.csv", "ejection_fraction.csv"


@dataclass(frozen=True, kw_only=True)
class PredictionJob:
    """All that a prediction needs but its scans.

    Args:
        members: the networks, whose probabilities are averaged.
        writer: writes one case.
        record: of the output.
        output: a folder, or with `ending` the label map of the one case.
        ending: ".nii.gz" or ".nii" if the output is a file, else "".
        save: what is written, some of `prediction_writing.WORDS`.
        labels, channels: names of the classes and channels.
        label_map: stored value -> class name in references.
    """

    members: Sequence[Member]
    writer: PredictionWriter
    record: PredictionRecord
    output: Path
    ending: str
    save: tuple[str, ...]
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    label_map: Mapping[int, str]

    def run(self, cases: Sequence[CaseFiles], *, show_progress: bool | str = "auto") -> list[str]:
        """Predict every case that is not there yet.

        Returns:
            What is wrong with scans that cannot be read, a line each; the others are predicted.

        Raises:
            ConfigError: the output belongs to something else.
            RunError: a network's output is not finite, or a file cannot be written.
        """
        places = {case.case_id: place_files(self.output, case.case_id, self.save, ending=self.ending) for case in cases}
        planned = {case_id: list_written(found) for case_id, found in places.items()}
        check_apart(planned, (path for case in cases for path in (*case.images, case.target) if path is not None))
        self.record.open(planned, tables=[self._place(VOLUMES), *([] if self.ending else [self.output / FILE])])
        for folder in sorted({path.parent for paths in planned.values() for path in paths}):
            folder.mkdir(parents=True, exist_ok=True)
        visible = sys.stderr.isatty() if show_progress == "auto" else bool(show_progress)
        listed = track(
            cases, description="predicting", console=Console(stderr=True), disable=not visible, transient=True
        )
        problems: list[str] = []
        for files in listed:
            try:
                self._predict(files, places[files.case_id], planned[files.case_id])
            except DataError as error:
                problems += str(error).splitlines()
        return problems

    def write_tables(self) -> list[str]:
        """Write the volumes, and where frames are known the ejection fractions; and a dataset.json in a folder.

        Returns:
            What they say, a sentence each.

        Raises:
            RunError: a file cannot be written.
        """
        known = {case_id: entry for case_id, entry in sorted(self.record.cases.items()) if entry}
        cases = [_read_entry(case_id, entry) for case_id, entry in known.items()]
        volumes, fractions = self._place(VOLUMES), self._place(FRACTIONS)
        rows = list_ejection_fractions(cases)
        write_text(volumes, format_table(VOLUME_COLUMNS, list_volumes(cases)))
        lines = [f"volumes of {len(cases)} case{'' if len(cases) == 1 else 's'}: {volumes}"]
        if rows:
            write_text(fractions, format_table(EF_COLUMNS, rows))
            lines.append(f"ejection fractions: {fractions}")
        for label, found in summarise_agreement(rows).items():
            lines.append(
                f"ejection fraction of the {label} minus the reference's, in points: bias {found['bias']:+.2f}, "
                f"limits of agreement {found['low']:+.2f} to {found['high']:+.2f}, mean absolute difference "
                f"{found['mean_absolute']:.2f} ({found['n']} subject{'' if found['n'] == 1 else 's'})"
            )
        if not self.ending:
            self._describe_labels()
        return lines

    def _predict(self, files: CaseFiles, places: Mapping[str, Path], written: Sequence[Path]) -> None:
        """Predict one case unless it is there, then compare it with its reference, if it has one."""
        inputs, entry = hash_inputs(files.images), {}
        if self.record.is_done(files.case_id, inputs=inputs, files=written):
            entry = dict(self.record.cases[files.case_id])
        else:
            self.record.forget(files.case_id, inputs=inputs)
            case = read_scan(files, channels=self.channels)
            probs = predict_scan(self.members, case)
            classes = self.writer.write(probs, places=places, reference=files.images[0], affine=case.affine)
            entry = {"inputs": inputs, "voxels": count_classes(classes, self.labels), "voxel_ml": voxel_ml(case.affine)}
        entry |= {"subject": files.subject_id, "frame": files.frame, "reference_ml": None}
        try:
            if files.target is not None:
                voxels, size = measure_volumes(files.target, self.label_map, self.labels)
                entry["reference_ml"] = {label: count * size for label, count in voxels.items()}
        finally:
            self.record.add(files.case_id, entry, files=written)

    def _place(self, name: str) -> Path:
        if self.ending:
            return self.output.with_name(f"{strip_ending(self.output.name)}_{name}")
        return self.output / name

    def _describe_labels(self) -> None:
        """The names of the classes as nnU-Net writes them, which `mlseg-score` reads too."""
        record = {
            "name": self.output.name,
            "channel_names": {str(index): name for index, name in enumerate(self.channels)},
            "labels": dict(zip(self.labels, self.writer.values, strict=True)),
            "file_ending": ".nii.gz",
        }
        path = self.output / FILE
        if not path.is_file() or json.loads(path.read_text(encoding="utf-8")) != record:
            write_json(path, record)


def _read_entry(case_id: str, entry: Mapping[str, Any]) -> CaseVolumes:
    return CaseVolumes(
        case_id=case_id,
        subject_id=entry["subject"],
        frame=entry["frame"],
        voxels=entry["voxels"],
        voxel_ml=entry["voxel_ml"],
        reference_ml=entry["reference_ml"],
    )
