"""What training and a later evaluation share: the same code judges the same cases into a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mlseg.engine.device import Compute
    from mlseg.engine.distributed import Group
    from mlseg.types import CaseSet

# Beside data.json, which it would not fit into without making the runs from before it look like others.
CASES = "cases.json"


def judge(
    cfg: DictConfig,
    network: nn.Module,
    cases: CaseSet,
    *,
    folder: Path,
    compute: Compute,
    group: Group | None = None,
    calibrator: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Any]:
    """Score cases under the protocols of a configuration: scores.csv, bins.npz and views.npz in `folder`.

    Args:
        cfg: says how: `evaluation`, and `data.crop`.
        network: with the weights that are judged.
        cases: prepared as they were for the training.
        folder: is there already.
        compute: in the precision of the evaluation.
        group: the processes that share the cases.
        calibrator: maps logits before the softmax.

    Returns:
        What run.json records of it: device, precision and seconds.

    Raises:
        MlsegError: a prediction that cannot be scored, or a file that cannot be written.
    """
    from mlseg.cli import build
    from mlseg.engine.evaluator import evaluate
    from mlseg.engine.run_directory import RunDirectory

    started = time.perf_counter()
    inference, protocols = build.build_inference(cfg, compute), build.build_protocols(cfg)
    inference = dataclasses.replace(inference, calibrator=calibrator)
    evaluate(network, cases, protocols=protocols, inference=inference, run=RunDirectory(folder), group=group)
    return {**compute.describe(), "seconds": time.perf_counter() - started}


def hash_weights(network: nn.Module) -> str:
    """A hash of all parameters and buffers: the same for the same weights, whichever file they are from."""
    import torch

    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        # As bytes, for numpy has no bfloat16.
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
