import os
import random

import numpy as np
import pytest
import torch

from mlseg.engine.seeding import seed_generators, use_deterministic_kernels


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_stream_gives_the_same_draws_whatever_came_before() -> None:
    seed_generators(1, 3, 0)
    first = draw()
    draw()
    seed_generators(1, 3, 0)
    assert draw() == first


def test_streams_and_seeds_differ() -> None:
    draws = set()
    for stream in [(1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 0, 0)]:
        seed_generators(*stream)
        draws.update(draw())
    assert len(draws) == 12


def test_determinism_is_asked_for_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    use_deterministic_kernels(True)
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    use_deterministic_kernels(False)
    assert not torch.are_deterministic_algorithms_enabled()
