from __future__ import annotations

import numpy as np
import pytest
import torch

from mlseg.data.saved_case import SavedCase, to_tensor
from mlseg.types import CasePrediction

# Stored (i,j,k) runs to the back, down and to the right.
AFFINE = np.array([[0, 0, 2, 0], [-1, 0, 0, 0], [0, -5, 0, 0], [0, 0, 0, 1]], dtype=float)


@pytest.fixture
def case() -> SavedCase:
    target = torch.arange(24).reshape(2, 3, 4)
    prediction = CasePrediction(
        case_id="a",
        subject_id="a",
        probs=torch.stack([target, target + 100]).float(),
        target=target,
        spacing_mm=(2.0, 5.0, 1.0),
        segmentation=target + 1000,
    )
    return SavedCase(prediction=prediction, affine=AFFINE, image=target.numpy() + 500)


def test_axial_slices_after_turning(case: SavedCase) -> None:
    turned = case.turn("LPS")
    # (k,j,i) ran right, down, back; now up, back, left.
    wanted = case.prediction.target.numpy().transpose(1, 2, 0)[::-1, :, ::-1]
    found = turned.prediction
    assert found.spacing_mm == (5.0, 1.0, 2.0)
    np.testing.assert_array_equal(found.target, wanted)
    np.testing.assert_array_equal(found.segmentation, wanted + 1000)
    np.testing.assert_array_equal(found.probs, np.stack([wanted, wanted + 100]))
    np.testing.assert_array_equal(turned.image, wanted + 500)
    directions = turned.affine[:3, :3]
    np.testing.assert_array_equal(directions, np.diag([-2.0, -1.0, 5.0]))
    assert turned.turn("LPS") is turned


def test_label_maps_alone_turn_too(case: SavedCase) -> None:
    bare = SavedCase(
        prediction=CasePrediction(
            case_id="a", subject_id="a", probs=None, target=case.prediction.target, spacing_mm=(2.0, 5.0, 1.0)
        ),
        affine=AFFINE,
    ).turn("LPS")
    assert bare.prediction.probs is None
    assert bare.prediction.segmentation is None
    assert bare.image is None


def test_tensors_of_flipped_and_read_only_arrays() -> None:
    array = np.arange(6).reshape(2, 3)
    array.setflags(write=False)
    assert to_tensor(array).tolist() == array.tolist()
    assert to_tensor(array[::-1, ::-1]).tolist() == [[5, 4, 3], [2, 1, 0]]
