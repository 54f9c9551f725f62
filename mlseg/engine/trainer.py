"""The training loop, flat enough to be read in one sitting."""

from __future__ import annotations

import contextlib
import logging
from typing import Any, cast

import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError, Stopped
from mlseg.engine.device import Compute
from mlseg.engine.distance_log import DistanceLog
from mlseg.engine.distributed import Group
from mlseg.engine.epoch_record import build_record, describe_record, track_record
from mlseg.engine.inference import Inference, forward
from mlseg.engine.keeper import Keeper
from mlseg.engine.open_epoch import OpenEpoch, open_epoch
from mlseg.engine.progress import TrainingBar
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.settings import TrainerSettings
from mlseg.engine.step_log import StepLog
from mlseg.engine.stopping import StopSignals
from mlseg.engine.tracking import Tracker
from mlseg.engine.training_state import Progress, TrainingState
from mlseg.engine.validation import Validation, predict_slices, validate
from mlseg.types import BatchLoader, CaseSet, SegBatch, SegLoss

# The share of voxels beyond this distance is logged for losses without a margin. Source: the paper's default m.
DEFAULT_MARGIN = 10.0


class Trainer:
    """Trains one network and keeps last.pt and best.pt.

    Args:
        network: its `stride` says what image sizes must be multiples of.
        loss: (logits (N,K,*S), target (N,*S)) -> scalar; called outside autocast.
        optimizer, scheduler: torch's; the scheduler steps once per epoch.
        loader: training batches. cases: validation cases, possibly none.
        checkpoint_score: "dice", "iou" or "last" (best.pt is then the last epoch).
        seed: with the epoch's number and the rank it seeds every generator at the start of each epoch.
        group: the processes that train together; each sees its share of every batch.
        stop: where signals that ask to stop are waiting.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        loss: SegLoss,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        loader: BatchLoader,
        cases: CaseSet,
        inference: Inference,
        settings: TrainerSettings,
        compute: Compute,
        run: RunDirectory,
        checkpoint_score: str = "dice",
        seed: int = 1,
        group: Group | None = None,
        stop: StopSignals | None = None,
    ) -> None:
        if checkpoint_score != "last" and len(cases) == 0:
            raise ConfigError(
                f"evaluation.checkpoint_score: {checkpoint_score!r} needs validation cases, got none. "
                "Use evaluation.checkpoint_score=last."
            )
        self.network, self.loss, self.optimizer, self.scheduler = network, loss, optimizer, scheduler
        self.loader, self.cases, self.inference = loader, cases, inference
        self.settings, self.compute, self.run, self.seed = settings, compute, run, seed
        self.group, self.stop = group or Group(), stop or StopSignals()
        self.shared = self.compiled = network  # while it is fitted: shared by the group, and compiled
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.needs_scaler)
        self.state = TrainingState(network, optimizer, scheduler, self.scaler, identity=run.identity)
        self.keeper = Keeper(self.state, run, checkpoint_score=checkpoint_score)
        self.logger = logging.getLogger("mlseg.run")

    @property
    def progress(self) -> Progress:
        """How far the run has come."""
        return self.state.progress

    def fit(self) -> Progress:
        """Train up to `max_epochs`, from last.pt where there is one.

        Raises:
            RunError: a loss or gradient that is not finite, a checkpoint that cannot be read or written.
            Stopped: a signal asked for it; the state is saved.
        """
        within = self._resume()
        self.shared = self.group.wrap(self.network, self.compute.device)
        self.compiled = cast(nn.Module, torch.compile(self.shared)) if self.settings.compile else self.shared
        epochs, batches = self.settings.max_epochs, len(self.loader)
        if self.progress.epoch < epochs:
            self.progress.sessions.append({"first_epoch": self.progress.epoch + 1, **self.compute.describe()})
        done = self.progress.epoch * batches + (within["batch"] if within else 0)
        tracker = Tracker(self.run.path / "tensorboard", first_step=self.progress.step + 1, on=self.group.is_first)
        bar = TrainingBar(total=epochs * batches, done=done, show=self.settings.progress, on=self.group.is_first)
        try:
            with bar:
                for number in range(self.progress.epoch, epochs):
                    self.run.write_status("running", epoch=number, max_epochs=epochs)
                    bar.describe(f"epoch {number + 1}/{epochs}")
                    with self.stop.deferred():
                        self._run_epoch(self._open_epoch(number, within), tracker, bar)
                    within = None
        finally:
            tracker.close()
            self.shared = self.compiled = self.network
        return self.progress

    def _run_epoch(self, epoch: OpenEpoch, tracker: Tracker, bar: TrainingBar) -> None:
        rate = self.optimizer.param_groups[0]["lr"]
        self._train_epoch(epoch, tracker, bar)
        seconds = epoch.elapsed()
        bar.describe(f"epoch {epoch.number + 1}/{self.settings.max_epochs} validation")
        validation = self._validate(epoch)
        self.scheduler.step()
        spent, found = (seconds, epoch.elapsed()), self.group.gather((epoch.log.mean_loss(), epoch.images))
        loss, images = sum(mean for mean, _ in found) / len(found), sum(count for _, count in found)
        record = build_record(
            epoch.number + 1, loss=loss, rate=rate, images=images, seconds=spent, validation=validation
        )
        self.progress.history.append(record)
        self.progress.epoch = epoch.number + 1
        self._tell(record, tracker, bar)
        if self.group.is_first:
            self.keeper.save_epoch(validation)
        best = self.group.agree(
            (self.progress.best_score, self.progress.best_epoch)
        )  # nobody goes on before it is saved
        self.progress.best_score, self.progress.best_epoch = best

    def _train_epoch(self, epoch: OpenEpoch, tracker: Tracker, bar: TrainingBar) -> None:
        """One pass over the loader, or the rest of one."""
        self.compiled.train()
        batches, group = len(self.loader), self.settings.accumulate_steps
        distances = DistanceLog(float(getattr(self.loss, "margin", DEFAULT_MARGIN)))
        for batch in self.loader.epoch(epoch.number, start=epoch.batch):
            index, epoch.batch = epoch.batch, epoch.batch + 1
            # The last group of an epoch may be shorter; its gradients are averaged over what it has.
            group_size = min(group, batches - index // group * group)
            is_last = epoch.batch % group == 0 or epoch.batch == batches
            logits, values = self._accumulate(batch, group_size, synchronise=is_last)
            if is_last:
                values["gradient_norm"] = self._update()
                self.progress.step += 1
            epoch.log.add(epoch.number * batches + epoch.batch, values, batch["case_id"])
            epoch.images += len(batch["image"])
            bar.advance(len(batch["image"]))
            if epoch.batch % self.settings.log_every == 0 or epoch.batch == batches:
                means = epoch.log.flush()
                distances.add(logits)
                bar.state(loss=f"loss {means['loss']:.4f}")
                tracker.log_scalars({f"train/{name}": value for name, value in means.items()}, self.progress.step)
            if is_last:
                self._pause(epoch, next(filter(None, self.group.gather(self.stop.requested)), ""))
        epoch.log.check_updates()
        distances.track(tracker, self.progress.step)

    def _accumulate(self, batch: SegBatch, group_size: int, *, synchronise: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward and backward of one batch. Returns its logits and its loss with the loss's terms."""
        apart = isinstance(self.shared, nn.parallel.DistributedDataParallel) and not synchronise
        with self.group.computing(), self.shared.no_sync() if apart else contextlib.nullcontext():  # type: ignore[operator]
            logits = forward(self.compiled, batch["image"], self.compute)
            loss = self.loss(logits, batch["target"].to(logits.device, non_blocking=True))
            self.scaler.scale(loss * batch.get("weight", 1.0) / group_size).backward()
        terms = self.loss.terms() if hasattr(self.loss, "terms") else {}
        return logits.detach(), {"loss": loss.detach(), **{f"term_{name}": value for name, value in terms.items()}}

    def _update(self) -> Tensor:
        """One optimizer step. Returns the gradient norm before clipping."""
        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.settings.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.network.parameters(), self.settings.clip_norm, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def _validate(self, epoch: OpenEpoch) -> Validation | None:
        if not len(self.cases):
            return None
        try:
            return validate(self.network, self.cases, self.inference, group=self.group, stop=self.stop)
        except Stopped as stopped:
            self._pause(epoch, stopped.signal)
            raise

    def _tell(self, record: dict[str, float], tracker: Tracker, bar: TrainingBar) -> None:
        text = describe_record(record, epochs=self.settings.max_epochs)
        self.logger.info(text)
        track_record(record, tracker, step=self.progress.step)
        every, last = self.settings.image_every, self.progress.epoch == self.settings.max_epochs
        if every and self.group.is_first and (self.progress.epoch % every == 0 or last):
            rows = predict_slices(self.network, self.cases, self.inference, count=4)
            tracker.log_images("validation/image_reference_prediction_confidence", rows, self.progress.step)
        bar.note(text)
        bar.state(dice=f"Dice {record['dice']:.3f}")

    def _open_epoch(self, number: int, within: dict[str, Any] | None) -> OpenEpoch:
        log = StepLog(tolerate_gradients=self.scaler.is_enabled(), group=self.group)
        return open_epoch(number, log, within=within, seed=self.seed, group=self.group)

    def _pause(self, epoch: OpenEpoch, name: str) -> None:
        """Save where this epoch is, and stop, if `name` is that of a signal."""
        if not name:
            return
        within = epoch.pack(self.group)
        if self.group.is_first:
            self.keeper.save_within(within)
        self.group.agree(None)
        place = f"batch {epoch.batch} of {len(self.loader)} in epoch {epoch.number + 1}"
        self.logger.info("stopped by %s after %s", name, place)
        raise Stopped(name, saved=f"saved after {place}")

    def _resume(self) -> dict[str, Any] | None:
        with self.group.first_goes_ahead():  # it tidies up, and the others must find what it went on from
            within = self.keeper.restore()
        if self.progress.epoch > self.settings.max_epochs:
            done, wanted = self.progress.epoch, self.settings.max_epochs
            raise ConfigError(
                f"trainer.max_epochs: this run has {done} epochs already, got {wanted}. "
                f"Give trainer.max_epochs={done} or more, or run_name=... for a shorter run."
            )
        if self.progress.epoch or within:
            place = f", batch {within['batch']}" if within else ""
            self.logger.info("resumed after epoch %d%s", self.progress.epoch, place)
        return within
