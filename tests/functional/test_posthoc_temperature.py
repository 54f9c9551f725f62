"""Fitted temperatures, against an optimiser and a formula of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mlseg.functional.posthoc import compute_nll, scale_by_class_temperature
from mlseg.functional.posthoc_temperature import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    fit_class_temperature,
    fit_temperature,
)


def draw(*, sharpness: float, classes: int = 4, count: int = 4000, seed: int = 0):
    """Logits that are `sharpness` times those that the references were drawn from, and weights."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(count, classes))
    noise = random.gumbel(size=(count, classes))
    target, weight = (logits + noise).argmax(axis=1), random.random(count)
    return torch.from_numpy(sharpness * logits).float(), torch.from_numpy(target), torch.from_numpy(weight)


def optimise(logits, target, weight) -> float:
    """The best temperature by another optimiser, in numpy."""
    values, own = logits.double().numpy(), np.arange(len(target))

    def nll(log_temperature: float) -> float:
        return -np.average(log_softmax(values / np.exp(log_temperature), axis=1)[own, target], weights=weight)

    found = minimize_scalar(nll, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))


@pytest.mark.parametrize("sharpness", [0.2, 0.9, 1.0, 3.0, 12.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_it_agrees_with_another_optimiser(sharpness, classes):
    sample = draw(sharpness=sharpness, classes=classes)
    fit = fit_temperature(*sample)
    assert fit.converged
    assert fit.note == ""
    assert fit.gradient <= 1e-10
    assert fit.iterations < 30
    assert fit.parameters["temperature"] == pytest.approx(optimise(*sample), abs=1e-4)
    assert fit.parameters["temperature"] == pytest.approx(sharpness, rel=0.1)
    assert fit.nll == pytest.approx(compute_nll(sample[0] / fit.parameters["temperature"], *sample[1:]), rel=1e-6)
    assert fit.nll <= compute_nll(*sample)


def test_weights_count():
    logits = torch.tensor([[6.0, 0.0], [6.0, 0.0]])
    fit = fit_temperature(logits, torch.tensor([0, 1]), torch.tensor([4.0, 1.0]))
    assert fit.parameters["temperature"] == pytest.approx(6 / np.log(4), abs=1e-8)


def test_what_is_always_right_stops_at_the_lower_bound_and_says_so():
    for gap in (1.0, 80.0):  # beyond the second the NLL is 0 in float64
        logits = gap * torch.eye(3).repeat(10, 1)
        fit = fit_temperature(logits, torch.arange(3).repeat(10), torch.ones(30))
        assert fit.parameters["temperature"] == pytest.approx(MIN_TEMPERATURE)
        assert not fit.converged
        assert fit.note.startswith("stopped at T = 0.05: every voxel is classified right")


def test_what_is_wrong_more_often_than_right_stops_at_the_upper_bound():
    fit = fit_temperature(torch.tensor([[6.0, 0.0]]).expand(3, 2), torch.tensor([0, 1, 1]), torch.ones(3))
    assert fit.parameters["temperature"] == MAX_TEMPERATURE
    assert not fit.converged
    assert fit.note == "stopped at T = 20: the NLL falls all the way to this bound"


def test_logits_without_any_difference_are_left_alone():
    fit = fit_temperature(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1]), torch.ones(5))
    assert (fit.parameters["temperature"], fit.converged) == (1.0, True)


def test_each_class_gets_the_temperature_of_its_own_voxels():
    logits, target, weight = draw(sharpness=1.0, classes=3, count=9000)
    true = torch.tensor([0.5, 2.0, 5.0])
    sharp = logits * true[logits.argmax(dim=1)].unsqueeze(1)
    fit = fit_class_temperature(sharp, target, weight)
    assert fit.converged
    for index, temperature in enumerate(fit.parameters["temperature"]):
        own = sharp.argmax(dim=1) == index
        assert temperature == pytest.approx(optimise(sharp[own], target[own], weight[own]), abs=1e-4)
    assert fit.parameters["temperature"] == pytest.approx(true.tolist(), rel=0.15)
    scaled = scale_by_class_temperature(sharp, torch.tensor(fit.parameters["temperature"]).float())
    assert fit.nll == pytest.approx(compute_nll(scaled, target, weight), rel=1e-5)
    assert fit.nll < fit_temperature(sharp, target, weight).nll


def test_a_class_without_voxels_gets_the_temperature_of_all():
    logits, target, weight = draw(sharpness=3.0, classes=3)
    logits[:, 2] = logits[:, :2].mean(dim=1) - 1
    target = torch.where(target == 2, 0, target)
    fit = fit_class_temperature(logits, target, weight)
    assert fit.parameters["temperature"][2] == fit_temperature(logits, target, weight).parameters["temperature"]
    assert fit.note == "class 2: fewer than 100 voxels, so the temperature of all classes"
