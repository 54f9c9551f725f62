"""The phantom of nnU-Net's layout: a file per channel, and a dataset.json of either version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlseg.checks import ConfigError
from mlseg.data.nifti import read_channels, read_volume
from mlseg.data.phantom_msd import write_phantom_msd
from mlseg.data.phantom_nnunet import write_phantom_nnunet

SMALL = {"subjects": 2, "shape": (8, 48, 44), "channels": 2}


@pytest.mark.parametrize("version", [1, 2])
def test_layout(tmp_path: Path, version: int) -> None:
    root = write_phantom_nnunet(tmp_path, version=version, **SMALL)
    images = [f"phantom_00{n}_000{c}.nii.gz" for n in (1, 2) for c in (0, 1)]
    assert sorted(path.name for path in (root / "imagesTr").iterdir()) == images
    assert sorted(path.name for path in (root / "labelsTr").iterdir()) == ["phantom_001.nii.gz", "phantom_002.nii.gz"]
    assert len([*(root / "imagesTs").iterdir()]) == 2
    record = json.loads((root / "dataset.json").read_text())
    if version == 1:
        assert record["modality"] == {"0": "MR0", "1": "MR1"}
        assert record["labels"] == {"0": "background", "1": "organ1", "2": "lesion1"}
        assert record["training"][0]["image"] == "./imagesTr/phantom_001.nii.gz"
    else:
        assert record == {
            "channel_names": {"0": "MR0", "1": "MR1"},
            "labels": {"background": 0, "organ1": 1, "lesion1": 2},
            "numTraining": 2,
            "file_ending": ".nii.gz",
        }


def test_the_scans_are_those_of_the_decathlon(tmp_path: Path) -> None:
    nnunet, msd = write_phantom_nnunet(tmp_path / "n", **SMALL), write_phantom_msd(tmp_path / "m", **SMALL)
    stacked = read_channels(msd / "imagesTr/phantom_002.nii.gz").array
    for channel in (0, 1):
        np.testing.assert_array_equal(
            read_volume(nnunet / f"imagesTr/phantom_002_000{channel}.nii.gz").array, stacked[channel]
        )
    label = "labelsTr/phantom_002.nii.gz"
    assert (nnunet / label).read_bytes() == (msd / label).read_bytes()


def test_there_are_two_versions(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write_phantom_nnunet: version must be one of 1, 2, got 3"):
        write_phantom_nnunet(tmp_path / "p", version=3)
    assert not (tmp_path / "p").exists()
