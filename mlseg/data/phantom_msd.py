"""A synthetic data set of organs, in the layout of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlseg.checks import Range, check_range
from mlseg.data.nifti import write_volume
from mlseg.data.phantom_anatomy import (
    Body,
    Tissue,
    draw_tissues,
    label_tissues,
    oblique_affine,
    render_channel,
)
from mlseg.data.phantom_folder import check_phantom, write_folder

MAX_LABELS, MAX_CHANNELS = 9, 9
_BODY = 1
# Where organs lie in (h,w), so that they don't touch.
_PLACES = ((0.4, 0.36), (0.6, 0.66), (0.36, 0.66), (0.65, 0.36))


@dataclass(frozen=True, kw_only=True)
class OrganScan:
    """One synthetic scan: image (C,D,H,W), target (D,H,W) and affine."""

    image: np.ndarray
    target: np.ndarray
    affine: np.ndarray


def write_phantom_msd(
    root: Path,
    *,
    subjects: int = 10,
    seed: int = 0,
    shape: tuple[int, int, int] = (12, 80, 72),
    spacing_mm: tuple[float, float, float] = (4.0, 1.2, 1.2),
    channels: int = 1,
    labels: int = 3,
) -> Path:
    """Write dataset.json, imagesTr, labelsTr and one image without reference in imagesTs, and return `root`.

    Images of several channels are 4-D files with the channels last, as in the decathlon.

    Args:
        subjects: training cases.
        shape: voxels (d,h,w) of a typical case; each differs from it a little in h and w.
        spacing_mm: voxel size (d,h,w) of a typical case; each differs by up to 8 % in plane.
        channels: 1 to 9.
        labels: 2 to 9, background included: organs, and a lesion in each.

    Raises:
        ConfigError: an argument is out of range.
        DataError: `root` holds something else, or can't be written.
    """
    owner = "write_phantom_msd"
    settings = check_organs(
        owner,
        subjects=subjects,
        seed=seed,
        shape=shape,
        spacing_mm=spacing_mm,
        channels=channels,
        labels=labels,
    )
    record = describe_v1(subjects, channels, labels, ndim=4 if channels > 1 else 3)
    draw = partial(draw_organs, seed=seed, shape=shape, spacing_mm=spacing_mm, channels=channels, labels=labels)
    jobs: list[Callable[[], None]] = [
        partial(_write_case, root, number, draw, test=number > subjects) for number in range(1, subjects + 2)
    ]
    jobs.append(partial(write_json, root / "dataset.json", record))
    entries = ["dataset.json", "imagesTr", "labelsTr", "imagesTs"]
    return write_folder(root, {"data": "msd", **settings}, entries=entries, jobs=jobs)


def check_organs(owner: str, *, channels: int, labels: int, **arguments: Any) -> dict[str, Any]:
    """The arguments of a phantom of organs as settings. Raises ConfigError if one is out of range."""
    settings = check_phantom(owner, **arguments)
    check_range(owner, "channels", channels, Range(low=1, high=MAX_CHANNELS, integer=True))
    check_range(owner, "labels", labels, Range(low=2, high=MAX_LABELS, integer=True))
    return {**settings, "channels": channels, "labels": labels}


def label_names(labels: int) -> list[str]:
    """The class names: background, and organs and lesions in turn.

    Example:
        >>> label_names(4)
        ['background', 'organ1', 'lesion1', 'organ2']
    """
    return ["background", *(f"{('lesion', 'organ')[n % 2]}{(n + 1) // 2}" for n in range(1, labels))]


def case_name(number: int) -> str:
    """The id of a case, e.g. "phantom_001"."""
    return f"phantom_{number:03d}"


def draw_organs(
    number: int,
    *,
    seed: int,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    channels: int,
    labels: int,
) -> OrganScan:
    """The scan of subject `number`: a torso with organs, and a lesion in each that two of three subjects have."""
    rng = np.random.default_rng((seed, number))
    size = (shape[0], shape[1] + int(rng.integers(-4, 5)), shape[2] + int(rng.integers(-4, 5)))
    in_plane = rng.uniform(0.92, 1.08)
    affine = oblique_affine(rng, (spacing_mm[0], spacing_mm[1] * in_plane, spacing_mm[2] * in_plane), tilt=0.2)
    bodies = [Body(tissue=_BODY, centre=(0.5, 0.5, 0.5), radii=(0.9, 0.44, 0.44), bumps=0.05)]
    kinds = [Tissue(label=0, contrast=(20.0,) * channels), Tissue(label=0, contrast=(300.0,) * channels)]
    for label in range(1, labels):
        organ, is_lesion = (label - 1) // 2, label % 2 == 0
        h, w = _PLACES[organ]
        radii, inside = ((0.17, 0.06, 0.06), (label,)) if is_lesion else ((0.34, 0.13, 0.12), (_BODY,))
        # Tissue numbers are one above the labels, because the torso is a tissue without a label.
        chance = 0.67 if is_lesion and number > 1 else 1.0
        bodies.append(Body(tissue=label + 1, centre=(0.5, h, w), radii=radii, inside=inside, chance=chance))
        contrast = tuple(420.0 + 130 * ((label * (channel + 2)) % 5) for channel in range(channels))
        kinds.append(Tissue(label=label, contrast=contrast))
    tissues = draw_tissues(rng, bodies, size)
    image = np.stack([render_channel(rng, tissues, kinds, channel) for channel in range(channels)])
    return OrganScan(image=image, target=label_tissues(tissues, kinds), affine=affine)


def describe_v1(subjects: int, channels: int, labels: int, *, ndim: int) -> dict[str, Any]:
    """A dataset.json in the style of the decathlon and of nnU-Net's first version."""
    names = [f"{case_name(number)}.nii.gz" for number in range(1, subjects + 1)]
    test = f"./imagesTs/{case_name(subjects + 1)}.nii.gz"
    return {
        "name": "Phantom",
        "description": "synthetic organs",
        "licence": "none needed",
        "release": "1.0",
        "tensorImageSize": f"{ndim}D",
        "modality": {str(channel): f"MR{channel}" for channel in range(channels)},
        "labels": {str(value): name for value, name in enumerate(label_names(labels))},
        "numTraining": subjects,
        "numTest": 1,
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
        "test": [test],
    }


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a dataset.json."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _write_case(root: Path, number: int, draw: Callable[[int], OrganScan], *, test: bool) -> None:
    scan, name = draw(number), f"{case_name(number)}.nii.gz"
    folder = root / ("imagesTs" if test else "imagesTr")
    folder.mkdir(exist_ok=True)
    write_volume(folder / name, scan.image if len(scan.image) > 1 else scan.image[0], affine=scan.affine)
    if not test:
        (root / "labelsTr").mkdir(exist_ok=True)
        write_volume(root / "labelsTr" / name, scan.target, affine=scan.affine)
