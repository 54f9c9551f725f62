"""TensorBoard: the only file that knows it."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from mlseg.checks import RunError

# Okabe and Ito's colours, told apart by colour-blind readers: background, then labels in order.
PALETTE = np.array(
    [
        [0, 0, 0],
        [230, 159, 0],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [0, 114, 178],
        [213, 94, 0],
        [204, 121, 167],
    ],
    dtype=np.uint8,
)
GAP = 4
# Seconds after which TensorBoard's thread writes what it has.
FLUSH_S = 30


class Tracker:
    """Curves, histograms and images of one run. A folder that is lost on the way is said once, and the run goes on.

    Args:
        folder: where the event files go.
        first_step: points at or after this optimizer step are dropped from earlier event files, so that a resumed
            run leaves one curve.
        on: False writes nothing, for all but one of several processes.
    """

    def __init__(self, folder: Path, *, first_step: int = 0, on: bool = True) -> None:
        self.folder = folder
        self._writer: SummaryWriter | None = None
        self._hook = threading.excepthook
        if not on:
            return
        try:
            self._writer = SummaryWriter(str(folder), purge_step=first_step, flush_secs=FLUSH_S)
        except OSError as error:
            raise RunError(
                f"{folder}: cannot write TensorBoard events ({error.strerror}). Free space or give run_dir=..."
            ) from error
        # TensorBoard's own thread would print a traceback.
        threading.excepthook = self._handle_thread

    def log_scalars(self, values: Mapping[str, float], step: int) -> None:
        """One point per curve; NaN is left out."""
        with self._losing() as writer:
            for name, value in values.items():
                if writer is not None and value == value:
                    writer.add_scalar(name, value, step)

    def log_histogram(self, name: str, counts: Tensor, edges: Tensor, step: int) -> None:
        """A histogram from its counts (B,) and edges (B+1,)."""
        number = counts.double().cpu().numpy()
        limits = edges.double().cpu().numpy()
        centres = (limits[:-1] + limits[1:]) / 2
        with self._losing() as writer:
            if writer is not None:
                writer.add_histogram_raw(
                    name,
                    min=float(limits[0]),
                    max=float(limits[-1]),
                    num=int(number.sum()),
                    sum=float((number * centres).sum()),
                    sum_squares=float((number * centres**2).sum()),
                    bucket_limits=limits[1:].tolist(),
                    bucket_counts=number.tolist(),
                    global_step=step,
                )

    def log_images(self, name: str, rows: Sequence[tuple[np.ndarray, ...]], step: int) -> None:
        """A grid with one row per slice: image, reference, prediction, confidence."""
        with self._losing() as writer:
            if rows and writer is not None:
                writer.add_image(name, draw_grid(rows), step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory."""
        with self._losing() as writer:
            if writer is not None:
                writer.close()
        threading.excepthook = self._hook

    @contextlib.contextmanager
    def _losing(self) -> Iterator[SummaryWriter | None]:
        """The writer, or None once it has failed."""
        try:
            yield self._writer
        except OSError as error:
            self._writer = None
            text = f"{self.folder}: no more TensorBoard events ({error.strerror}); the training goes on without."
            logging.getLogger("mlseg.run").warning(text)
            print(f"warning: {text}", file=sys.stderr, flush=True)

    def _handle_thread(self, failure: threading.ExceptHookArgs) -> None:
        if not issubclass(failure.exc_type, OSError):
            self._hook(failure)


def draw_grid(rows: Sequence[tuple[np.ndarray, ...]]) -> np.ndarray:
    """(image, reference, prediction, confidence) slices (h,w) -> one picture (H,W,3) uint8.

    Slices of different sizes stand at the left of rows as wide as the widest. Labels lie over the image in PALETTE's
    colours. Confidence is black at 0.5 and below, white at 1.
    """
    drawn: list[np.ndarray] = []
    widest = max(row[0].shape[1] for row in rows)
    for image, reference, prediction, confidence in rows:
        grey = _grey(image)
        tiles = [grey, _overlay(grey, reference), _overlay(grey, prediction), _shade(np.clip(2 * confidence - 1, 0, 1))]
        room = widest - image.shape[1] + GAP
        padded = [np.pad(tile, ((0, GAP), (0, room), (0, 0)), constant_values=255) for tile in tiles]
        drawn.append(np.concatenate(padded, axis=1))
    return np.concatenate(drawn, axis=0)


def _grey(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (1, 99))
    return _shade(np.clip((image - low) / max(high - low, 1e-6), 0, 1))


def _shade(values: np.ndarray) -> np.ndarray:
    return np.repeat((values * 255).round().astype(np.uint8)[..., None], 3, axis=2)


def _overlay(grey: np.ndarray, labels: np.ndarray) -> np.ndarray:
    colours = PALETTE[np.where(labels > 0, (labels.astype(int) - 1) % (len(PALETTE) - 1) + 1, 0)]
    mixed = (0.45 * grey + 0.55 * colours).round().astype(np.uint8)
    return np.where(labels[..., None] > 0, mixed, grey)
