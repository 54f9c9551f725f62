import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlseg.checks import RunError
from mlseg.engine.tracking import GAP, PALETTE, Tracker, draw_grid


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_curves_leave_nan_out(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    tracker.log_scalars({"validation/dice": 0.5, "validation/ece": float("nan")}, 7)
    tracker.close()
    events = read(tmp_path)
    assert events.Tags()["scalars"] == ["validation/dice"]
    assert [(point.step, point.value) for point in events.Scalars("validation/dice")] == [(7, 0.5)]


def test_a_resumed_run_leaves_one_curve(tmp_path: Path) -> None:
    first = Tracker(tmp_path)
    for step in (1, 2, 3, 4):
        first.log_scalars({"train/loss": float(step)}, step)
    first.close()
    second = Tracker(tmp_path, first_step=3)
    for step in (3, 4, 5):
        second.log_scalars({"train/loss": float(10 * step)}, step)
    second.close()
    assert [(p.step, p.value) for p in read(tmp_path).Scalars("train/loss")] == [
        (1, 1),
        (2, 2),
        (3, 30),
        (4, 40),
        (5, 50),
    ]


def test_a_histogram_keeps_its_counts(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    tracker.log_histogram("logits/distance", torch.tensor([5, 0, 2]), torch.tensor([0.0, 1.0, 2.0, 3.0]), 1)
    tracker.close()
    value = read(tmp_path).Histograms("logits/distance")[0].histogram_value
    assert value.num == 7
    assert list(value.bucket) == [5, 0, 2]
    assert list(value.bucket_limit) == [1, 2, 3]


def test_the_grid_shows_image_reference_prediction_and_confidence(tmp_path: Path) -> None:
    image = np.linspace(0, 1, 64).reshape(8, 8)
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[2:4] = 1
    grid = draw_grid([(image, labels, 0 * labels, np.full((8, 8), 0.75))] * 2)
    assert grid.shape == (2 * 12, 4 * 12, 3)
    assert grid.dtype == np.uint8
    grey, reference, prediction, confidence = (grid[:8, 12 * i : 12 * i + 8] for i in range(4))
    assert np.array_equal(grey, prediction)
    assert np.array_equal(reference[labels == 0], grey[labels == 0])
    assert np.abs(reference[2, 0].astype(int) - (0.45 * grey[2, 0] + 0.55 * PALETTE[1])).max() <= 1
    assert (confidence == 128).all()
    tracker = Tracker(tmp_path)
    tracker.log_images("grid", [(image, labels, labels, image)], 1)
    tracker.log_images("nothing", [], 1)
    tracker.close()
    assert read(tmp_path).Tags()["images"] == ["grid"]


def test_many_labels_reuse_the_palette_without_the_background() -> None:
    labels = np.arange(64).reshape(8, 8)
    grid = draw_grid([(np.zeros((8, 8)), labels, labels, np.ones((8, 8)))])
    reference = grid[:8, 12:20]
    assert (reference[labels > 0].sum(axis=1) > 0).all()


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write TensorBoard events"):
        Tracker(tmp_path / "file" / "tensorboard")


def test_slices_of_different_sizes_stand_in_one_grid() -> None:
    small, large = (np.zeros(size) for size in ((10, 12), (14, 20)))
    rows = [(plane, plane.astype(int), plane.astype(int), plane + 1) for plane in (small, large)]
    grid = draw_grid(rows)
    assert grid.shape == (10 + 14 + 2 * GAP, 4 * (20 + GAP), 3)
    # The confidence of the smaller slice: white where it is, and white behind it.
    assert (grid[:10, 3 * (20 + GAP) :] == 255).all()
    assert (grid[:10, :12] == 0).all()
    assert (grid[:10, 12:20] == 255).all()


def test_a_lost_folder_is_said_once_and_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlseg.engine.tracking.FLUSH_S", 0.1)
    tracker = Tracker(tmp_path / "events")
    tracker.log_scalars({"a": 1.0}, 1)
    shutil.rmtree(tmp_path / "events")
    deadline = time.monotonic() + 10
    while tracker._writer is not None and time.monotonic() < deadline:
        tracker.log_scalars({"a": 1.0}, 2)
        time.sleep(0.02)
    tracker.log_scalars({"a": 1.0}, 3)
    tracker.close()
    said = capsys.readouterr().err
    assert said.count("no more TensorBoard events") == 1
    assert "Traceback" not in said


def test_all_but_one_of_several_processes_write_nothing(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path / "events", on=False)
    tracker.log_scalars({"a": 1.0}, 1)
    tracker.close()
    assert not (tmp_path / "events").exists()
