"""A synthetic data set of organs, in nnU-Net's raw layout with a dataset.json of either version."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mlseg.checks import OneOf, check_range
from mlseg.data.nifti import write_volume
from mlseg.data.phantom_folder import write_folder
from mlseg.data.phantom_msd import (
    OrganScan,
    case_name,
    check_organs,
    describe_v1,
    draw_organs,
    label_names,
    write_json,
)

VERSIONS = (1, 2)


def write_phantom_nnunet(
    root: Path,
    *,
    subjects: int = 10,
    seed: int = 0,
    shape: tuple[int, int, int] = (12, 80, 72),
    spacing_mm: tuple[float, float, float] = (4.0, 1.2, 1.2),
    channels: int = 1,
    labels: int = 3,
    version: int = 2,
) -> Path:
    """Write dataset.json, imagesTr with a file per channel, labelsTr and one case in imagesTs, and return `root`.

    The scans are those of `write_phantom_msd` with the same arguments.

    Args:
        subjects: training cases.
        shape: voxels (d,h,w) of a typical case; each differs from it a little in h and w.
        spacing_mm: voxel size (d,h,w) of a typical case; each differs by up to 8 % in plane.
        channels: 1 to 9.
        labels: 2 to 9, background included.
        version: 2 writes names first and channel_names, 1 writes numbers first and modality.

    Raises:
        ConfigError: an argument is out of range.
        DataError: `root` holds something else, or can't be written.
    """
    owner = "write_phantom_nnunet"
    settings = check_organs(
        owner,
        subjects=subjects,
        seed=seed,
        shape=shape,
        spacing_mm=spacing_mm,
        channels=channels,
        labels=labels,
    )
    check_range(owner, "version", version, OneOf(VERSIONS))
    draw = partial(draw_organs, seed=seed, shape=shape, spacing_mm=spacing_mm, channels=channels, labels=labels)
    jobs: list[Callable[[], None]] = [
        partial(_write_case, root, number, draw, test=number > subjects) for number in range(1, subjects + 2)
    ]
    record = describe_v1(subjects, channels, labels, ndim=3)
    if version == 2:
        record = _describe_v2(subjects, channels, labels)
    jobs.append(partial(write_json, root / "dataset.json", record))
    entries = ["dataset.json", "imagesTr", "labelsTr", "imagesTs"]
    return write_folder(root, {"data": "nnunet", **settings, "version": version}, entries=entries, jobs=jobs)


def _describe_v2(subjects: int, channels: int, labels: int) -> dict[str, Any]:
    return {
        "channel_names": {str(channel): f"MR{channel}" for channel in range(channels)},
        "labels": {name: value for value, name in enumerate(label_names(labels))},
        "numTraining": subjects,
        "file_ending": ".nii.gz",
    }


def _write_case(root: Path, number: int, draw: Callable[[int], OrganScan], *, test: bool) -> None:
    scan, name = draw(number), case_name(number)
    folder = root / ("imagesTs" if test else "imagesTr")
    folder.mkdir(exist_ok=True)
    for channel, image in enumerate(scan.image):
        write_volume(folder / f"{name}_{channel:04d}.nii.gz", image, affine=scan.affine)
    if not test:
        (root / "labelsTr").mkdir(exist_ok=True)
        write_volume(root / "labelsTr" / f"{name}.nii.gz", scan.target, affine=scan.affine)
