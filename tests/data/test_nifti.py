"""Reading and writing NIfTI: axis order, scale factors, orientation there and back, damaged files."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlseg.checks import ConfigError, DataError
from mlseg.data.nifti import read_channels, read_volume, to_stored, write_volume

AFFINE = np.array([[-1.5, 0.1, 0, 5], [0.1, -1.2, 0.3, -7], [0, 0.2, 8.0, 3], [0, 0, 0, 1]])
CODES = [
    "".join(letters) for axes in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*axes)
]


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def test_array_is_the_stored_one_with_axes_reversed(tmp_path: Path) -> None:
    stored = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    volume = read_volume(save(tmp_path / "a.nii.gz", stored))
    assert volume.array.shape == (4, 3, 2)
    assert volume.array.dtype == np.int16
    assert volume.array[3, 1, 0] == stored[0, 1, 3]
    np.testing.assert_allclose(volume.spacing_mm, np.linalg.norm(AFFINE[:3, :3], axis=0)[::-1], rtol=1e-6)
    np.testing.assert_allclose(volume.affine, AFFINE, rtol=1e-6)


def test_scale_factor_is_applied(tmp_path: Path) -> None:
    stored = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    data = bytearray(nibabel.Nifti1Image(stored, AFFINE).to_bytes())
    data[112:120] = np.float32([0.5, 10]).tobytes()  # scl_slope, scl_inter
    (tmp_path / "a.nii").write_bytes(bytes(data))
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii").array, stored.transpose(2, 1, 0) * 0.5 + 10)


def test_trailing_axes_of_length_one_are_dropped(tmp_path: Path) -> None:
    assert read_volume(save(tmp_path / "a.nii.gz", np.zeros((2, 3, 4, 1, 1), np.int16))).array.shape == (4, 3, 2)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 5)])
def test_other_than_three_axes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"a\.nii\.gz: must have three axes"):
        read_volume(save(tmp_path / "a.nii.gz", np.zeros(shape, np.int16)))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 1, 5), (2, 3, 4, 5, 1)])
@pytest.mark.parametrize("codes", ["native", "ASL"])
def test_channels_on_the_last_axis_come_first(tmp_path: Path, shape: tuple[int, ...], codes: str) -> None:
    stored = np.arange(120, dtype=np.int16).reshape(shape)
    volume = read_channels(save(tmp_path / "a.nii.gz", stored), orientation=codes)
    assert len(volume.array) == 5
    for channel in range(5):
        alone = read_volume(save(tmp_path / "b.nii", stored.reshape(2, 3, 4, 5)[..., channel]), orientation=codes)
        np.testing.assert_array_equal(volume.array[channel], alone.array)
    assert volume.spacing_mm == alone.spacing_mm
    np.testing.assert_array_equal(volume.affine, alone.affine)
    assert codes != "native" or volume.array.flags.c_contiguous


def test_a_file_without_channels_has_one(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    np.testing.assert_array_equal(read_channels(path).array, read_volume(path).array[None])


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4, 2, 5)])
def test_channels_need_one_axis_behind_three(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"a\.nii: must have three axes, or four with the channels last, got shape"):
        read_channels(save(tmp_path / "a.nii", np.zeros(shape, np.int16)))


def test_nifti2_and_swapped_bytes_are_read(tmp_path: Path) -> None:
    stored = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti2Image(stored, AFFINE), tmp_path / "two.nii.gz")
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(stored, AFFINE, header), tmp_path / "big.nii")
    for name in ("two.nii.gz", "big.nii"):
        np.testing.assert_array_equal(read_volume(tmp_path / name).array, stored.transpose(2, 1, 0))


@pytest.mark.parametrize("codes", CODES)
def test_orientation_agrees_with_nibabel_and_can_be_undone(tmp_path: Path, codes: str) -> None:
    stored = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    path = save(tmp_path / "a.nii", stored)
    volume = read_volume(path, orientation=codes)
    steps = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(AFFINE), nibabel.orientations.axcodes2ornt(codes)
    )
    expected = nibabel.load(path).as_reoriented(steps)
    np.testing.assert_array_equal(volume.array, np.asarray(expected.dataobj).transpose(2, 1, 0))
    np.testing.assert_allclose(volume.spacing_mm, expected.header.get_zooms()[::-1], rtol=1e-6)
    np.testing.assert_array_equal(to_stored(volume.array, volume.affine, codes), stored)
    write_volume(tmp_path / "b.nii.gz", volume.array, affine=volume.affine, orientation=codes)
    again = nibabel.load(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(np.asarray(again.dataobj), stored)
    np.testing.assert_allclose(again.affine, AFFINE, rtol=1e-6)
    assert again.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("codes", ["", "LP", "LPP", "LRS", "xyz", "lps"])
def test_wrong_axis_codes_are_refused(tmp_path: Path, codes: str) -> None:
    with pytest.raises(ConfigError, match="orientation: must be native or one letter each"):
        read_volume(tmp_path / "a.nii", orientation=codes)


def test_spacing_must_be_above_zero(tmp_path: Path) -> None:
    data = bytearray(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), AFFINE).to_bytes())
    data[84:88] = np.float32(0).tobytes()  # pixdim[2]
    (tmp_path / "a.nii").write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a\.nii: spacing must be above 0"):
        read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize("place", [80, 84, 88])  # pixdim[1] to pixdim[3]
def test_spacing_must_be_that_of_the_affine(tmp_path: Path, place: int) -> None:
    whole = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), AFFINE).to_bytes()
    (stored,) = np.frombuffer(whole[place : place + 4], dtype="<f4")
    for factor, fits in ((1.008, True), (0.992, True), (1.02, False), (0.98, False), (10, False)):
        data = bytearray(whole)
        data[place : place + 4] = np.float32(factor * stored).tobytes()
        (tmp_path / "a.nii").write_bytes(bytes(data))
        if fits:
            read_volume(tmp_path / "a.nii")
            continue
        wanted = r"a\.nii: pixdim and the affine must give one spacing, got \(.*\) mm and \(1\.503, 1\.221, 8\.006\) mm"
        with pytest.raises(DataError, match=wanted):
            read_volume(tmp_path / "a.nii")


@pytest.mark.parametrize(("unit", "name"), [(1, "metre"), (3, "micron"), (5, "code 5")])
@pytest.mark.parametrize("time", [0, 8])
def test_lengths_must_be_in_mm(tmp_path: Path, unit: int, name: str, time: int) -> None:
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        image = kind(np.zeros((2, 2, 2), np.int16), AFFINE)
        image.header["xyzt_units"] = unit + time
        (tmp_path / "a.nii").write_bytes(image.to_bytes())
        with pytest.raises(DataError, match=rf"a\.nii: lengths must be in mm, got {name}"):
            read_volume(tmp_path / "a.nii")
        for known in (0, 2):
            image.header["xyzt_units"] = known + time
            (tmp_path / "a.nii").write_bytes(image.to_bytes())
            read_volume(tmp_path / "a.nii")


@pytest.mark.slow
def test_headers_of_real_files_agree_with_themselves(realdata_dir: Path) -> None:
    paths = [path for name in ("acdc", "hippocampus", "brats2015") for path in (realdata_dir / name).rglob("*.nii*")]
    assert paths
    for path in paths[::10]:
        read_channels(path)


def test_affine_must_be_finite(tmp_path: Path) -> None:
    data = bytearray(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.int16), AFFINE).to_bytes())
    data[280:284] = np.float32(np.nan).tobytes()  # srow_x[0]
    (tmp_path / "a.nii").write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a\.nii: the affine must be finite"):
        read_volume(tmp_path / "a.nii")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must hold real numbers, got complex64"):
        read_volume(save(tmp_path / "a.nii", np.zeros((2, 2, 2), np.complex64)))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.nii\.gz: must exist, got no such file"):
        read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.98])
def test_cut_file(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 1000, (20, 20, 5)).astype(np.int16)
    path = save(tmp_path / f"a{suffix}", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"a\.nii(\.gz)?: must be a whole .* damaged one"):
        read_volume(path)


def test_a_flipped_byte_in_compressed_voxels_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    data = nibabel.Nifti1Image(np.ones((9, 9, 9), np.int16), AFFINE).to_bytes()
    stored = bytearray(gzip.compress(data, 0))  # stored blocks: the stream stays readable, only the checksum tells
    stored[len(stored) - 100] ^= 1
    path.write_bytes(bytes(stored))
    with pytest.raises(DataError, match="CRC"):
        read_volume(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_header_is_read_or_refused_in_one_line(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), AFFINE).to_bytes())
    for place, value in changes:
        data[place] = value
    path = tmp_path / "a.nii"
    path.write_bytes(bytes(data))
    try:
        outcome = read_volume(path).array.shape
    except DataError as error:
        outcome = str(error)
    assert isinstance(outcome, str) or len(outcome) == 3
    if isinstance(outcome, str):
        assert outcome.startswith(f"{path}: ")
        assert "\n" not in outcome


def test_channels_are_written_behind_the_three_axes(tmp_path: Path) -> None:
    array = np.arange(2 * 4 * 3 * 5, dtype=np.int16).reshape(2, 4, 3, 5)
    write_volume(tmp_path / "a.nii.gz", array, affine=AFFINE)
    assert nibabel.load(tmp_path / "a.nii.gz").shape == (5, 3, 4, 2)
    np.testing.assert_array_equal(read_channels(tmp_path / "a.nii.gz").array, array)
    write_volume(tmp_path / "b.nii", array[:1], affine=AFFINE)
    assert nibabel.load(tmp_path / "b.nii").shape == (5, 3, 4, 1)
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii").array, array[0])


def test_a_scale_is_stored_and_applied_by_readers(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write_volume(tmp_path / "a.nii.gz", array, affine=AFFINE, scale=(0.25, -3))
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.int16
    assert (image.dataobj.slope, image.dataobj.inter) == (0.25, -3)
    np.testing.assert_array_equal(read_volume(tmp_path / "a.nii.gz").array, array * 0.25 - 3)


def test_writing_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_volume(tmp_path / "file" / "a.nii.gz", np.zeros((2, 2, 2), np.uint8), affine=AFFINE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
