"""What is found in a case: the same as training would read and prepare, and what it would take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import ConfigError
from mlseg.data.acdc import ACDCSource
from mlseg.data.brats import BraTSSource
from mlseg.data.case_folder import write_case
from mlseg.data.inspection import Inspector, count_processes, inspect_cases, name_axes
from mlseg.data.phantom import write_phantom
from mlseg.data.phantom_variations import VARIATIONS, vary
from mlseg.data.preprocess import Preprocessing
from mlseg.types import CaseSource


def make_inspector(source: CaseSource, *, crop: tuple[int, ...] = (192, 192), **options: bool) -> Inspector:
    return Inspector(source=source, preprocessing=Preprocessing(), crop=crop, **options)


def test_the_facts_are_those_of_the_case(acdc_root: Path) -> None:
    source = ACDCSource(acdc_root)
    files = source.list_cases()[1]
    case, facts = source.read_case(files), make_inspector(source).inspect(files)
    assert (facts.case_id, facts.subject_id, facts.problems) == (files.case_id, files.subject_id, ())
    assert facts.shape == facts.working_shape == case.target.shape
    assert facts.spacing_mm == case.spacing_mm
    assert facts.affine_spacing_mm == pytest.approx(sorted(case.spacing_mm))
    assert (facts.orientation, facts.corner_distance_mm) == ("LPS", 0)
    assert facts.voxels == tuple(int((case.target == index).sum()) for index in range(4))
    assert facts.ranges == ((case.image.min(), case.image.max()),)
    assert facts.constant == (False,)
    assert facts.foreground == sum(facts.voxels[1:]) > 0
    assert (facts.foreground_outside, facts.slices) == (0, len(case.target))


def test_bytes_are_those_of_the_prepared_case(acdc_root: Path, tmp_path: Path) -> None:
    source = ACDCSource(acdc_root)
    files = source.list_cases()[0]
    preprocessing = Preprocessing(spacing_mm=(2.0, 2.0))
    facts = Inspector(source=source, preprocessing=preprocessing, crop=(64, 64)).inspect(files)
    prepared = preprocessing.prepare(source.read_case(files))
    assert facts.working_shape == prepared.target.shape != facts.shape
    assert facts.volume_bytes == prepared.image.nbytes + prepared.target.nbytes
    write_case(tmp_path / "case", prepared)
    on_disk = [path.stat().st_size for path in (tmp_path / "case").iterdir()]
    assert sum(on_disk) <= facts.cache_bytes <= sum(on_disk) + 4096 * len(on_disk)


def test_the_crop_counts_on_the_working_grid(acdc_root: Path) -> None:
    source = ACDCSource(acdc_root)
    files = source.list_cases()[0]
    target = source.read_case(files).target
    top, left = ((size - crop) // 2 for size, crop in zip(target.shape[1:], (10, 12), strict=True))
    inside = target[:, top : top + 10, left : left + 12]
    facts = make_inspector(source, crop=(10, 12)).inspect(files)
    assert facts.foreground_outside == np.count_nonzero(target) - np.count_nonzero(inside) > 0
    # Patches may lie anywhere.
    assert make_inspector(source, crop=(2, 10, 12)).inspect(files).foreground_outside == 0


def test_slices_without_brain_are_left_out_where_training_does(tmp_path: Path) -> None:
    source = BraTSSource(write_phantom("brats", tmp_path / "brats", subjects=1, shape=(16, 32, 32)))
    (files,) = source.list_cases()
    image = source.read_case(files).image
    empty = int((image.min(axis=(0, 2, 3)) == image.max(axis=(0, 2, 3))).sum())
    assert 0 < empty < 16
    assert make_inspector(source, skip_blank=True).inspect(files).slices == 16 - empty
    assert make_inspector(source).inspect(files).slices == 16


@pytest.mark.parametrize("name", [name for name, variation in VARIATIONS.items() if variation.refusal])
def test_what_the_reader_refuses_is_a_problem(name: str, acdc_copy: Path) -> None:
    source = ACDCSource(acdc_copy)
    vary(name, source.list_cases())
    facts = make_inspector(source).inspect(source.list_cases()[0])
    assert VARIATIONS[name].refusal in "\n".join(facts.problems)
    assert (facts.voxels, facts.shape, facts.cache_bytes) == ((), (), 0)


def test_the_distance_of_grids_is_measured_whether_it_is_refused_or_not(acdc_copy: Path) -> None:
    source = ACDCSource(acdc_copy)
    for name, low, high in (("affine_close", 9e-5, 2e-4), ("affine_apart", 0.99, 1.01)):
        vary(name, source.list_cases())
        distance = make_inspector(source).inspect(source.list_cases()[0]).corner_distance_mm
        assert distance is not None
        assert low < distance < high


def test_all_channels_count_for_the_distance(tmp_path: Path, change_volume: Callable[..., None]) -> None:
    source = BraTSSource(write_phantom("brats", tmp_path / "brats", subjects=1, shape=(8, 32, 32)))
    (files,) = source.list_cases()
    shift = np.zeros((4, 4))
    shift[1, 3] = 0.05
    change_volume(files.images[2], affine=lambda affine: affine + shift)
    assert make_inspector(source).inspect(files).corner_distance_mm == pytest.approx(0.05, rel=1e-3)


def test_no_distance_without_two_files(acdc_copy: Path) -> None:
    source = ACDCSource(acdc_copy)
    vary("missing_image", source.list_cases())
    files = source.list_cases()[0]
    assert files.target is not None
    files.target.write_bytes(b"no image")
    facts = make_inspector(source).inspect(files)
    assert facts.corner_distance_mm is None
    assert len(facts.problems) == 2


def test_equal_content_has_equal_hashes(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    source = ACDCSource(acdc_copy)
    vary("same_image", source.list_cases())
    inspector = make_inspector(source)
    first, second, third = (inspector.inspect(files) for files in source.list_cases()[:3])
    assert first.image_hashes == second.image_hashes != third.image_hashes
    assert first.target_hash == second.target_hash != third.target_hash
    vary("scaled", source.list_cases())  # stored in another way
    assert inspector.inspect(source.list_cases()[0]).image_hashes == second.image_hashes
    change_volume(acdc_copy / "training/patient001/patient001_frame01_gt.nii.gz", lambda array: array * 0)
    assert inspector.inspect(source.list_cases()[0]).target_hash == ""


def test_an_image_that_clipping_makes_flat_is_constant(acdc_copy: Path, change_volume: Callable[..., None]) -> None:
    def flatten(array: np.ndarray) -> np.ndarray:
        array[:] = 7
        array.flat[3] = 900
        return array

    change_volume(acdc_copy / "training/patient001/patient001_frame01.nii.gz", flatten)
    source = ACDCSource(acdc_copy)
    facts = make_inspector(source).inspect(source.list_cases()[0])
    assert facts.constant == (True,)
    assert facts.ranges == ((7, 900),)


def test_several_processes_find_the_same_in_the_same_order(acdc_root: Path) -> None:
    source = ACDCSource(acdc_root)
    cases, inspector = source.list_cases(), make_inspector(source)
    alone = inspect_cases(inspector, cases, workers=1, progress=False)
    assert [facts.case_id for facts in alone] == [files.case_id for files in cases]
    assert inspect_cases(inspector, cases, workers=2, progress=False) == alone


def test_the_number_of_processes() -> None:
    assert count_processes(8, 1) == 1
    assert count_processes(8, 9) == 2
    assert count_processes(2, 1000) == 2
    assert 1 <= count_processes(None, 1000) <= 125
    with pytest.raises(ConfigError, match="workers must be"):
        inspect_cases(None, [], workers=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "ILA", "PIR"])
def test_axes_are_named_by_where_they_lead(codes: str) -> None:
    affine = np.eye(4)
    affine[:3, :3] = 0.02  # oblique
    for stored, code in enumerate(codes):
        world = next(index for index, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        affine[world, stored] = 2.0 if code in "RAS" else -2.0
    assert name_axes(affine) == codes
