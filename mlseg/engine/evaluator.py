"""Judges a network on whole cases under every protocol and leaves scores.csv and bins.npz."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import nn

from mlseg.checks import RunError
from mlseg.engine.checkpoint import bare_network, find_mismatch, load_checkpoint
from mlseg.engine.device import full_float32
from mlseg.engine.distributed import Group
from mlseg.engine.inference import Inference
from mlseg.engine.run_directory import RunDirectory
from mlseg.functional.bins import BinCounts
from mlseg.functional.bins_file import BinsKey, write_bins
from mlseg.functional.views_file import CaseView, write_views
from mlseg.metrics.view import build_view
from mlseg.records import Score, write_scores
from mlseg.types import CasePrediction, CaseSet, EvaluationProtocol, PreparedCase

RESTART = "Restore it, or move last.pt away to start anew."


def load_best(network: nn.Module, run: RunDirectory, *, epoch: int) -> None:
    """Put the weights of best.pt into the network.

    Args:
        epoch: the best epoch by the run's own record; 0 if it has none.

    Raises:
        RunError: every validation score was undefined; best.pt is missing, from another epoch, or does not fit.
    """
    if epoch == 0:
        raise RunError(
            f"{run.path}: no best epoch, for the validation score was undefined in every epoch. "
            "Use evaluation.checkpoint_score=last, or a split whose validation subjects have foreground."
        )
    if not run.best.exists():
        raise RunError(f"{run.best}: not there, though the run wrote it. {RESTART}")
    load_weights(network, run.best, epoch=epoch)


def load_weights(network: nn.Module, path: Path, *, epoch: int | None = None, remedy: str = RESTART) -> int:
    """Put the weights of any checkpoint into the network.

    Args:
        path: best.pt, last.pt or a copy of one.
        epoch: the epoch that it must be from; None takes any.
        remedy: what to do if it cannot be used, for the error.

    Returns:
        The epoch that it is from.

    Raises:
        RunError: it cannot be read, is from another epoch, or does not fit.
    """
    state = load_checkpoint(path, remedy=remedy)
    try:
        found = int(state["epoch"] if "epoch" in state else state["progress"]["epoch"])
        if epoch is not None and found != epoch:
            raise RunError(f"{path}: must be from epoch {epoch}, got {found}. {remedy}")
        bare_network(network).load_state_dict(state["network"])
    except (torch.OutOfMemoryError, RunError):
        raise
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = find_mismatch(error).rstrip(".")
        raise RunError(f"{path}: does not fit the network ({reason}). {remedy}") from error
    wrong = next((name for name, value in network.named_parameters() if not bool(torch.isfinite(value).all())), None)
    if wrong is not None:
        raise RunError(f"{path}: all weights must be finite, got NaN or infinity in {wrong}. {remedy}")
    return found


def evaluate(
    network: nn.Module,
    cases: CaseSet,
    *,
    protocols: Sequence[EvaluationProtocol],
    inference: Inference,
    run: RunDirectory,
    show_progress: bool | str = "auto",
    group: Group | None = None,
) -> list[Score]:
    """Score every case under every protocol, on the grid that each asks for.

    Writes scores.csv (rows in the order of cases, protocols, labels), bins.npz and views.npz (a slice of each case)
    into the run directory.

    Args:
        group: the processes that share the cases, none twice; the first writes what all have found.

    Raises:
        DataError: a prediction that is not a probability map, naming its case.
    """
    network.eval()
    group = group or Group()
    visible = group.is_first and (sys.stderr.isatty() if show_progress == "auto" else bool(show_progress))
    numbers = track(
        group.share(range(len(cases))),
        description="evaluating",
        console=Console(stderr=True),
        disable=not visible,
        transient=True,
    )
    with full_float32():
        judged = [_judge(network, cases[number], protocols, inference) for number in numbers]
    results = group.merge(judged)
    rows = [row for case in results for row in case.rows]
    if group.is_first:
        write_bins(run.bins, {key: counts for case in results for key, counts in case.bins.items()})
        write_views(run.views, [case.view for case in results])
        write_scores(run.scores, rows)
    group.agree(None)  # nobody reads before it is written
    return rows


@dataclass(frozen=True)
class _JudgedCase:
    rows: list[Score]
    bins: dict[BinsKey, BinCounts]
    view: CaseView


def _judge(
    network: nn.Module, case: PreparedCase, protocols: Sequence[EvaluationProtocol], inference: Inference
) -> _JudgedCase:
    rows: list[Score] = []
    bins: dict[BinsKey, BinCounts] = {}
    predictions = {grid: inference.predict(network, case, grid=grid) for grid in {p.grid for p in protocols}}
    for protocol in protocols:
        result = protocol.score_case(predictions[protocol.grid])
        rows.extend(result.rows)
        for (region, label), counts in result.bins.items():
            bins[BinsKey(protocol.name, region, label, case.case_id)] = counts
    logging.getLogger("mlseg.run").info("evaluated %s", case.case_id)
    return _JudgedCase(rows, bins, _take_view(case, predictions, inference))


def _take_view(case: PreparedCase, predictions: Mapping[str, CasePrediction], inference: Inference) -> CaseView:
    """A slice on the native grid, or on the training crop if no protocol asked for more."""
    if "native" in predictions:
        return build_view(predictions["native"], np.asarray(case.image[:, 0]))
    return build_view(predictions["crop"], inference.crop_image(case)[:, 0])
