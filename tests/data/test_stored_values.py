"""Classes as the data sets store them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import DataError
from mlseg.data.acdc import ACDCSource
from mlseg.data.brats import BraTSSource
from mlseg.data.mrbrains18 import MRBrainS18Source
from mlseg.data.nifti import write_volume
from mlseg.data.stored_values import find_label_map, invert_label_map, measure_volumes, to_values
from mlseg.types import CaseFiles


def values_of(source, name="scan_t1.nii.gz"):
    files = CaseFiles(case_id="x", subject_id="x", images=(Path(name),), target=None)
    return invert_label_map(find_label_map(source, source.labels, files), source.labels)


def test_each_data_set_has_its_own():
    assert values_of(ACDCSource("nowhere")) == (0, 1, 2, 3)
    assert values_of(BraTSSource("nowhere")) == (0, 1, 2, 4)
    assert values_of(BraTSSource("nowhere"), "BraTS-GLI-00000-000-t1n.nii.gz") == (0, 1, 2, 3)
    assert values_of(BraTSSource("nowhere", year=2023)) == (0, 1, 2, 3)
    # Of the official labels that became one tissue, the first.
    assert values_of(MRBrainS18Source("nowhere")) == (0, 1, 3, 5)
    files = CaseFiles(case_id="x", subject_id="x", images=(Path("x"),), target=None)
    assert find_label_map(None, ("background", "tumour"), files) == {0: "background", 1: "tumour"}


def test_values_take_the_smallest_type():
    classes = np.array([[0, 2], [1, 0]], dtype=np.uint8)
    assert to_values(classes, (0, 1, 4)).tolist() == [[0, 4], [1, 0]]
    assert to_values(classes, (0, 1, 255)).dtype == np.uint8
    wide = to_values(classes, (0, 1, 700))
    assert (wide.dtype, wide[0, 1]) == (np.uint16, 700)


def test_volumes_come_from_the_affine(tmp_path):
    sheared = np.array([[2.0, 0.5, 0, 0], [0, 1.5, 0, 0], [0, 0, -8.0, 0], [0, 0, 0, 1]])
    array = np.zeros((2, 3, 4), dtype=np.uint8)
    array[0, 0], array[1, 1, 1] = 4, 1
    write_volume(tmp_path / "gt.nii.gz", array, affine=sheared)
    label_map, labels = {0: "background", 1: "NCR", 2: "ED", 4: "ET"}, ("background", "NCR", "ED", "ET")
    voxels, size = measure_volumes(tmp_path / "gt.nii.gz", label_map, labels)
    assert voxels == {"NCR": 1, "ED": 0, "ET": 4}
    assert size == pytest.approx(2.0 * 1.5 * 8.0 / 1000)
    with pytest.raises(DataError, match=r"among 0 \(background\), 1 \(NCR\), got 4 in 4 voxels"):
        measure_volumes(tmp_path / "gt.nii.gz", {0: "background", 1: "NCR"}, labels[:2])
