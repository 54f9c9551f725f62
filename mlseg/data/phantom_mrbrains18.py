"""A synthetic twin of MRBrainS18: heads with all ten labels, in three channels, in the official layout."""

from __future__ import annotations

from functools import partial
from pathlib import Path

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

# The subjects that the challenge released with a reference.
SUBJECTS = ("1", "4", "5", "7", "14", "070", "148")
FILES = ("reg_T1", "reg_IR", "FLAIR")
_GM, _BG, _WM, _LESION, _CSF, _VENTRICLE, _CEREBELLUM, _STEM, _INFARCTION, _OTHER, _SCALP = range(1, 12)
# By number; contrast in T1, T1-IR and FLAIR.
TISSUES = (
    Tissue(label=0, contrast=(20, 40, 20)),
    Tissue(label=1, contrast=(440, 420, 520)),
    Tissue(label=2, contrast=(490, 500, 500)),
    Tissue(label=3, contrast=(620, 760, 420)),
    Tissue(label=4, contrast=(480, 480, 900)),
    Tissue(label=5, contrast=(190, 900, 130)),
    Tissue(label=6, contrast=(170, 960, 110)),
    Tissue(label=7, contrast=(470, 520, 560)),
    Tissue(label=8, contrast=(560, 660, 450)),
    Tissue(label=9, contrast=(260, 820, 240)),
    Tissue(label=10, contrast=(330, 300, 760)),
    Tissue(label=0, contrast=(760, 300, 640)),
)
_DEEP = (_GM, _WM)
BODIES = (
    Body(tissue=_SCALP, centre=(0.5, 0.5, 0.5), radii=(0.6, 0.46, 0.4), bumps=0.02),
    Body(tissue=_CSF, centre=(0.5, 0.5, 0.5), radii=(0.55, 0.4, 0.34), inside=(_SCALP,), drift=0, bumps=0.02),
    Body(tissue=_GM, centre=(0.5, 0.5, 0.5), radii=(0.52, 0.37, 0.31), inside=(_CSF,), drift=0.01, bumps=0.08, waves=7),
    Body(tissue=_WM, centre=(0.5, 0.5, 0.5), radii=(0.47, 0.3, 0.25), inside=(_GM,), drift=0.01, bumps=0.2, waves=6),
    Body(tissue=_BG, centre=(0.5, 0.48, 0.41), radii=(0.16, 0.1, 0.06), inside=_DEEP),
    Body(tissue=_BG, centre=(0.5, 0.48, 0.59), radii=(0.16, 0.1, 0.06), inside=_DEEP),
    Body(tissue=_VENTRICLE, centre=(0.55, 0.46, 0.47), radii=(0.18, 0.13, 0.035), drift=0.01),
    Body(tissue=_VENTRICLE, centre=(0.55, 0.46, 0.53), radii=(0.18, 0.13, 0.035), drift=0.01),
    Body(tissue=_LESION, centre=(0.62, 0.6, 0.38), radii=(0.12, 0.05, 0.035), inside=_DEEP, drift=0.03),
    Body(tissue=_LESION, centre=(0.6, 0.36, 0.6), radii=(0.12, 0.04, 0.03), inside=_DEEP, drift=0.03),
    Body(tissue=_CEREBELLUM, centre=(0.2, 0.68, 0.5), radii=(0.2, 0.13, 0.2), inside=(_CSF, *_DEEP)),
    Body(tissue=_STEM, centre=(0.2, 0.52, 0.5), radii=(0.25, 0.07, 0.07), inside=(_CSF, _CEREBELLUM, *_DEEP)),
    Body(tissue=_INFARCTION, centre=(0.6, 0.7, 0.6), radii=(0.12, 0.05, 0.05), inside=_DEEP, drift=0.03, chance=0.4),
    Body(tissue=_OTHER, centre=(0.6, 0.3, 0.35), radii=(0.12, 0.04, 0.04), inside=_DEEP, drift=0.03, chance=0.3),
)


def write_phantom_mrbrains18(
    root: Path,
    *,
    subjects: int = 7,
    seed: int = 0,
    shape: tuple[int, int, int] = (12, 96, 88),
    spacing_mm: tuple[float, float, float] = (3.0, 0.958, 0.958),
) -> Path:
    """Write a phantom MRBrainS18 under `root`/training and return `root`.

    Infarction and other pathology are there in some subjects only.

    Args:
        subjects: 1 to 7, the first of the official ids.
        shape: voxels (d,h,w) of every subject; the real ones have (48, 240, 240).
        spacing_mm: voxel size (d,h,w) of every subject.

    Raises:
        ConfigError: an argument is out of range.
        DataError: `root` holds something else, or can't be written.
    """
    owner = "write_phantom_mrbrains18"
    settings = check_phantom(owner, subjects=subjects, seed=seed, shape=shape, spacing_mm=spacing_mm)
    check_range(owner, "subjects", subjects, Range(low=1, high=len(SUBJECTS), integer=True))
    jobs = [
        partial(_write_subject, root / "training", number, seed=seed, shape=shape, spacing_mm=spacing_mm)
        for number in range(subjects)
    ]
    return write_folder(root, {"data": "mrbrains18", **settings}, entries=["training"], jobs=jobs)


def _write_subject(
    folder: Path, number: int, *, seed: int, shape: tuple[int, int, int], spacing_mm: tuple[float, ...]
) -> None:
    rng = np.random.default_rng((seed, number))
    affine = oblique_affine(rng, spacing_mm, tilt=0.1)
    tissues = draw_tissues(rng, BODIES, shape)
    subject = folder / SUBJECTS[number]
    (subject / "pre").mkdir(parents=True, exist_ok=True)
    for channel, name in enumerate(FILES):
        write_volume(subject / "pre" / f"{name}.nii.gz", render_channel(rng, tissues, TISSUES, channel), affine=affine)
    write_volume(subject / "segm.nii.gz", label_tissues(tissues, TISSUES), affine=affine)
