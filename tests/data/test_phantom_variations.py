"""Every data set's reader against files as they come: what it must take gives the same arrays, the rest is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mlseg.checks import ConfigError, DataError
from mlseg.data.acdc import ACDCSource
from mlseg.data.brats import BraTSSource
from mlseg.data.mrbrains18 import MRBrainS18Source
from mlseg.data.msd import MSDSource
from mlseg.data.nnunet import NnUNetSource
from mlseg.data.phantom import write_phantom
from mlseg.data.phantom_variations import VARIATIONS, vary
from mlseg.types import Case, CaseSource

SMALL = {"subjects": 2, "shape": (8, 40, 40)}
# Layout -> the phantom, its options, its reader.
LAYOUTS: dict[str, tuple[str, dict[str, int], Callable[[Path], CaseSource]]] = {
    "acdc": ("acdc", {}, ACDCSource),
    "mrbrains18": ("mrbrains18", {}, MRBrainS18Source),
    "brats2018": ("brats", {"year": 2018}, BraTSSource),
    "brats2019": ("brats", {"year": 2019}, BraTSSource),
    "brats2020": ("brats", {"year": 2020}, BraTSSource),
    "brats2021": ("brats", {"year": 2021}, BraTSSource),
    "brats2023": ("brats", {"year": 2023}, BraTSSource),
    "msd": ("msd", {"channels": 1}, MSDSource),
    "msd_4d": ("msd", {"channels": 2}, MSDSource),
    "nnunet_v1": ("nnunet", {"channels": 2, "version": 1}, NnUNetSource),
    "nnunet_v2": ("nnunet", {"channels": 2, "version": 2}, NnUNetSource),
}
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The phantom of each layout; read only."""
    folder = tmp_path_factory.mktemp("layouts")
    return {
        layout: write_phantom(data, folder / layout, **SMALL, **options)
        for layout, (data, options, _) in LAYOUTS.items()
    }


@pytest.fixture
def root(roots: dict[str, Path], layout: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(roots[layout], tmp_path / layout))


def read_all(layout: str, root: Path) -> list[Case]:
    source = LAYOUTS[layout][2](root)
    return [source.read_case(files) for files in source.list_cases()]


def change(layout: str, root: Path, name: str) -> list[Case]:
    vary(name, LAYOUTS[layout][2](root).list_cases())
    return read_all(layout, root)


@every_layout
def test_cases_are_read(layout: str, root: Path) -> None:
    source = LAYOUTS[layout][2](root)
    cases = read_all(layout, root)
    assert len({case.subject_id for case in cases}) == 2
    assert [case.case_id for case in cases] == sorted(case.case_id for case in cases)
    for case in cases:
        assert case.image.shape == (len(source.channels), *case.target.shape)
        assert case.image.dtype == np.float32
        assert case.target.dtype == np.uint8
        assert case.target.max() < len(source.labels)
        assert min(case.spacing_mm) > 0
    assert set(np.unique(cases[0].target)) == set(range(len(source.labels)))


@every_layout
@pytest.mark.parametrize("name", ["trailing_axis", "plain_nii", "scaled", "sheared", "affine_close", "float_labels"])
def test_what_changes_no_voxel_gives_the_same_arrays(layout: str, root: Path, name: str) -> None:
    before, after = read_all(layout, root), change(layout, root, name)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new.image, old.image)
        np.testing.assert_array_equal(new.target, old.target)
        if name != "sheared":
            assert new.spacing_mm == old.spacing_mm


@every_layout
@pytest.mark.parametrize("name", [name for name, variation in VARIATIONS.items() if variation.refusal])
def test_what_must_be_refused_is(layout: str, root: Path, name: str) -> None:
    with pytest.raises(DataError, match=VARIATIONS[name].refusal) as caught:
        change(layout, root, name)
    assert str(caught.value).startswith(str(root))
    assert "\n" not in str(caught.value)


@every_layout
def test_a_label_may_be_absent_from_a_case(layout: str, root: Path) -> None:
    before, after = read_all(layout, root), change(layout, root, "absent_label")
    # Of the ten labels of MRBrainS18 several are one class, and the highest is background.
    expected = before[0].target
    if layout != "mrbrains18":
        expected = np.where(expected == expected.max(), 0, expected)
    np.testing.assert_array_equal(after[0].target, expected)
    np.testing.assert_array_equal(after[1].target, before[1].target)


@every_layout
def test_two_subjects_may_have_the_same_image(layout: str, root: Path) -> None:
    first, second, *_ = change(layout, root, "same_image")
    np.testing.assert_array_equal(first.image, second.image)
    assert first.case_id != second.case_id


def test_files_are_as_they_are_said_to_be(roots: dict[str, Path], tmp_path: Path) -> None:
    def first(name: str) -> tuple[nibabel.Nifti1Image, nibabel.Nifti1Image]:
        root = Path(shutil.copytree(roots["brats2021"], tmp_path / name))
        vary(name, BraTSSource(root).list_cases())
        case = BraTSSource(root).list_cases()[0]
        assert case.target is not None
        return nibabel.load(case.images[0]), nibabel.load(case.target)

    assert first("trailing_axis")[0].shape == (40, 40, 8, 1)
    assert first("plain_nii")[0].get_filename().endswith("_t1.nii")
    image, _ = first("scaled")
    assert (image.get_data_dtype(), image.dataobj.slope) == (np.int16, 0.25)
    image, _ = first("sheared")
    assert abs(image.affine[:3, 0] @ image.affine[:3, 1]) > 0.05
    assert abs(image.affine[:3, 1] @ image.affine[:3, 2]) > 0.04
    for name, distance in (("affine_close", 1e-4), ("affine_apart", 1.0)):
        image, target = first(name)
        assert np.abs(target.affine - image.affine).max() == pytest.approx(distance, rel=0.02)
    assert first("float_labels")[1].get_data_dtype() == np.float32


def test_an_unknown_variation_is_one_line() -> None:
    with pytest.raises(ConfigError, match="vary: name must be one of trailing_axis"):
        vary("upside_down", [])
