"""One scan stored in every axis order: the same label map in the world, and a header that other readers agree with."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.predict import predict
from mlseg.cli.predict_preflight import find_predict_problems
from mlseg.data.grids import ALL_STEPS, Steps, find_steps
from mlseg.data.nifti import read_volume

DESCRIPTION = b"phantom, TE=1.5;Time=93"


def rotate(affine: np.ndarray, *degrees: float) -> np.ndarray:
    """The affine turned about x, then y, in the world."""
    a, b = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    turned = affine.copy()
    turned[:3] = about_y @ about_x @ affine[:3]
    return turned


def write_scan(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """A scan with a header that says more than one of ours: two codes, units, a description."""
    image = nib.Nifti1Image(array.transpose(2, 1, 0), affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=2)
    image.header.set_xyzt_units("mm", "msec")
    image.header["descrip"] = DESCRIPTION
    image.header["cal_max"] = 900
    nib.save(image, path)


@pytest.fixture(scope="module")
def scans(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A folder with 48 axis orders of one scan and an oblique one; its array (D,H,W) and affine."""
    folder = tmp_path_factory.mktemp("scans")
    volume = read_volume(phantom / "training" / "patient001" / "patient001_frame01.nii.gz")
    array, (d, h, w) = np.asarray(volume.array, dtype=np.float32), volume.spacing_mm
    affine = np.array([[-w, 0, 0, 31.5], [0, -h, 0, 12.25], [0, 0, d, -104.5], [0, 0, 0, 1]])
    for number, steps in enumerate(ALL_STEPS):
        write_scan(folder / f"order{number:02}.nii.gz", steps.apply(array), steps.move_affine(affine, array.shape))
    write_scan(folder / "oblique.nii.gz", array, rotate(affine, 17, -11))
    return folder, array, affine


@pytest.fixture(scope="module")
def predicted(
    trained_lps: Path, scans: tuple[Path, np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The predictions of all of them, by a network that was trained a little on scans brought to LPS."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    app = App(task=predict, config_name="predict", prog="mlseg-predict", check=find_predict_problems)
    words = [f"run={trained_lps}", f"input={scans[0]}", f"output={out}", "save=[labels,probs_nifti]"]
    assert run_command(app, words) == 0
    return out


def test_the_same_label_map_in_the_world(scans: tuple[Path, np.ndarray, np.ndarray], predicted: Path) -> None:
    _, array, affine = scans
    plain = ALL_STEPS.index(Steps())
    expected = read_volume(predicted / f"order{plain:02}.nii.gz").array
    counts = np.bincount(expected.ravel(), minlength=4)
    assert (counts > 20).sum() >= 3, f"the network found too little to compare, {counts}"
    orders = {path: read_volume(path) for path in sorted(predicted.glob("order*.nii.gz"))}
    assert len(orders) == 48
    # As stored, hardly any two are alike: the comparison could fail.
    assert sum(np.array_equal(volume.array, expected) for volume in orders.values()) <= 2
    for path, volume in orders.items():
        steps = find_steps(volume.affine, volume.array.shape, to_affine=affine, to_shape=array.shape)
        assert steps is not None, path
        assert np.array_equal(steps.apply(volume.array), expected), path
    # The oblique scan has the same voxels elsewhere in the world.
    oblique = read_volume(predicted / "oblique.nii.gz")
    np.testing.assert_allclose(oblique.affine, rotate(affine, 17, -11), atol=1e-4)
    assert np.array_equal(oblique.array, expected)


def test_the_header_is_that_of_the_scan(scans: tuple[Path, np.ndarray, np.ndarray], predicted: Path) -> None:
    folder = scans[0]
    for path in sorted(folder.glob("*.nii.gz")):
        before = nib.load(path).header
        for made, ndim, kind in (
            (predicted / path.name, 3, np.uint8),
            (predicted / "probs" / path.name, 4, np.float32),
        ):
            image = nib.load(made)
            after = image.header
            for name in ("qform_code", "sform_code", "xyzt_units", "descrip", "quatern_b", "quatern_c", "quatern_d"):
                assert after[name] == before[name], (made, name)
            for name in ("srow_x", "srow_y", "srow_z"):
                assert np.array_equal(after[name], before[name])
            assert np.array_equal(after["pixdim"][:4], before["pixdim"][:4])
            assert (after["qform_code"], after["sform_code"]) == (1, 2)
            assert bytes(after["descrip"].item()) == DESCRIPTION
            assert (image.ndim, image.get_data_dtype()) == (ndim, np.dtype(kind))
            assert image.shape[:3] == nib.load(path).shape
            assert float(after["cal_max"]) == 0


def test_another_reader_finds_it_at_the_same_place(scans: tuple[Path, np.ndarray, np.ndarray], predicted: Path) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK, a second reader, is not installed")
    paths = sorted(scans[0].glob("*.nii.gz"))
    assert len(paths) == 49
    for path in paths:
        scan, made = sitk.ReadImage(str(path)), sitk.ReadImage(str(predicted / path.name))
        assert made.GetSize() == scan.GetSize()
        for name in ("GetSpacing", "GetOrigin", "GetDirection"):
            np.testing.assert_allclose(getattr(made, name)(), getattr(scan, name)(), atol=1e-6)
        probs = sitk.ReadImage(str(predicted / "probs" / path.name))
        assert (probs.GetSize()[:3], probs.GetSize()[3]) == (scan.GetSize(), 4)
        np.testing.assert_allclose(probs.GetSpacing()[:3], scan.GetSpacing(), atol=1e-6)
        np.testing.assert_allclose(probs.GetOrigin()[:3], scan.GetOrigin(), atol=1e-6)
        # And it reads the values as we do.
        assert np.array_equal(sitk.GetArrayFromImage(made), read_volume(predicted / path.name).array)
