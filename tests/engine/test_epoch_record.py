import math
from pathlib import Path

from mlseg.engine.epoch_record import CURVES, build_record, describe_record, track_record
from mlseg.engine.validation import Validation

VALIDATION = Validation(dice=0.8, iou=0.7, ece=0.05, dice_per_label=(0.8,))


def test_a_record_holds_the_scores_and_the_speed() -> None:
    record = build_record(3, loss=0.5, rate=1e-3, images=40, seconds=(2.0, 5.0), validation=VALIDATION)
    assert record == {
        "epoch": 3,
        "loss": 0.5,
        "dice": 0.8,
        "iou": 0.7,
        "ece": 0.05,
        "lr": 1e-3,
        "images_per_second": 20.0,
        "seconds": 5.0,
    }
    line = "epoch 3/12: loss 0.5000, validation Dice 0.8000, foreground ECE 0.0500, lr 0.001, 20.0 images/s, 5 s"
    assert describe_record(record, epochs=12) == line


def test_without_validation_its_scores_are_nan() -> None:
    record = build_record(1, loss=0.5, rate=1e-3, images=1, seconds=(1.0, 1.0), validation=None)
    assert all(math.isnan(record[name]) for name in ("dice", "iou", "ece"))


def test_each_curve_gets_its_number(tmp_path: Path) -> None:
    class Fake:
        def log_scalars(self, values: dict[str, float], step: int) -> None:
            self.values, self.step = values, step

    tracker = Fake()
    record = build_record(1, loss=0.5, rate=1e-3, images=4, seconds=(2.0, 2.0), validation=VALIDATION)
    track_record(record, tracker, step=7)  # type: ignore[arg-type]
    assert tracker.step == 7
    assert set(tracker.values) == set(CURVES.values())
    assert tracker.values["validation/dice"] == 0.8
    assert tracker.values["validation/ece_foreground"] == 0.05
