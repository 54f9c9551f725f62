"""The phantom of ACDC: official layout, plausible hearts, the same ones each time, and never over somebody's data."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from mlseg.checks import ConfigError
from mlseg.data.nifti import read_volume
from mlseg.data.phantom_acdc import LV, MYO, RV, write_phantom_acdc

SMALL = {"subjects": 2, "shape": (4, 44, 40)}


def read_pair(patient: Path) -> dict[str, np.ndarray]:
    info = dict(line.split(": ") for line in (patient / "Info.cfg").read_text().splitlines())
    return {
        phase: read_volume(patient / f"{patient.name}_frame{int(info[phase]):02d}_gt.nii.gz").array
        for phase in ("ED", "ES")
    }


def test_layout_is_the_official_one(acdc_root: Path) -> None:
    patient = acdc_root / "training" / "patient001"
    info = (patient / "Info.cfg").read_text()
    es = int(info.split("ES: ")[1].split()[0])
    expected = {f"patient001_frame{n:02d}{part}.nii.gz" for n in (1, es) for part in ("", "_gt")} | {"Info.cfg"}
    assert {path.name for path in patient.iterdir()} == expected
    assert [line.split(":")[0] for line in info.splitlines()] == ["ED", "ES", "Group", "Height", "NbFrame", "Weight"]
    groups = [
        (acdc_root / "training" / f"patient{n:03d}" / "Info.cfg").read_text().split("Group: ")[1].split()[0]
        for n in range(1, 6)
    ]
    assert groups == ["DCM", "HCM", "MINF", "NOR", "RV"]


def test_images_are_int16_anisotropic_and_oblique(acdc_root: Path) -> None:
    shapes, spacings = set(), set()
    for path in sorted(acdc_root.glob("training/*/*_frame01.nii.gz")):
        image = nibabel.load(path)
        assert image.get_data_dtype() == np.int16
        assert np.asarray(image.dataobj).std() > 50
        directions = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
        assert (np.abs(directions).max(axis=0) < 0.9999).any()
        np.testing.assert_allclose(np.linalg.norm(image.affine[:3, :3], axis=0), image.header.get_zooms(), rtol=1e-5)
        assert image.header.get_zooms()[2] > 4 * image.header.get_zooms()[0]
        shapes.add(image.shape)
        spacings.add(image.header.get_zooms())
    assert len(shapes) > 2
    assert len(spacings) == 5


def test_hearts_are_nested_and_beat(tmp_path: Path) -> None:
    root = write_phantom_acdc(tmp_path, subjects=5)
    for patient in sorted((root / "training").iterdir()):
        frames = read_pair(patient)
        for target in frames.values():
            assert set(np.unique(target)) == {0, RV, MYO, LV}
            touching = binary_dilation(target == LV, structure=np.ones((1, 3, 3)))
            assert set(np.unique(target[touching])) == {MYO, LV}
            assert not target[-1].any()
            assert any(set(np.unique(plane)) == {0, MYO, LV} for plane in target)
        for label in (RV, LV):
            assert (frames["ES"][3] == label).sum() < 0.95 * (frames["ED"][3] == label).sum()


def test_blood_is_brighter_than_muscle(acdc_root: Path) -> None:
    for path in acdc_root.glob("training/*/*_gt.nii.gz"):
        target = read_volume(path).array
        image = read_volume(path.with_name(path.name.replace("_gt", ""))).array
        means = {label: image[target == label].mean() for label in (RV, MYO, LV)}
        assert min(means[RV], means[LV]) > 1.4 * means[MYO]


def test_groups_change_the_shape(tmp_path: Path) -> None:
    root = write_phantom_acdc(tmp_path, subjects=5)
    share = {}
    for number, group in enumerate(("DCM", "HCM", "MINF", "NOR", "RV"), start=1):
        counts = np.bincount(read_pair(root / "training" / f"patient{number:03d}")["ED"].ravel(), minlength=4)
        share[group] = counts / counts[1:].sum()
    assert share["HCM"][MYO] > share["NOR"][MYO] > share["DCM"][MYO]
    assert share["RV"][RV] == max(part[RV] for part in share.values())


def test_same_arguments_same_bytes_other_seed_other_images(tmp_path: Path) -> None:
    first, second, other = (
        write_phantom_acdc(tmp_path / name, seed=seed, **SMALL) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    name = Path("training/patient002/patient002_frame01.nii.gz")
    assert (first / name).read_bytes() == (second / name).read_bytes()
    assert (first / name).read_bytes() != (other / name).read_bytes()


def test_arguments_are_checked(tmp_path: Path) -> None:
    for wrong in (
        {"subjects": 0},
        {"seed": -1},
        {"shape": (2, 64, 64)},
        {"shape": (8, 64)},
        {"spacing_mm": (10, 0, 1)},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            write_phantom_acdc(tmp_path / "p", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "p").exists()
