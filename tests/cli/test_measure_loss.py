"""Curves measured on loss objects against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.cli.measure_loss import describe_loss, is_mean_over_voxels, measure_loss, read_settings
from mlseg.losses.ce import CELoss
from mlseg.losses.dice import DiceLoss
from mlseg.losses.ecp import ECPLoss
from mlseg.losses.fl import FLLoss
from mlseg.losses.flsd import FLSDLoss
from mlseg.losses.ls import LSLoss
from mlseg.losses.mbls import MbLSLoss
from mlseg.losses.mbls_l2 import MbLSL2Loss
from mlseg.losses.ml1ace import ML1ACELoss
from mlseg.losses.nacl import NACLLoss
from mlseg.losses.svls import SVLSLoss
from mlseg.losses.voxelwise import VoxelwiseLoss
from mlseg.losses.weighted_sum import WeightedSumLoss
from mlseg.report.loss_curves import find_free

DISTANCES = np.linspace(0, 20, 81)


def measure(loss, classes=(2, 4)):
    return measure_loss("x", loss, classes=classes, distances=DISTANCES)


def test_cross_entropy_always_gains_by_a_larger_distance():
    curves = measure(CELoss())
    for classes in (2, 4):
        others = (classes - 1) * np.exp(-DISTANCES)
        np.testing.assert_allclose(curves.values[classes], np.log1p(others), atol=1e-12)
        np.testing.assert_allclose(curves.slopes[classes], -others / (1 + others), atol=1e-12)
        assert not curves.push(classes).any()
        assert curves.rests[classes] == np.inf


@pytest.mark.parametrize("classes", [2, 4])
def test_label_smoothing_is_the_linear_penalty_from_zero_on(classes):
    curves = measure(LSLoss(0.1), classes=(classes,))
    slope = 0.1 * (classes - 1) / classes
    np.testing.assert_allclose(curves.penalty(classes), slope * DISTANCES, atol=1e-12)
    np.testing.assert_allclose(curves.push(classes), slope, atol=1e-12)
    assert find_free(curves, classes) == 0
    # At rest s is the smooth label 1 - slope.
    assert curves.rests[classes] == pytest.approx(np.log((1 - slope) / (slope / (classes - 1))), abs=1e-4)


@pytest.mark.parametrize("loss", [FLLoss(3.0), ECPLoss(0.1), LSLoss(0.1), FLSDLoss()], ids=lambda loss: str(loss))
def test_these_never_stop_pushing(loss):
    curves = measure(loss)
    for classes in (2, 4):
        assert (curves.push(classes)[1:] > 0).all()
        assert find_free(curves, classes) == 0


@pytest.mark.parametrize("loss", [MbLSLoss, MbLSL2Loss])
@pytest.mark.parametrize("margin", [0.0, 5.0, 10.0])
def test_margin_losses_stop_at_the_margin(loss, margin):
    curves = measure(loss(margin=margin, alpha=0.1))
    inside = margin >= DISTANCES
    for classes in (2, 4):
        excess = np.maximum(0, DISTANCES - margin)
        penalty = 0.1 * (classes - 1) / classes * (excess if loss is MbLSLoss else excess**2)
        np.testing.assert_allclose(curves.penalty(classes), penalty, atol=1e-12)
        # The steps of the curve are 0.25; at margin 0 the first class ties with the others at d = 0.
        assert not curves.push(classes)[inside & (DISTANCES > 0)].any()
        assert find_free(curves, classes) == margin
    assert curves.margin == margin
    if margin:
        # The squared penalty holds against what is left of the cross-entropy's pull a little later.
        late = 0.0 if loss is MbLSLoss else 0.12 if margin == 5 else 1e-3
        assert margin - 1e-4 <= curves.rests[4] <= margin + late + 1e-4


def test_neighbours_ask_for_a_distance_of_one():
    curves = measure(NACLLoss(0.1))
    np.testing.assert_allclose(curves.push(4), 0.1 / 4 * np.sign(DISTANCES - 1), atol=1e-12)


def test_inside_a_structure_svls_is_the_cross_entropy():
    assert not measure(SVLSLoss()).push(4).any()


def test_which_losses_have_such_a_curve():
    ce, dice = CELoss(), DiceLoss()
    for loss in (ce, MbLSLoss(), NACLLoss(), SVLSLoss(), WeightedSumLoss({"a": 2}, a=ce)):
        assert is_mean_over_voxels(loss)
    for loss in (dice, ML1ACELoss(), WeightedSumLoss({"a": 1, "b": 1}, a=ce, b=dice)):
        assert not is_mean_over_voxels(loss)


def test_settings_are_those_of_a_formula():
    assert read_settings(MbLSLoss(margin=3, ignore_index=255)) == {"margin": 3, "alpha": 0.1}
    assert read_settings(NACLLoss(penalty="l2")) == {"alpha": 0.1, "penalty": "l2"}
    assert read_settings(WeightedSumLoss({"ce": 1}, ce=CELoss())) == {}


class Wordless(VoxelwiseLoss):
    def voxel_terms(self, logits, target):
        return {"x": logits.sum(dim=1)}


def test_words_come_from_the_docstring():
    assert describe_loss(MbLSLoss()) == (
        "Margin-based label smoothing",
        "CE + alpha * mean over voxels AND classes of max(0, d_k - margin)",
    )
    assert describe_loss(Wordless()) == ("", "")
    assert measure_loss("x", Wordless(), classes=(2,), distances=DISTANCES[:2]).title == "x"
