"""The phantom of the decathlon's layout: its dataset.json, 3-D and 4-D images, organs with lesions."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mlseg.checks import ConfigError
from mlseg.data.phantom_msd import write_phantom_msd

SMALL = {"subjects": 3, "shape": (8, 48, 44)}


def test_layout_and_description(tmp_path: Path) -> None:
    root = write_phantom_msd(tmp_path, **SMALL)
    names = [f"phantom_00{n}.nii.gz" for n in (1, 2, 3)]
    assert sorted(path.name for path in (root / "imagesTr").iterdir()) == names
    assert sorted(path.name for path in (root / "labelsTr").iterdir()) == names
    assert [path.name for path in (root / "imagesTs").iterdir()] == ["phantom_004.nii.gz"]
    record = json.loads((root / "dataset.json").read_text())
    assert record["labels"] == {"0": "background", "1": "organ1", "2": "lesion1"}
    assert record["modality"] == {"0": "MR0"}
    assert record["tensorImageSize"] == "3D"
    assert (record["numTraining"], record["numTest"]) == (3, 1)
    assert record["training"][0] == {"image": f"./imagesTr/{names[0]}", "label": f"./labelsTr/{names[0]}"}
    for pair in record["training"]:
        image, target = nibabel.load(root / pair["image"]), nibabel.load(root / pair["label"])
        assert image.shape == target.shape
        np.testing.assert_array_equal(image.affine, target.affine)


def test_channels_stand_behind_the_three_axes(tmp_path: Path) -> None:
    root = write_phantom_msd(tmp_path, channels=2, **SMALL)
    image = nibabel.load(root / "imagesTr/phantom_001.nii.gz")
    assert image.ndim == 4
    assert image.shape[3] == 2
    array = np.asarray(image.dataobj)
    assert (array[..., 0] != array[..., 1]).mean() > 0.9
    record = json.loads((root / "dataset.json").read_text())
    assert (record["modality"], record["tensorImageSize"]) == ({"0": "MR0", "1": "MR1"}, "4D")


def test_lesions_lie_in_organs_and_are_missing_in_some(tmp_path: Path) -> None:
    root = write_phantom_msd(tmp_path, subjects=8, labels=9)
    targets = [np.asarray(nibabel.load(path).dataobj) for path in sorted((root / "labelsTr").iterdir())]
    assert set(np.unique(targets[0])) == set(range(9))
    for target in targets:
        assert {1, 3, 5, 7} <= set(np.unique(target))
        for lesion in (2, 4, 6, 8):
            middle = np.argwhere(target == lesion)
            if len(middle):
                i, j, k = middle[len(middle) // 2]
                assert np.isin(target[i - 12 : i + 13, j, k], (lesion - 1)).any()
    assert any(not (target == 2).any() for target in targets)


def test_scans_differ_in_size_spacing_and_direction(tmp_path: Path) -> None:
    root = write_phantom_msd(tmp_path, **{**SMALL, "subjects": 6})
    images = [nibabel.load(path) for path in sorted((root / "imagesTr").iterdir())]
    assert len({image.shape for image in images}) > 3
    assert len({image.header.get_zooms() for image in images}) == 6
    assert len({image.affine.tobytes() for image in images}) == 6


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"channels": 10}, {"labels": 1}, {"labels": 10}, {"seed": -1}])
def test_arguments_are_checked(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"write_phantom_msd: {next(iter(wrong))} must be"):
        write_phantom_msd(tmp_path / "p", **wrong)
    assert not (tmp_path / "p").exists()
