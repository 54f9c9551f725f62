"""Task folders of the Medical Segmentation Decathlon: listing, channels in one file, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.msd import MSDSource
from mlseg.data.nifti import to_stored

AFFINE = np.diag([-0.5, 0.75, 3.0, 1.0])
SHAPE = (5, 4, 3)


def write_task(
    root: Path, cases: Sequence[str], *, channels: int = 1, values: Sequence[int] = (0, 1, 2), **changes: Any
) -> Path:
    """A small task; image voxels count up, so that every one is another."""
    rng = np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(cases):
        shape = SHAPE if channels == 1 else (*SHAPE, channels)
        image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1000 * number
        save(root / f"imagesTr/{case}.nii.gz", image)
        save(root / f"labelsTr/{case}.nii.gz", rng.choice(values, SHAPE).astype(np.uint8))
    record = {
        "modality": {str(n): f"M{n}" for n in range(channels)},
        "labels": {str(value): ["background", "a", "b"][n] for n, value in enumerate(values)},
        "training": [{"image": f"./imagesTr/{c}.nii.gz", "label": f"./labelsTr/{c}.nii.gz"} for c in cases],
        "test": ["./imagesTs/x_009.nii.gz"],
        **changes,
    }
    (root / "dataset.json").write_text(json.dumps(record))
    return root


def save(path: Path, array: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(array, AFFINE), path)


def stored(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def test_the_listed_cases_are_read_sorted(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x_002", "x_001"]))
    save(tmp_path / "imagesTs/x_009.nii.gz", np.zeros(SHAPE))
    save(tmp_path / "imagesTr/unlisted.nii.gz", np.zeros(SHAPE))
    cases = source.list_cases()
    assert [(case.case_id, case.subject_id) for case in cases] == [("x_001", "x_001"), ("x_002", "x_002")]
    assert cases[0].images == (tmp_path / "imagesTr/x_001.nii.gz",)
    assert cases[0].target == tmp_path / "labelsTr/x_001.nii.gz"
    assert (source.labels, source.channels) == (("background", "a", "b"), ("M0",))
    assert pickle.loads(pickle.dumps(source)).list_cases() == cases


def test_a_case_is_the_stored_array(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x"]))
    case = source.read_case(source.list_cases()[0])
    np.testing.assert_array_equal(case.image[0], stored(tmp_path / "imagesTr/x.nii.gz").transpose(2, 1, 0))
    np.testing.assert_array_equal(case.target, stored(tmp_path / "labelsTr/x.nii.gz").transpose(2, 1, 0))
    assert (case.image.dtype, case.target.dtype) == (np.float32, np.uint8)
    assert case.spacing_mm == (3.0, 0.75, 0.5)
    np.testing.assert_allclose(case.affine, AFFINE)


@pytest.mark.parametrize("orientation", ["native", "SAR"])
def test_one_file_holds_all_channels(tmp_path: Path, orientation: str) -> None:
    source = MSDSource(write_task(tmp_path, ["x"], channels=4), orientation=orientation)
    case = source.read_case(source.list_cases()[0])
    assert case.image.shape[0] == len(source.channels) == 4
    for channel in range(4):
        back = to_stored(case.image[channel], case.affine, orientation)
        np.testing.assert_array_equal(back, stored(tmp_path / "imagesTr/x.nii.gz")[..., channel])
    np.testing.assert_array_equal(
        to_stored(case.target, case.affine, orientation), stored(tmp_path / "labelsTr/x.nii.gz")
    )


@pytest.mark.parametrize(("held", "listed"), [(3, 2), (1, 2), (2, 1)])
def test_the_channels_of_a_file_are_counted(tmp_path: Path, held: int, listed: int) -> None:
    write_task(tmp_path, ["x"], channels=held, modality={str(n): f"M{n}" for n in range(listed)})
    source = MSDSource(tmp_path)
    with pytest.raises(DataError, match=rf"x\.nii\.gz: must (hold {listed} channels|have three axes).* got {held}"):
        source.read_case(source.list_cases()[0])


def test_an_intensity_in_the_last_channel_is_checked_too(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x"], channels=2))
    image = np.zeros((*SHAPE, 2), np.float32)
    image[1, 2, 0, 1] = np.nan
    save(tmp_path / "imagesTr/x.nii.gz", image)
    with pytest.raises(DataError, match="intensities must be finite, got NaN or infinity in 1 voxels"):
        source.read_case(source.list_cases()[0])


def test_stored_values_with_gaps_become_classes(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x"], values=(0, 1, 4)))
    target = source.read_case(source.list_cases()[0]).target
    values = stored(tmp_path / "labelsTr/x.nii.gz").transpose(2, 1, 0)
    assert set(np.unique(values)) == {0, 1, 4}
    np.testing.assert_array_equal(target, np.select([values == 1, values == 4], [1, 2], 0))


def test_a_value_that_dataset_json_does_not_know_is_named(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x"], values=(0, 1, 4)))
    save(tmp_path / "labelsTr/x.nii.gz", np.full(SHAPE, 2, np.uint8))
    with pytest.raises(DataError, match=r"labels must be whole numbers among .*4 \(b\), got 2 in 60 voxels") as caught:
        source.read_case(source.list_cases()[0])
    assert f"labels in {tmp_path / 'dataset.json'}" in str(caught.value)


def test_without_a_list_the_folders_tell(tmp_path: Path) -> None:
    write_task(tmp_path, ["a", "b"], training=[])
    (tmp_path / "labelsTr/a.nii.gz").unlink()
    (tmp_path / "imagesTr/b.nii.gz").unlink()
    (tmp_path / "imagesTr/._a.nii.gz").touch()
    source = MSDSource(tmp_path)
    first, second = source.list_cases()
    assert (first.case_id, second.case_id) == ("a", "b")
    with pytest.raises(DataError, match=r"labelsTr/a\.nii\.gz: must exist"):
        source.read_case(first)
    with pytest.raises(DataError, match=r"imagesTr/b\.nii\.gz: must exist"):
        source.read_case(second)


def test_unpacked_files_are_found(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x"]))
    (tmp_path / "imagesTr/x.nii.gz").rename(tmp_path / "imagesTr/x.nii")
    assert source.list_cases()[0].images == (tmp_path / "imagesTr/x.nii",)


def test_a_listed_file_that_is_missing_is_reported_when_read(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["x"]))
    (tmp_path / "imagesTr/x.nii.gz").unlink()
    with pytest.raises(DataError, match=r"imagesTr/x\.nii\.gz: must exist"):
        source.read_case(source.list_cases()[0])


def test_several_scans_of_a_person_stay_together(tmp_path: Path) -> None:
    source = MSDSource(write_task(tmp_path, ["p1_a", "p1_b", "p2_a"]), subject_pattern=r"(p\d)_")
    assert [case.subject_id for case in source.list_cases()] == ["p1", "p1", "p2"]
    with pytest.raises(DataError, match=r"p1_a: .* must find a subject"):
        MSDSource(tmp_path, subject_pattern=r"(p2)_").list_cases()


def test_a_case_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    pair = {"image": "imagesTr/x.nii.gz", "label": "labelsTr/x.nii.gz"}
    write_task(tmp_path, ["x"], training=[pair, pair])
    with pytest.raises(DataError, match=r"dataset\.json: must list each case once, got x twice"):
        MSDSource(tmp_path).list_cases()


def test_an_empty_task_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="imagesTr: must hold images such as"):
        MSDSource(write_task(tmp_path, [])).list_cases()


def test_nnunets_layout_is_recognised(tmp_path: Path) -> None:
    write_task(tmp_path, ["x"])
    (tmp_path / "imagesTr/x.nii.gz").rename(tmp_path / "imagesTr/x_0000.nii.gz")
    with pytest.raises(DataError, match=r"got x_0000\.nii\.gz instead, .* Say data=nnunet\."):
        MSDSource(tmp_path).list_cases()


@pytest.mark.slow
def test_real_hippocampus(realdata_dir: Path) -> None:
    source = MSDSource(realdata_dir / "hippocampus")
    cases = source.list_cases()
    assert len(cases) == 200
    for files in cases[::20]:
        case = source.read_case(files)
        np.testing.assert_array_equal(case.image[0], stored(files.images[0]).astype(np.float32).transpose(2, 1, 0))
        assert files.target is not None
        np.testing.assert_array_equal(case.target, stored(files.target).transpose(2, 1, 0))
        assert set(np.unique(case.target)) == {0, 1, 2}
