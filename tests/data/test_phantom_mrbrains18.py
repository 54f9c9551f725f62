"""The phantom of MRBrainS18: the official layout, all ten labels, and other brains for another seed."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from mlseg.checks import ConfigError
from mlseg.data.nifti import read_volume
from mlseg.data.phantom_mrbrains18 import SUBJECTS, TISSUES, write_phantom_mrbrains18

SMALL = {"subjects": 2, "shape": (8, 40, 36)}


def test_layout_is_the_official_one(tmp_path: Path) -> None:
    root = write_phantom_mrbrains18(tmp_path / "p", shape=(8, 40, 36))
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.nii.gz")}
    names = ("pre/reg_T1.nii.gz", "pre/reg_IR.nii.gz", "pre/FLAIR.nii.gz", "segm.nii.gz")
    assert files == {
        f"training/{subject}/{name}" for subject in ("1", "4", "5", "7", "14", "070", "148") for name in names
    }
    image = nibabel.load(root / "training/070/pre/reg_IR.nii.gz")
    assert image.shape == (36, 40, 8)
    np.testing.assert_allclose(image.header.get_zooms(), (0.958, 0.958, 3.0), rtol=1e-5)


def test_nested_tissues_look_different_in_each_channel(tmp_path: Path) -> None:
    root = write_phantom_mrbrains18(tmp_path / "p")
    present = [set(np.unique(read_volume(path).array)) for path in root.glob("training/*/segm.nii.gz")]
    assert set.intersection(*present) >= set(range(9))
    assert set.union(*present) == set(range(11))
    assert set.intersection(*present) != set.union(*present)
    subject = root / "training/1"
    target = read_volume(subject / "segm.nii.gz").array
    for channel, name in enumerate(("reg_T1", "reg_IR", "FLAIR")):
        image = read_volume(subject / "pre" / f"{name}.nii.gz").array
        for label in (1, 3):
            assert abs(image[target == label].mean() - TISSUES[label].contrast[channel]) < 120


def test_same_arguments_same_bytes_other_seed_other_images(tmp_path: Path) -> None:
    name = Path("training/4/pre/FLAIR.nii.gz")
    first, second, other = (
        (write_phantom_mrbrains18(tmp_path / folder, seed=seed, **SMALL) / name).read_bytes()
        for folder, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == second != other


def test_there_are_seven_subjects(tmp_path: Path) -> None:
    assert len(SUBJECTS) == 7
    with pytest.raises(
        ConfigError, match=r"write_phantom_mrbrains18: subjects must be a whole number in \[1, 7\], got 8"
    ):
        write_phantom_mrbrains18(tmp_path / "p", subjects=8)
    assert not (tmp_path / "p").exists()
