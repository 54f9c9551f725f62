"""The slice that is shown of a case: which one, and that its planes are those of the prediction."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlseg.checks import DataError
from mlseg.metrics.view import build_view
from mlseg.types import CasePrediction


def make_prediction(target: torch.Tensor, **changes) -> CasePrediction:
    logits = torch.randn(3, *target.shape, generator=torch.Generator().manual_seed(0))
    fields = {"case_id": "a", "subject_id": "p", "probs": logits.softmax(0), "spacing_mm": (8.0, 1.5, 1.2)}
    return CasePrediction(target=target, **{**fields, **changes})


def make_target(sizes: list[int]) -> torch.Tensor:
    """Slices of 6 x 5 pixels with so many voxels of the foreground each."""
    target = torch.zeros(len(sizes), 30, dtype=torch.int64)
    for index, size in enumerate(sizes):
        target[index, :size] = 1 + index % 2
    return target.view(len(sizes), 6, 5)


@pytest.mark.parametrize(("sizes", "index"), [([0, 4, 9, 9, 2], 2), ([7, 0, 0], 0), ([0, 0, 0, 0, 0], 2), ([0], 0)])
def test_the_slice_has_the_largest_foreground(sizes, index):
    view = build_view(make_prediction(make_target(sizes)), None)
    assert view.slice_index == index
    assert int((view.target > 0).sum()) == sizes[index]


def test_planes_are_those_of_the_slice():
    prediction = make_prediction(make_target([0, 5, 12, 3]))
    view = build_view(prediction, None)
    probs = prediction.probs[:, 2]
    np.testing.assert_array_equal(view.prediction, probs.argmax(0).numpy())
    np.testing.assert_allclose(view.confidence / 255, probs.max(0).values.numpy(), atol=0.5001 / 255)
    assert view.image is None
    assert view.spacing_mm == (1.5, 1.2)


def test_a_segmentation_of_its_own_goes_before_the_top_label():
    segmentation = torch.full((4, 6, 5), 2)
    prediction = make_prediction(make_target([0, 5, 12, 3]), segmentation=segmentation)
    view = build_view(prediction, None)
    assert (view.prediction == 2).all()
    assert view.confidence is not None
    alone = build_view(make_prediction(make_target([0, 5, 12, 3]), segmentation=segmentation, probs=None), None)
    assert (alone.prediction == 2).all()
    assert alone.confidence is None


def test_half_precision_keeps_its_confidence():
    probs = torch.tensor([0.3, 0.7, 0.0]).view(3, 1, 1, 1).expand(3, 1, 6, 5).to(torch.bfloat16)
    view = build_view(make_prediction(make_target([4]), probs=probs), None)
    assert set(np.unique(view.confidence)) == {round(float(probs[1, 0, 0, 0]) * 255)}


def test_the_image_is_a_window_of_grey_on_the_grid_of_the_target():
    target = make_target([0, 5])
    image = np.zeros((2, 6, 5), np.float32)
    image[1] = np.linspace(-3, 2e6, 30, dtype=np.float32).reshape(6, 5)
    view = build_view(make_prediction(target), image)
    assert view.image.min() == 0
    assert view.image.max() == 255
    assert (np.diff(view.image.ravel().astype(int)) >= 0).all()
    assert abs(int(view.image[3, 0]) - 15 / 29 * 255) < 2


def test_an_image_of_another_size_is_resampled_over_the_same_area():
    target = make_target([0, 5])
    ramp = np.broadcast_to(np.arange(10, dtype=np.float32), (2, 12, 10))
    view = build_view(make_prediction(target), ramp)
    assert view.image.shape == (6, 5)
    # Pairs of pixels average to 0.5, 2.5, ... before the window.
    middle = view.image[2].astype(int)
    assert (np.diff(middle) > 0).all()
    np.testing.assert_allclose(middle, middle[::-1].max() - middle[::-1], atol=2)


def test_a_constant_image_is_black():
    view = build_view(make_prediction(make_target([3])), np.full((1, 6, 5), 7.0))
    assert (view.image == 0).all()


@pytest.mark.parametrize("shape", [(3, 6, 5), (6, 5)])
def test_an_image_of_other_slices_is_refused(shape):
    with pytest.raises(DataError, match="case a must be \\(D,h,w\\) with 2 slices"):
        build_view(make_prediction(make_target([0, 5])), np.zeros(shape, np.float32))


def test_nothing_to_show_is_refused():
    with pytest.raises(DataError, match="must have probs or a segmentation"):
        build_view(make_prediction(make_target([5]), probs=None), None)
