"""Maps from logits to calibrated logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from mlseg.functional import posthoc


@pytest.fixture
def logits() -> torch.Tensor:
    return 3 * torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))


def test_temperatures_leave_the_top_label(logits):
    top = logits.argmax(dim=1)
    for temperature in (0.05, 0.7, 20.0):
        assert torch.equal(posthoc.scale_by_temperature(logits, torch.tensor(temperature)).argmax(dim=1), top)
    by_class = torch.tensor([0.05, 20.0, 1.0, 3.0])
    assert torch.equal(posthoc.scale_by_class_temperature(logits, by_class).argmax(dim=1), top)


def test_each_map_is_what_it_says_voxel_by_voxel(logits):
    each, scale, bias = torch.tensor([0.5, 2.0, 1.0, 4.0]), torch.tensor([1.0, 2.0, 0.5, 0.1]), torch.arange(4.0)
    by_class, by_vector = (
        posthoc.scale_by_class_temperature(logits, each),
        posthoc.scale_by_vector(logits, scale, bias),
    )
    for place in ((0, 1, 2), (1, 4, 5)):
        voxel = logits[place[0], :, place[1], place[2]]
        torch.testing.assert_close(by_class[place[0], :, place[1], place[2]], voxel / each[voxel.argmax()])
        torch.testing.assert_close(by_vector[place[0], :, place[1], place[2]], voxel * scale + bias)


def test_log_odds_are_those_of_one_class_against_the_others(logits):
    probs = logits.double().softmax(dim=1)
    torch.testing.assert_close(posthoc.compute_log_odds(logits.double()), torch.log(probs / (1 - probs)))
    assert posthoc.compute_log_odds(torch.tensor([[200.0, 0.0]])).tolist() == [[torch.inf, -200.0]]


def test_a_table_is_read_at_the_log_odds_of_each_class(logits):
    tables = np.sort(np.random.default_rng(0).normal(size=(4, 121)), axis=1)
    places = np.linspace(-15, 15, 121)
    found = posthoc.map_log_odds(logits.double(), torch.from_numpy(tables))
    own = posthoc.compute_log_odds(logits.double()).numpy()
    for index in range(4):
        read = np.interp(own[:, index], places, tables[index])
        np.testing.assert_allclose(found[:, index].numpy(), -np.log1p(np.exp(-read)), rtol=1e-9)


def test_beyond_its_ends_a_table_goes_on_level():
    table = torch.linspace(-2, 2, 121).expand(2, -1)
    found = posthoc.map_log_odds(torch.tensor([[90.0, 0.0]]), table)
    torch.testing.assert_close(found, torch.nn.functional.logsigmoid(torch.tensor([[2.0, -2.0]])))


def test_the_nll_is_a_weighted_mean_in_any_number_of_chunks(monkeypatch):
    random = np.random.default_rng(0)
    logits, target, weight = random.normal(size=(1000, 3)), random.integers(0, 3, 1000), random.random(1000)
    expected = -np.average(log_softmax(logits, axis=1)[np.arange(1000), target], weights=weight)
    pieces = (torch.from_numpy(logits), torch.from_numpy(target.astype(np.uint8)), torch.from_numpy(weight))
    assert posthoc.compute_nll(*pieces) == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(posthoc, "CHUNK", 7)
    assert posthoc.compute_nll(*pieces) == pytest.approx(expected, rel=1e-12)


def test_a_tie_is_not_separable():
    assert posthoc.is_separable(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    assert not posthoc.is_separable(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 1]))
    assert not posthoc.is_separable(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
