"""Every generator is seeded from (seed, stream...) so that an epoch's draws do not depend on what came before it."""

from __future__ import annotations

import os
import random

import numpy as np
import torch

INITIALISATION = 2**31 - 1  # a stream that no epoch number reaches


def seed_generators(seed: int, *stream: int) -> None:
    """Seed Python's, NumPy's and torch's generators (all devices) from a seed and a stream such as (epoch, rank).

    Different streams are statistically independent (NumPy's SeedSequence).
    """
    state = np.random.SeedSequence([seed, *stream]).generate_state(3, np.uint32)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))  # libraries draw from the global generator
    torch.manual_seed(int(state[2]))


def use_deterministic_kernels(wanted: bool) -> None:
    """Allow only kernels whose result does not change from run to run (slower on GPUs), or any kernel again.

    An operation that has no such kernel raises RuntimeError when it is called.
    """
    if wanted:
        # cuBLAS reads it when its first handle is made. Source: NVIDIA's notes on reproducibility of cuBLAS.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
