"""A synthetic twin of BraTS: skull-stripped brains with a tumour in four channels, in the layouts of 2018 to 2023."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from mlseg.checks import OneOf, check_range
from mlseg.data.nifti import write_volume
from mlseg.data.phantom_anatomy import Body, Tissue, draw_tissues, label_tissues, render_channel
from mlseg.data.phantom_folder import check_phantom, write_folder

YEARS = (2018, 2019, 2020, 2021, 2023)
_GM, _WM, _CSF, _ED, _NCR, _ET = range(1, 7)
_BRAIN = (_GM, _WM, _CSF)
# By number; contrast in T1, T1ce, T2 and FLAIR. The labels are those from 2023 on.
TISSUES = (
    Tissue(label=0, contrast=(0, 0, 0, 0)),
    Tissue(label=0, contrast=(380, 400, 450, 420)),
    Tissue(label=0, contrast=(520, 540, 330, 330)),
    Tissue(label=0, contrast=(180, 190, 850, 120)),
    Tissue(label=2, contrast=(340, 360, 760, 860)),
    Tissue(label=1, contrast=(240, 250, 700, 520)),
    Tissue(label=3, contrast=(420, 950, 600, 700)),
)
_OLD_PARTS = ("t1", "t1ce", "t2", "flair", "seg")
_NEW_PARTS = ("t1n", "t1c", "t2w", "t2f", "seg")


@dataclass(frozen=True, kw_only=True)
class _Scan:
    """One case to be written: whose, where, and how far its tumour has grown."""

    subject: int
    folder: str
    case_id: str
    grade: str
    time: int = 0


def write_phantom_brats(
    root: Path,
    *,
    subjects: int = 10,
    seed: int = 0,
    shape: tuple[int, int, int] = (24, 96, 96),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    year: int = 2019,
) -> Path:
    """Write a phantom BraTS under `root`, in the layout of a year, and return `root`.

    Two of three subjects have a high grade; low grades rarely have an enhancing tumour. In 2023 every third subject
    has a second time point. A full-size case is (155, 240, 240).

    Args:
        subjects: people.
        shape: voxels (d,h,w) of every case.
        spacing_mm: voxel size (d,h,w) of every case.
        year: 2018 (HGG/ and LGG/), 2019 (the same in the archive's folder, with name_mapping.csv), 2020 (flat, .nii,
            with name_mapping.csv), 2021 (flat) or 2023 (new names, the enhancing tumour stored as 3).

    Raises:
        ConfigError: an argument is out of range.
        DataError: `root` holds something else, or can't be written.
    """
    settings = check_phantom("write_phantom_brats", subjects=subjects, seed=seed, shape=shape, spacing_mm=spacing_mm)
    check_range("write_phantom_brats", "year", year, OneOf(YEARS))
    scans = [scan for number in range(1, subjects + 1) for scan in _list_scans(number, year)]
    entries = [*dict.fromkeys(scan.folder.split("/")[0] for scan in scans)]
    jobs = [
        partial(_write_scan, root, scan, seed=seed, shape=shape, spacing_mm=spacing_mm, year=year) for scan in scans
    ]
    if year in (2019, 2020):
        jobs.append(partial(_write_grades, root / entries[0] / "name_mapping.csv", scans, year=year))
    return write_folder(root, {"data": "brats", **settings, "year": year}, entries=entries, jobs=jobs)


def _list_scans(number: int, year: int) -> list[_Scan]:
    grade = "LGG" if number % 3 == 0 else "HGG"
    if year == 2023:
        times = (0, 1) if number % 3 == 0 else (0,)
        ids = [f"BraTS-GLI-{number:05d}-{time:03d}" for time in times]
        return [
            _Scan(subject=number, folder=case_id, case_id=case_id, grade=grade, time=time)
            for case_id, time in zip(ids, times, strict=True)
        ]
    case_id, folder = {
        2018: (f"Brats18_PHA_{number:03d}_1", grade),
        2019: (f"BraTS19_PHA_{number:03d}_1", f"MICCAI_BraTS_2019_Data_Training/{grade}"),
        2020: (f"BraTS20_Training_{number:03d}", "MICCAI_BraTS2020_TrainingData"),
        2021: (f"BraTS2021_{number:05d}", ""),
    }[year]
    return [_Scan(subject=number, folder=f"{folder}/{case_id}".lstrip("/"), case_id=case_id, grade=grade)]


def _write_scan(
    root: Path,
    scan: _Scan,
    *,
    seed: int,
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    year: int,
) -> None:
    # A later scan repeats the draws of the first but for the tumour's size, and has noise of its own.
    rng = np.random.default_rng((seed, scan.subject))
    tissues = draw_tissues(rng, _draw_bodies(rng, scan), shape)
    noise = np.random.default_rng((seed, scan.subject, scan.time + 1))
    affine = np.diag([-spacing_mm[2], -spacing_mm[1], spacing_mm[0], 1.0])
    affine[1, 3] = (shape[1] - 1) * spacing_mm[1]
    (root / scan.folder).mkdir(parents=True, exist_ok=True)
    *channels, seg = _NEW_PARTS if year == 2023 else _OLD_PARTS
    stem = root / scan.folder / f"{scan.case_id}{'-' if year == 2023 else '_'}"
    ending = ".nii" if year == 2020 else ".nii.gz"
    for channel, part in enumerate(channels):
        image = render_channel(noise, tissues, TISSUES, channel, stripped=True)
        write_volume(stem.with_name(f"{stem.name}{part}{ending}"), image, affine=affine)
    target = label_tissues(tissues, TISSUES)
    if year != 2023:
        target[target == 3] = 4
    write_volume(stem.with_name(f"{stem.name}{seg}{ending}"), target, affine=affine)


def _draw_bodies(rng: np.random.Generator, scan: _Scan) -> list[Body]:
    """The brain, and a tumour somewhere in one of its halves."""
    side = 0.37 if rng.uniform() < 0.5 else 0.63
    centre = (rng.uniform(0.42, 0.62), rng.uniform(0.38, 0.62), side)
    size = rng.uniform(0.8, 1.15) * (1 + 0.25 * scan.time)
    low = scan.grade == "LGG"
    rim, core = (0.12, 0.1) if low else (0.1, 0.065)
    # Lower than the volume: there are slices without brain at both ends, as in the real ones.
    whole = Body(tissue=_CSF, centre=(0.5, 0.52, 0.5), radii=(0.4, 0.36, 0.3), drift=0.01, spread=0.05, bumps=0.03)
    brain = [
        whole,
        replace(whole, tissue=_GM, inside=(_CSF,), drift=0, bumps=0.1, waves=7),
        replace(whole, tissue=_WM, radii=(0.35, 0.29, 0.24), inside=(_GM,), drift=0, bumps=0.2, waves=6),
        Body(tissue=_CSF, centre=(0.52, 0.5, 0.47), radii=(0.12, 0.13, 0.03), inside=_BRAIN, drift=0.01),
        Body(tissue=_CSF, centre=(0.52, 0.5, 0.53), radii=(0.12, 0.13, 0.03), inside=_BRAIN, drift=0.01),
    ]
    tumour = [
        Body(tissue=_ED, centre=centre, radii=_scale((0.22, 0.18, 0.16), size), inside=_BRAIN, drift=0, bumps=0.25),
        Body(
            tissue=_ET,
            centre=centre,
            radii=_scale((rim * 1.3, rim, rim), size),
            inside=(_ED,),
            drift=0,
            chance=0.4 if low else 1.0,
        ),
        Body(tissue=_NCR, centre=centre, radii=_scale((core * 1.3, core, core), size), inside=(_ED, _ET), drift=0.01),
    ]
    return [*brain, *tumour]


def _scale(radii: Sequence[float], size: float) -> tuple[float, float, float]:
    d, h, w = radii
    return d * size, h * size, w * size


def _write_grades(path: Path, scans: Sequence[_Scan], *, year: int) -> None:
    """The table of the archives, with the columns of former years' names empty."""
    lines = [f"Grade,BraTS_2017_subject_ID,BraTS_{year}_subject_ID"]
    lines += [f"{scan.grade},,{scan.case_id}" for scan in scans]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
