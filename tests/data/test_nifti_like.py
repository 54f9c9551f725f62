"""Files that take another one's header: of either version and byte order, whatever the scan's own header says."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mlseg.checks import DataError, RunError
from mlseg.data.nifti import read_channels, read_volume
from mlseg.data.nifti_like import DATATYPES, write_like

AFFINE = np.array([[-1.25, 0.1, 0.3, 40], [0.1, -1.5, 0.2, -7], [0.2, 0.1, 8.0, 3], [0, 0, 0, 1]])
KEPT = ("qform_code", "sform_code", "xyzt_units", "descrip", "aux_file", "dim_info", "slice_code", "slice_end")
ROWS = ("srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")


def write_scan(
    path: Path, *, kind: type = nib.Nifti1Image, order: str = "<", shape: tuple[int, ...] = (4, 5, 3)
) -> Path:
    header = (nib.Nifti1Header if kind is nib.Nifti1Image else nib.Nifti2Header)(endianness=order)
    header.set_data_dtype(np.int16)
    image = kind(np.arange(np.prod(shape)).reshape(shape).astype(np.int16), AFFINE, header)
    image.set_qform(AFFINE, code=1)
    image.set_sform(AFFINE, code=4)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"], image.header["aux_file"] = b"from the scanner", b"none"
    image.header["cal_max"], image.header["intent_code"], image.header["intent_name"] = 90, 3, b"a test"
    image.header.set_dim_info(0, 1, 2)
    image.header["slice_code"], image.header["slice_end"] = 1, 2
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"a name"))
    data = image.to_bytes()
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", sorted(DATATYPES))
def test_values_are_new_and_the_rest_is_the_scans(tmp_path, kind, order, dtype):
    scan = write_scan(tmp_path / "scan.nii.gz", kind=kind, order=order)
    random = np.random.default_rng(0)
    for array in (random.integers(0, 200, (3, 5, 4)).astype(dtype), random.random((2, 3, 5, 4)).astype(dtype)):
        made = tmp_path / f"made{array.ndim}.nii.gz"
        write_like(made, array, reference=scan)
        before, image = kind.from_filename(scan), kind.from_filename(made)
        assert image.header.endianness == order
        assert image.header.get_data_dtype().newbyteorder("=") == np.dtype(dtype)
        assert np.array_equal(np.asarray(image.dataobj), array.transpose())
        assert np.array_equal(image.affine, before.affine)
        for name in (*KEPT, *ROWS):
            assert np.array_equal(image.header[name], before.header[name]), name
        assert np.array_equal(image.header["pixdim"][:4], before.header["pixdim"][:4])
        # What described the scan's values does not describe these.
        assert (image.header["cal_max"], image.header["intent_code"], image.header["intent_name"]) == (0, 0, b"")
        assert not image.header.extensions
        assert np.array_equal(read_channels(made).array, array if array.ndim == 4 else array[None])


def test_a_scan_with_channels_a_scale_or_no_units(tmp_path):
    scan = write_scan(tmp_path / "scan.nii", shape=(4, 5, 3, 2))
    data = bytearray(scan.read_bytes())
    data[112:120] = np.array([0.5, 3.0], dtype="<f4").tobytes()
    data[123] = 0
    scan.write_bytes(bytes(data))
    array = np.arange(60, dtype=np.uint8).reshape(3, 5, 4)
    write_like(tmp_path / "made.nii", array, reference=scan)
    image = nib.load(tmp_path / "made.nii")
    assert np.array_equal(read_volume(tmp_path / "made.nii").array, array)
    assert (image.shape, int(image.header["xyzt_units"])) == ((4, 5, 3), 0)
    assert (tmp_path / "made.nii").stat().st_size == 352 + 60
    assert np.frombuffer((tmp_path / "made.nii").read_bytes()[112:120], dtype="<f4").tolist() == [1, 0]


def test_what_cannot_be_read_or_written(tmp_path):
    scan, array = write_scan(tmp_path / "scan.nii.gz"), np.zeros((3, 5, 4), dtype=np.uint8)
    with pytest.raises(RunError, match="cannot be written"):
        write_like(tmp_path / "nowhere" / "made.nii", array, reference=scan)
    with pytest.raises(DataError, match="must be readable"):
        write_like(tmp_path / "made.nii", array, reference=tmp_path / "none.nii")
    scan.write_bytes(b"\x1f\x8b" + b"no gzip at all")
    with pytest.raises(DataError, match="must be readable"):
        write_like(tmp_path / "made.nii", array, reference=scan)
    scan.write_bytes(b"text")
    with pytest.raises(DataError, match="got no header of one"):
        write_like(tmp_path / "made.nii", array, reference=scan)
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii.gz"]
