"""The rules that a labelled case has to keep, each broken once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.acdc import ACDCSource
from mlseg.data.reading import read_labelled_case
from mlseg.types import Case, CaseFiles

IMAGE = "training/patient001/patient001_frame01.nii.gz"
TARGET = "training/patient001/patient001_frame01_gt.nii.gz"


def read_first(root: Path, orientation: str = "native") -> Case:
    source = ACDCSource(root, orientation=orientation)
    return source.read_case(source.list_cases()[0])


def put(value: float, dtype: type) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(dtype)
        array[1, 2, 3] = value
        return array

    return change


def shift(distance_mm: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(affine: np.ndarray) -> np.ndarray:
        affine[0, 3] += distance_mm
        return affine

    return change


def test_label_out_of_range_is_named_with_its_value(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    change_volume(acdc_copy / TARGET, put(7, np.uint8))
    with pytest.raises(DataError, match=rf"{TARGET}: labels must be .* 0 to 3 \(background, .*got 7 in 1 voxels"):
        read_first(acdc_copy)


def test_negative_label_is_refused(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    change_volume(acdc_copy / TARGET, put(-1, np.int16))
    with pytest.raises(DataError, match="got -1 in 1 voxels"):
        read_first(acdc_copy)


def test_labels_stored_as_floats_must_be_whole(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    expected = read_first(acdc_copy).target
    change_volume(acdc_copy / TARGET, lambda array: array.astype(np.float32))
    case = read_first(acdc_copy)
    np.testing.assert_array_equal(case.target, expected)
    assert case.target.dtype == np.uint8
    for wrong in (1.5, np.nan):
        change_volume(acdc_copy / TARGET, put(wrong, np.float32))
        with pytest.raises(DataError, match=f"labels must be whole numbers .* got {wrong:g} in 1 voxels"):
            read_first(acdc_copy)


def test_an_image_in_the_place_of_labels_is_one_short_line(acdc_copy: Path) -> None:
    (acdc_copy / TARGET).write_bytes((acdc_copy / IMAGE).read_bytes())
    with pytest.raises(DataError, match="values more") as caught:
        read_first(acdc_copy)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_intensities_must_be_finite(acdc_copy: Path, change_volume: Callable[..., None], value: float) -> None:
    change_volume(acdc_copy / IMAGE, put(value, np.float32))
    with pytest.raises(DataError, match=rf"{IMAGE}: intensities must be finite, got NaN or infinity in 1 voxels"):
        read_first(acdc_copy)


def test_intensities_beyond_float32_are_refused(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    change_volume(acdc_copy / IMAGE, put(1e300, np.float64))
    with pytest.raises(DataError, match="intensities must be finite"):
        read_first(acdc_copy)


def test_shapes_must_agree(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    change_volume(acdc_copy / TARGET, lambda array: array[:, :-1])
    with pytest.raises(DataError, match=rf"{TARGET}: shape must be that of the image"):
        read_first(acdc_copy)


def test_affines_must_agree(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    change_volume(acdc_copy / TARGET, affine=shift(1e-4))
    read_first(acdc_copy)
    change_volume(acdc_copy / TARGET, affine=shift(1.0))
    with pytest.raises(DataError, match=rf"{TARGET}: affine must be that of the image .*got 1 mm"):
        read_first(acdc_copy)


@pytest.mark.parametrize("orientation", ["native", "RAS", "SPL", "ASR"])
def test_corners_are_those_of_the_stored_grid(
    acdc_copy: Path, change_volume: Callable[..., None], orientation: str
) -> None:
    def stretch(affine: np.ndarray) -> np.ndarray:
        affine[:3, 0] *= 1 + 0.01
        return affine

    width_mm = read_first(acdc_copy).spacing_mm[2] * (read_first(acdc_copy).target.shape[2] - 1)
    change_volume(acdc_copy / TARGET, affine=stretch)
    with pytest.raises(DataError, match=rf"got {0.01 * width_mm:.3g} mm between corners"):
        read_first(acdc_copy, orientation)


def test_a_rotated_reference_is_refused_though_its_origin_agrees(
    acdc_copy: Path, change_volume: Callable[..., None]
) -> None:
    def turn(affine: np.ndarray) -> np.ndarray:
        angle = 0.02
        turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        affine[:3, :3] = turned @ affine[:3, :3]
        return affine

    change_volume(acdc_copy / TARGET, affine=turn)
    with pytest.raises(DataError, match="affine must be that of the image"):
        read_first(acdc_copy)


def test_all_problems_of_a_case_come_together(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    change_volume(acdc_copy / IMAGE, put(np.nan, np.float32))
    change_volume(acdc_copy / TARGET, put(9, np.uint8), affine=shift(3.0))
    with pytest.raises(DataError) as caught:
        read_first(acdc_copy)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(str(acdc_copy)) for line in lines)


def test_every_channel_must_be_there(acdc_root: Path) -> None:
    source = ACDCSource(acdc_root)
    files: CaseFiles = source.list_cases()[0]
    with pytest.raises(DataError, match=r"patient001_frame01: must have 1 channels \(MR\), got 2 files"):
        source.read_case(replace(files, images=files.images * 2))
    with pytest.raises(DataError, match="got 0 files"):
        source.read_case(replace(files, images=()))
    with pytest.raises(DataError, match=r"frame01\.nii\.gz: must have a reference segmentation"):
        source.read_case(replace(files, target=None))


def test_stored_values_are_mapped_to_classes(acdc_root: Path) -> None:
    files = ACDCSource(acdc_root).list_cases()[0]
    stored = ACDCSource(acdc_root).read_case(files).target
    label_map = {0: "background", 1: "blood", 2: "muscle", 3: "blood"}
    case = read_labelled_case(files, labels=["background", "muscle", "blood"], channels=["MR"], label_map=label_map)
    np.testing.assert_array_equal(case.target, np.array([0, 2, 1, 2])[stored])
    assert case.target.dtype == np.uint8
    del label_map[2]
    message = (
        r"labels must be whole numbers among 0 \(background\), 1 3 \(blood\), got 2 in \d+ voxels\. Ask the author\."
    )
    with pytest.raises(DataError, match=message):
        read_labelled_case(
            files,
            labels=["background", "muscle", "blood"],
            channels=["MR"],
            label_map=label_map,
            label_remedy="Ask the author.",
        )
