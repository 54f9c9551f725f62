"""What curves of a loss say in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from mlseg.report.loss_curves import LossCurves, find_free

DISTANCES = np.linspace(0, 20, 81)


def make_curves(push, *, settings=None) -> LossCurves:
    """A loss whose penalty has the gradient `push(d)`, on top of the cross-entropy of two classes, nearly."""
    push = np.vectorize(push, otypes=[float])(DISTANCES)
    pull = -np.exp(-DISTANCES)
    width = DISTANCES[1] - DISTANCES[0]
    values = [np.concatenate([[0], np.cumsum((g[1:] + g[:-1]) / 2 * width)]) for g in (pull, push + pull)]
    return LossCurves(
        name="x",
        title="A loss",
        formula="a_b + c_d",
        settings=settings or {},
        distances=DISTANCES,
        values={2: 7 + values[1], 4: 8 + values[1]},
        slopes={2: push + pull, 4: push + pull},
        baseline_values={2: values[0], 4: values[0]},
        baseline_slopes={2: pull, 4: pull},
        rests={},
    )


def test_the_penalty_is_the_difference_and_begins_at_zero():
    curves = make_curves(lambda d: 0.5)
    np.testing.assert_allclose(curves.penalty(2), 0.5 * DISTANCES, atol=1e-12)
    np.testing.assert_allclose(curves.push(4), 0.5)


def test_rounding_errors_are_no_push():
    assert not make_curves(lambda d: 1e-14).push(2).any()


@pytest.mark.parametrize(
    ("push", "free"),
    [
        (lambda d: 0.1, 0.0),
        (lambda d: d * np.exp(-d), 0.0),
        (lambda d: float(d > 5), 5.0),
        (lambda d: np.sign(d - 1), 1.0),
        (lambda d: 0.0, np.inf),
        (lambda d: -1.0, np.inf),
        (lambda d: float(d < 5), np.inf),
    ],
)
def test_where_a_penalty_begins_to_pull(push, free):
    assert find_free(make_curves(push), 4) == free


def test_the_margin_is_read_from_the_settings():
    assert make_curves(lambda d: 0.0, settings={"margin": 3, "alpha": 0.1}).margin == 3.0
    assert make_curves(lambda d: 0.0, settings={"alpha": 0.1}).margin is None
