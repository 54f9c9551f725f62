"""dataset.json of the Medical Segmentation Decathlon and of nnU-Net: which labels, channels and cases a folder holds.

Three dialects are read, told apart by their content. MSD and nnU-Net v1 write `"modality": {"0": "MRI"}` and
`"labels": {"0": "background", "1": "LV"}`; nnU-Net v2 writes `"channel_names": {"0": "MRI"}` and
`"labels": {"background": 0, "LV": 1}`, and a `file_ending`. Nothing heavy is imported here, so that a configuration can
be checked against the file within milliseconds.

Classes are numbered by rising stored value: labels stored as 0, 1 and 4 are classes 0, 1 and 2, and the sources turn
the stored values into these when they read.

Source: Antonelli et al., Nature Communications 13, 2022 (MSD); Isensee et al., Nature Methods 18, 2021 (nnU-Net).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError, DataError, find_label_problem

FILE = "dataset.json"
FILE_ENDINGS = (".nii.gz", ".nii")
# Class indices are stored as uint8, stored values in a table of this length.
MAX_CLASSES, MAX_VALUES = 256, 2**16


@dataclass(frozen=True, kw_only=True)
class DatasetDescription:
    """What a dataset.json says.

    Args:
        name: as the file has it, or that of its folder.
        labels: class names, background first, by rising stored value.
        values: the stored value of each class; 0 comes first.
        channels: channel names in the order of their numbers; equal names get their number as a suffix.
        file_ending: ".nii.gz" or ".nii"; ".nii.gz" where the file does not say.
        training: (image, label) of each training case as written, relative to the folder; None if the file has no list.
    """

    name: str
    labels: tuple[str, ...]
    values: tuple[int, ...]
    channels: tuple[str, ...]
    file_ending: str
    training: tuple[tuple[str, str], ...] | None

    @property
    def label_map(self) -> dict[int, str] | None:
        """Stored value -> class name; None where each stored value is its class."""
        return (
            None if self.values == tuple(range(len(self.values))) else dict(zip(self.values, self.labels, strict=True))
        )


def describe_dataset(
    root: str | Path, *, labels: Sequence[str] | None = None, channels: Sequence[str] | None = None
) -> DatasetDescription:
    """Read `root`/dataset.json.

    Args:
        root: the folder of one task, e.g. Task04_Hippocampus or Dataset027_ACDC.
        labels: other class names, by rising stored value; None takes those of the file.
        channels: other channel names; None takes those of the file.

    Raises:
        DataError: no such file, not JSON, a key is missing, or something that a network with one class per voxel can't
            be trained on: regions that overlap, an ignore label, files other than NIfTI.
        ConfigError: `labels` or `channels` are not as many as the file has.
    """
    path = Path(root).expanduser() / FILE
    record = _read_record(path)
    stored = _read_values(path, record)
    own_channels = _read_channels(path, record)
    if channels is not None and len(channels) != len(own_channels):
        raise ConfigError(
            f"data.source.channels: must be {len(own_channels)} names, one for each channel in {path} "
            f"({', '.join(own_channels)}), got {list(channels)}. Write null to take those."
        )
    names = _name_classes(path, stored, labels)
    return DatasetDescription(
        name=str(record.get("name") or path.parent.resolve().name),
        labels=names,
        values=tuple(sorted({value for values in stored.values() for value in values})),
        channels=tuple(channels or own_channels),
        file_ending=_read_file_ending(path, record),
        training=_read_training(path, record),
    )


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path}: must exist, got no such file. {_suggest_root(path.parent)}") from error
    except OSError as error:
        raise DataError(f"{path}: must be readable, got {error.strerror}. Change its rights.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: must be a JSON file, got a broken one ({error}). Download it again.") from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: must be a JSON object, got {_show(record)}. Download it again.")
    return record


def _suggest_root(folder: Path) -> str:
    """What to write where a folder is not that of a task: the first folder below it that is one."""
    inside = sorted(path.parent.name for path in folder.glob(f"*/{FILE}")) if folder.is_dir() else []
    if inside:
        more = f" (or one of {len(inside) - 1} more there)" if len(inside) > 1 else ""
        return f"Give the folder of one task: data.root={folder / inside[0]}{more}."
    return "Give the folder of one task, which holds it beside imagesTr and labelsTr: data.root=/my/Task04_Hippocampus."


def _read_values(path: Path, record: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name -> stored values, in the order of the file; more than one value is a region."""
    labels = record.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise DataError(
            f'{path}: must have labels such as {{"background": 0, "LV": 1}}, got {_show(labels)}. Add them.'
        )
    by_value = all(_to_index(key) is not None and isinstance(name, str) for key, name in labels.items())
    pairs = [(name, value) for value, name in labels.items()] if by_value else [*labels.items()]
    stored: dict[str, tuple[int, ...]] = {}
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        numbers = tuple(number for number in map(_to_index, values) if number is not None)
        if not values or len(numbers) != len(values) or max(numbers) >= MAX_VALUES:
            raise DataError(
                f"{path}: labels must give whole numbers from 0 to {MAX_VALUES - 1}, got {_show(value)} for {name!r}. "
                "Correct the file."
            )
        if name in stored:
            raise DataError(f"{path}: labels must have different names, got {name!r} twice. Rename one.")
        stored[name] = numbers
    _check_values(path, stored)
    return stored


