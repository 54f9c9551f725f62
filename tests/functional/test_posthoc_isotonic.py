"""Rising tables of probability."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlseg.functional.posthoc import FIRST_LOG_ODDS, LOG_ODDS_COUNT, LOG_ODDS_STEP, compute_nll, map_log_odds
from mlseg.functional.posthoc_isotonic import fit_isotonic

PLACES = FIRST_LOG_ODDS + LOG_ODDS_STEP * np.arange(LOG_ODDS_COUNT)


def at(log_odds: float) -> int:
    return int(np.flatnonzero(np.isclose(PLACES, log_odds))[0])


def test_a_distortion_of_two_classes_is_found_again():
    random = np.random.default_rng(0)
    gap = random.uniform(-6, 6, 400_000)
    true = 1 / (1 + np.exp(-(gap / 2 + 0.5)))  # what a confidence of sigmoid(gap) is worth
    target = torch.from_numpy((random.random(400_000) < true).astype(np.int64))
    logits = torch.from_numpy(np.stack([np.zeros_like(gap), gap], axis=1)).float()
    fit = fit_isotonic(logits, target, torch.ones(len(target)))
    table = np.array(fit.parameters["log_odds"])
    for place in (-4.0, -1.0, 0.0, 2.0, 4.0):
        assert table[1, at(place)] == pytest.approx(place / 2 + 0.5, abs=0.12)
        assert table[0, at(-place)] == pytest.approx(-(place / 2 + 0.5), abs=0.12)
    assert fit.nll < compute_nll(logits, target, torch.ones(len(target)))
    best = compute_nll(
        torch.stack([torch.zeros(len(target)), logits[:, 1] / 2 + 0.5], 1), target, torch.ones(len(target))
    )
    assert fit.nll == pytest.approx(best, abs=2e-3)
    mapped = map_log_odds(logits, torch.from_numpy(table).float())
    assert fit.nll == pytest.approx(compute_nll(mapped, target, torch.ones(len(target))), rel=1e-4)


def test_tables_rise_and_stay_off_certainty():
    random = np.random.default_rng(1)
    logits = torch.from_numpy(3 * random.normal(size=(500, 4))).float()
    target = torch.from_numpy(random.integers(0, 4, 500))
    table = np.array(fit_isotonic(logits, target, torch.ones(500)).parameters["log_odds"])
    assert table.shape == (4, LOG_ODDS_COUNT)
    assert (np.diff(table, axis=1) >= 0).all()
    limit = np.log(501)  # probabilities from 1/502 to 501/502
    assert np.abs(table).max() <= limit + 1e-9
    assert table.min() == pytest.approx(-limit)


def test_violators_are_pooled_by_their_weights():
    logits = torch.tensor([[0.0, -1.0]] * 4 + [[0.0, 1.0]] * 4)
    target = torch.tensor([0, 1, 1, 1, 0, 0, 0, 1])  # 3/4 right where it is low, 1/4 where it is high
    table = fit_isotonic(logits, target, torch.ones(8)).parameters["log_odds"]
    assert table[1][at(-1.0)] == table[1][at(1.0)] == pytest.approx(0.0)
    weight = torch.tensor([1.0] * 4 + [3.0] * 4)
    table = fit_isotonic(logits, target, weight).parameters["log_odds"]
    share = (3 + 3) / 16
    assert table[1][at(0.0)] == pytest.approx(np.log(share / (1 - share)))
