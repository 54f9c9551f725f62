"""The training loop, flat enough to be read in one sitting."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from mlseg.checks import ConfigError, RunError
from mlseg.engine.checkpoint import bare_network, load_checkpoint, save_checkpoint, settle_best
from mlseg.engine.device import Compute
from mlseg.engine.distance_log import DistanceLog
from mlseg.engine.inference import Inference, forward
from mlseg.engine.progress import TrainingBar
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.seeding import seed_generators
from mlseg.engine.settings import TrainerSettings
from mlseg.engine.step_log import StepLog
from mlseg.engine.tracking import Tracker
from mlseg.engine.validation import Validation, predict_slices, validate
from mlseg.types import BatchLoader, CaseSet, SegBatch, SegLoss

# The share of voxels beyond this distance is logged for losses without a margin. Source: the paper's default m.
DEFAULT_MARGIN = 10.0


@dataclass
class Progress:
    """How far a run has come.

    Args:
        epoch, step: whole epochs and optimizer steps done.
        best_score, best_epoch: the validation score that chose best.pt, and its epoch (from 1; 0 before there is one).
        history: one record per epoch.
        sessions: device and precision of each process that trained, with its first epoch.
    """

    epoch: int = 0
    step: int = 0
    best_score: float = float("-inf")
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)


class Trainer:
    """Trains one network and keeps last.pt and best.pt.

    Args:
        network: its `stride` says what image sizes must be multiples of.
        loss: (logits (N,K,*S), target (N,*S)) -> scalar; called outside autocast.
        optimizer, scheduler: torch's; the scheduler steps once per epoch.
        loader: training batches. cases: validation cases, possibly none.
        checkpoint_score: "dice", "iou" or "last" (best.pt is then the last epoch).
        seed: with the epoch's number it seeds every generator at the start of each epoch.
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
    ) -> None:
        if checkpoint_score != "last" and len(cases) == 0:
            raise ConfigError(
                f"evaluation.checkpoint_score: {checkpoint_score!r} needs validation cases, got none. "
                "Use evaluation.checkpoint_score=last."
            )
        self.network, self.loss, self.optimizer, self.scheduler = network, loss, optimizer, scheduler
        self.loader, self.cases, self.inference = loader, cases, inference
        self.settings, self.compute, self.run = settings, compute, run
        self.checkpoint_score, self.seed = checkpoint_score, seed
        self.compiled = cast(nn.Module, torch.compile(network)) if settings.compile else network
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.needs_scaler)
        self.progress = Progress()
        self.logger = logging.getLogger("mlseg.run")

    def fit(self) -> Progress:
        """Train up to `max_epochs`, from last.pt where there is one.

        Raises:
            RunError: a loss or gradient that is not finite, a checkpoint that cannot be read or written.
        """
        self._resume()
        epochs, batches = self.settings.max_epochs, len(self.loader)
        if self.progress.epoch < epochs:
            self.progress.sessions.append({"first_epoch": self.progress.epoch + 1, **self.compute.describe()})
        tracker = Tracker(self.run.path / "tensorboard", first_step=self.progress.step + 1)
        bar = TrainingBar(total=epochs * batches, done=self.progress.epoch * batches, show=self.settings.progress)
        try:
            with bar:
                for epoch in range(self.progress.epoch, epochs):
                    self.run.write_status("running", epoch=epoch, max_epochs=epochs)
                    bar.describe(f"epoch {epoch + 1}/{epochs}")
                    self._run_epoch(epoch, tracker, bar)
        finally:
            tracker.close()
        return self.progress

    def _run_epoch(self, epoch: int, tracker: Tracker, bar: TrainingBar) -> None:
        started, rate = time.perf_counter(), self.optimizer.param_groups[0]["lr"]
        seed_generators(self.seed, epoch, 0)
        mean_loss, images = self._train_epoch(epoch, tracker, bar)
        seconds = time.perf_counter() - started
        bar.describe(f"epoch {epoch + 1}/{self.settings.max_epochs} validation")
        validation = validate(self.network, self.cases, self.inference) if len(self.cases) else None
        self.scheduler.step()
        self._record(epoch, mean_loss, rate, images / seconds, time.perf_counter() - started, validation)
        self._track(epoch, tracker)
        bar.note(self._describe())
        bar.state(dice=f"Dice {self.progress.history[-1]['dice']:.3f}")
        self._save(epoch, validation)

    def _train_epoch(self, epoch: int, tracker: Tracker, bar: TrainingBar) -> tuple[float, int]:
        """One pass over the loader. Returns the mean loss and the number of images."""
        self.compiled.train()
        log = StepLog(tolerate_gradients=self.scaler.is_enabled())
        batches, group, images = len(self.loader), self.settings.accumulate_steps, 0
        distances = DistanceLog(float(getattr(self.loss, "margin", DEFAULT_MARGIN)))
        for index, batch in enumerate(self.loader.epoch(epoch)):
            # The last group of an epoch may be shorter; its gradients are averaged over what it has.
            group_size = min(group, batches - index // group * group)
            logits, values = self._accumulate(batch, group_size)
            if (index + 1) % group == 0 or index + 1 == batches:
                values["gradient_norm"] = self._update()
                self.progress.step += 1
            log.add(epoch * batches + index + 1, values, batch["case_id"])
            images += len(batch["image"])
            bar.advance(len(batch["image"]))
            if len(log) >= self.settings.log_every or index + 1 == batches:
                means = log.flush()
                distances.add(logits)
                bar.state(loss=f"loss {means['loss']:.4f}")
                tracker.log_scalars({f"train/{name}": value for name, value in means.items()}, self.progress.step)
        log.check_updates()
        distances.track(tracker, self.progress.step)
        return log.mean_loss(), images

    def _accumulate(self, batch: SegBatch, group_size: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward and backward of one batch. Returns its logits and its loss with the loss's terms."""
        logits = forward(self.compiled, batch["image"], self.compute)
        loss = self.loss(logits, batch["target"].to(logits.device, non_blocking=True))
        self.scaler.scale(loss / group_size).backward()
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

    def _record(
        self, epoch: int, loss: float, rate: float, speed: float, seconds: float, validation: Validation | None
    ) -> None:
        nan = float("nan")
        scores = (validation.dice, validation.iou, validation.ece) if validation else (nan, nan, nan)
        record = {"epoch": epoch + 1, "loss": loss, "dice": scores[0], "iou": scores[1], "ece": scores[2], "lr": rate}
        record |= {"images_per_second": speed, "seconds": seconds}
        self.progress.history.append(record)
        self.logger.info(self._describe())

    def _describe(self) -> str:
        last, epochs = self.progress.history[-1], self.settings.max_epochs
        scores = f"validation Dice {last['dice']:.4f}, foreground ECE {last['ece']:.4f}"
        speed = f"{last['images_per_second']:.1f} images/s, {last['seconds']:.0f} s"
        return f"epoch {last['epoch']}/{epochs}: loss {last['loss']:.4f}, {scores}, lr {last['lr']:.2g}, {speed}"

    def _track(self, epoch: int, tracker: Tracker) -> None:
        record, step = self.progress.history[-1], self.progress.step
        names = {
            "dice": "validation/dice",
            "iou": "validation/iou",
            "ece": "validation/ece_foreground",
            "lr": "train/lr",
        }
        names |= {"images_per_second": "speed/images_per_second", "loss": "epoch/loss"}
        tracker.log_scalars({curve: record[name] for name, curve in names.items()}, step)
        every, last = self.settings.image_every, epoch + 1 == self.settings.max_epochs
        if every and ((epoch + 1) % every == 0 or last):
            rows = predict_slices(self.network, self.cases, self.inference, count=4)
            tracker.log_images("validation/image_reference_prediction_confidence", rows, step)

    def _save(self, epoch: int, validation: Validation | None) -> None:
        """A new best waits beside best.pt until last.pt knows of it: killed in between, `_resume` sorts it out."""
        by_score = self.checkpoint_score != "last"
        score = validation.score(self.checkpoint_score) if by_score and validation else float(epoch + 1)
        self.progress.epoch = epoch + 1
        if score > self.progress.best_score:  # False for NaN
            self.progress.best_score, self.progress.best_epoch = score, epoch + 1
            best = {"network": bare_network(self.network).state_dict(), "epoch": epoch + 1}
            save_checkpoint(self.run.next_best, {**best, "score": score, "score_name": self.checkpoint_score})
        save_checkpoint(self.run.last, self._state())
        settle_best(self.run.next_best, self.run.best, epoch=self.progress.best_epoch)

    def _state(self) -> dict[str, Any]:
        return {
            "network": bare_network(self.network).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "progress": asdict(self.progress),
        }

    def _resume(self) -> None:
        if not self.run.last.exists():
            self.run.next_best.unlink(missing_ok=True)
            return
        state = load_checkpoint(self.run.last)
        try:
            bare_network(self.network).load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scheduler.load_state_dict(state["scheduler"])
            if state["scaler"]:  # empty where it was not needed: a run may move between bf16, fp16 and float32
                self.scaler.load_state_dict(state["scaler"])
            self.progress = Progress(**state["progress"])
        except torch.OutOfMemoryError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{self.run.last}: does not fit this run ({reason}). Move it away to start anew.") from error
        settle_best(self.run.next_best, self.run.best, epoch=self.progress.best_epoch)
        if self.progress.epoch > self.settings.max_epochs:
            done, wanted = self.progress.epoch, self.settings.max_epochs
            raise ConfigError(
                f"trainer.max_epochs: this run has {done} epochs already, got {wanted}. "
                f"Give trainer.max_epochs={done} or more, or run_name=... for a shorter run."
            )
        self.logger.info("resumed after epoch %d from %s", self.progress.epoch, self.run.last.name)
