"""The checkpoints of a run: best.pt, last.pt, and the one before that, for the day when last.pt cannot be read."""

from __future__ import annotations

import logging
import os
from typing import Any

from torch import Tensor

from mlseg.checks import RunError
from mlseg.engine.checkpoint import bare_network, load_checkpoint, save_checkpoint, settle_best
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.training_state import TrainingState, check_identity
from mlseg.engine.validation import Validation


def check_resumable(run: RunDirectory) -> None:
    """See that a finished run can go on, before anything of it is touched.

    Raises:
        RunError: there is no checkpoint, or none is readable, of this run and finite; says what is wrong with last.pt.
    """
    if not run.has_checkpoint():
        raise RunError(
            f"{run.last}: must be there to go on from, got nothing, and the run has results already. "
            "Restore it, or give run_name=... for a new run."
        )
    problems: list[RunError] = []
    for path in (run.last, run.previous):
        try:
            state = load_checkpoint(path)
            check_identity(state, run.identity, name=str(path))
            weights = state.get("network")
            for name, value in weights.items() if isinstance(weights, dict) else ():
                if isinstance(value, Tensor) and bool(value.isnan().any()):
                    raise RunError(f"{path}: all weights must be finite, got NaN in {name}. Restore it.")
        except RunError as error:
            problems.append(error)
        else:
            return
    raise problems[0]


class Keeper:
    """Saves a training so that a kill at any instant loses no more than the epoch it fell into.

    Args:
        state: what is saved.
        run: where.
        checkpoint_score: "dice", "iou" or "last" (best.pt is then the last epoch).
    """

    def __init__(self, state: TrainingState, run: RunDirectory, *, checkpoint_score: str) -> None:
        self.state, self.run, self.checkpoint_score = state, run, checkpoint_score
        self.logger = logging.getLogger("mlseg.run")

    def save_epoch(self, validation: Validation | None) -> None:
        """Keep the state after an epoch, and its weights if they are the best so far.

        A new best waits beside best.pt until last.pt knows of it: killed in between, `restore` sorts it out.
        """
        progress, by_score = self.state.progress, self.checkpoint_score != "last"
        score = validation.score(self.checkpoint_score) if by_score and validation else float(progress.epoch)
        if score > progress.best_score:  # False for NaN
            progress.best_score, progress.best_epoch = score, progress.epoch
            best = {"network": bare_network(self.state.network).state_dict(), "epoch": progress.epoch}
            save_checkpoint(self.run.next_best, {**best, "score": score, "score_name": self.checkpoint_score})
        self._save_last(self.state.pack())
        settle_best(self.run.next_best, self.run.best, epoch=progress.best_epoch)

    def save_within(self, within: dict[str, Any]) -> None:
        """Keep the state in the middle of an epoch."""
        self._save_last(self.state.pack(within=within))

    def _save_last(self, state: dict[str, Any]) -> None:
        last, previous = self.run.last, self.run.previous
        if last.exists():
            # A second name for the file that is about to be replaced, so there is never less than one.
            spare = previous.with_name(f".{previous.name}.{os.getpid()}.tmp")
            try:
                spare.unlink(missing_ok=True)
                os.link(last, spare)
                os.replace(spare, previous)
            except OSError as error:  # a file system without hard links
                self.logger.debug("no %s: %s", previous.name, error)
        save_checkpoint(last, state)

    def restore(self) -> dict[str, Any] | None:
        """Go on from last.pt, or from the checkpoint before it if that one cannot be used, which is said.

        Returns:
            What `save_within` kept, where the checkpoint is from the middle of an epoch.

        Raises:
            RunError: there are checkpoints, but none can be used: a run never starts again by itself.
        """
        if not self.run.has_checkpoint():
            self._settle(0)
            return None
        problems: list[RunError] = []
        for path in (self.run.last, self.run.previous):
            try:
                within = self.state.unpack(load_checkpoint(path), name=str(path))
                self._settle(self.state.progress.best_epoch)
            except RunError as error:
                problems.append(error)
                continue
            if problems:
                self._adopt_best()
            if problems and self.run.owner:
                what = str(problems[0]).rpartition(". ")[0]
                text = f"{what}. Going on from {path.name}, after epoch {self.state.progress.epoch}."
                self.logger.warning(text)
                print(f"warning: {text}", flush=True)
            return within
        raise problems[0]

    def _adopt_best(self) -> None:
        """After a fall back, best.pt may be from an epoch that is trained again, and may not be as good this time."""
        if self.run.best.exists():
            best, progress = load_checkpoint(self.run.best), self.state.progress
            if best.get("epoch", 0) > progress.best_epoch:
                progress.best_epoch, progress.best_score = best["epoch"], best["score"]

    def _settle(self, epoch: int) -> None:
        """Sort out a best that was waiting when the run was killed; one process does it for all."""
        if self.run.owner:
            settle_best(self.run.next_best, self.run.best, epoch=epoch)