def _check_values(path: Path, stored: Mapping[str, tuple[int, ...]]) -> None:
    ignored = next((name for name in stored if name.lower() == "ignore"), None)
    if ignored is not None:
        raise DataError(
            f"{path}: labels must give every voxel a class, got an ignore label ({_show(stored[ignored])}): a voxel "
            "without a reference can't be scored. Label those voxels and take it out of labels."
        )
    background = next((values for name, values in stored.items() if name.lower() == "background"), (0,))
    if background != (0,) or not any(0 in values for values in stored.values()):
        raise DataError(
            f"{path}: labels must hold a background of value 0, got {_show(dict(stored))}. Correct the file."
        )
    count = len({value for values in stored.values() for value in values})
    if not 2 <= count <= MAX_CLASSES:
        raise DataError(f"{path}: labels must be 2 to {MAX_CLASSES} with background, got {count}. Correct the file.")


def _name_classes(path: Path, stored: Mapping[str, tuple[int, ...]], labels: Sequence[str] | None) -> tuple[str, ...]:
    """One name for each stored value, by rising value."""
    values = sorted({value for numbers in stored.values() for value in numbers})
    problem = find_label_problem(labels if labels is not None else [*stored])
    if problem and "named" in problem:
        raise ConfigError(f"{path}: labels {problem}. Give other names: data.source.labels=[background,...].")
    if labels is not None:
        if len(labels) != len(values) or len(set(labels)) != len(labels):
            raise ConfigError(
                f"data.source.labels: must be {len(values)} different names, one for each stored value in {path} "
                f"({', '.join(map(str, values))}), got {list(labels)}. Write null to take those of the file."
            )
        return tuple(labels)
    regions = {name: numbers for name, numbers in stored.items() if len(numbers) > 1}
    owners = {number: name for name, numbers in stored.items() for number in numbers}
    if regions or len(owners) != len(stored):
        name, numbers = next(iter((regions or stored).items()))
        problem = f"the region {name!r} of values {', '.join(map(str, numbers))}" if regions else _show(dict(stored))
        raise DataError(
            f"{path}: labels must name each stored value once, because a voxel has one class here, got {problem}. "
            f"Name the stored values {', '.join(map(str, values))} themselves: data.source.labels=[background,...]."
        )
    return tuple(owners[value] for value in values)


def _read_channels(path: Path, record: Mapping[str, Any]) -> tuple[str, ...]:
    key = "channel_names" if "channel_names" in record else "modality"
    channels = record.get(key)
    by_number = (
        {_to_index(number): str(name) for number, name in channels.items()} if isinstance(channels, dict) else {}
    )
    if not by_number or set(by_number) != set(range(len(by_number))):
        raise DataError(
            f'{path}: must have channel_names (or modality) such as {{"0": "T1", "1": "T2"}}, numbered from 0, '
            f"got {_show(channels)}. Add them."
        )
    names = [by_number[number] for number in range(len(by_number))]
    return tuple(f"{name}_{index}" if names.count(name) > 1 else name for index, name in enumerate(names))


def _read_file_ending(path: Path, record: Mapping[str, Any]) -> str:
    ending = record.get("file_ending", FILE_ENDINGS[0])
    if ending not in FILE_ENDINGS:
        raise DataError(
            f"{path}: file_ending must be {' or '.join(FILE_ENDINGS)}, got {_show(ending)}. Convert the files to NIfTI."
        )
    return str(ending)


def _read_training(path: Path, record: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    """The list of training cases; an empty one counts as none, for files that leave the listing to the folders."""
    training = record.get("training")
    if not training:
        return None
    pairs = [
        (case.get("image"), case.get("label")) if isinstance(case, dict) else (None, None)
        for case in (training if isinstance(training, list) else [None])
    ]
    wrong = [index for index, pair in enumerate(pairs) if not all(isinstance(name, str) and name for name in pair)]
    if wrong:
        raise DataError(
            f'{path}: training must be a list such as [{{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"'
            f"}}], got something else in entry {wrong[0]}. Correct the file."
        )
    return tuple((str(image), str(label)) for image, label in pairs)


def _to_index(value: Any) -> int | None:
    """A whole number from 0, as a number or as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"\d+", value.strip(), re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
