"""A scale and a bias for each class, against an optimiser of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax

from mlseg.functional.posthoc import compute_nll, scale_by_vector
from mlseg.functional.posthoc_temperature import fit_temperature
from mlseg.functional.posthoc_vector import BOUND, _measure, fit_vector


@pytest.fixture
def sample():
    """Logits whose references were drawn from others with known scales and biases."""
    random = np.random.default_rng(0)
    logits = 2 * random.normal(size=(6000, 3))
    true = logits * [0.5, 1.5, 1.0] + [1.0, 0.0, -1.0]
    target = (true + random.gumbel(size=true.shape)).argmax(axis=1)
    return torch.from_numpy(logits).float(), torch.from_numpy(target), torch.from_numpy(random.random(6000))


def test_it_agrees_with_another_optimiser(sample):
    logits, target, weight = sample
    fit = fit_vector(logits, target, weight)
    assert fit.converged
    assert fit.gradient <= 1e-9

    def nll(values):
        mapped = logits.double().numpy() * values[:3] + values[3:]
        return -np.average(log_softmax(mapped, axis=1)[np.arange(len(target)), target], weights=weight)

    found = minimize(nll, np.r_[np.ones(3), np.zeros(3)], method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    assert fit.nll == pytest.approx(found.fun, abs=1e-9)
    assert fit.parameters["scale"] == pytest.approx(found.x[:3], abs=1e-3)
    assert fit.parameters["bias"] == pytest.approx(found.x[3:] - found.x[3:].mean(), abs=1e-3)
    assert fit.parameters["scale"] == pytest.approx([0.5, 1.5, 1.0], abs=0.15)
    assert fit.nll < fit_temperature(logits, target, weight).nll
    mapped = scale_by_vector(logits, *(torch.tensor(fit.parameters[name]).float() for name in ("scale", "bias")))
    assert fit.nll == pytest.approx(compute_nll(mapped, target, weight), rel=1e-5)


def test_its_derivatives_are_those_of_the_nll(sample):
    values = torch.tensor([0.7, 1.2, 0.9, 0.3, -0.2, -0.1], dtype=torch.float64)

    def nll(tried):
        log_probs = scale_by_vector(sample[0].double(), tried[:3], tried[3:]).log_softmax(dim=1)
        own = log_probs.gather(1, sample[1].unsqueeze(1)).squeeze(1)
        return -(own * sample[2]).sum() / sample[2].sum()

    place = _measure(*sample, values)
    torch.testing.assert_close(place.gradient, torch.autograd.functional.jacobian(nll, values))
    torch.testing.assert_close(place.hessian, torch.autograd.functional.hessian(nll, values))


def test_a_class_that_is_never_there_is_named():
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(size=(500, 3))).float()
    fit = fit_vector(logits, torch.from_numpy(random.integers(0, 2, 500)), torch.ones(500))
    assert not fit.converged
    assert fit.note == "class 2 is the reference of no fitted voxel, so its bias is arbitrary"


def test_what_is_always_right_stops_at_the_bound_and_says_so():
    fit = fit_vector(0.1 * torch.eye(3).repeat(10, 1), torch.arange(3).repeat(10), torch.ones(30))
    assert not fit.converged
    assert "bound of 20" in fit.note
    numbers = [*fit.parameters["scale"], *fit.parameters["bias"]]
    assert all(np.isfinite(numbers))
    assert max(map(abs, numbers)) <= 2 * BOUND
