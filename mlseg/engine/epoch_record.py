"""What is kept and told of each epoch: a record in the history, a line, and points in TensorBoard."""

from __future__ import annotations

from mlseg.engine.tracking import Tracker
from mlseg.engine.validation import Validation

# Key of a record -> its curve in TensorBoard.
CURVES = {
    "dice": "validation/dice",
    "iou": "validation/iou",
    "ece": "validation/ece_foreground",
    "lr": "train/lr",
    "images_per_second": "speed/images_per_second",
    "loss": "epoch/loss",
}


def build_record(
    epoch: int, *, loss: float, rate: float, images: int, seconds: tuple[float, float], validation: Validation | None
) -> dict[str, float]:
    """The history's entry of an epoch.

    Args:
        epoch: its number, from 1. loss: mean over its batches. rate: learning rate.
        seconds: of the training alone, and with the validation.
        validation: None where there are no validation cases; its scores are then NaN.
    """
    nan = float("nan")
    scores = (validation.dice, validation.iou, validation.ece) if validation else (nan, nan, nan)
    record = {"epoch": epoch, "loss": loss, "dice": scores[0], "iou": scores[1], "ece": scores[2], "lr": rate}
    return record | {"images_per_second": images / seconds[0], "seconds": seconds[1]}


def describe_record(record: dict[str, float], *, epochs: int) -> str:
    """One line about an epoch."""
    scores = f"validation Dice {record['dice']:.4f}, foreground ECE {record['ece']:.4f}"
    speed = f"{record['images_per_second']:.1f} images/s, {record['seconds']:.0f} s"
    return f"epoch {record['epoch']}/{epochs}: loss {record['loss']:.4f}, {scores}, lr {record['lr']:.2g}, {speed}"


def track_record(record: dict[str, float], tracker: Tracker, *, step: int) -> None:
    """Put the epoch's numbers into TensorBoard."""
    tracker.log_scalars({curve: record[name] for name, curve in CURVES.items()}, step)
