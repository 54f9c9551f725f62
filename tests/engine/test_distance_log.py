from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlseg.engine.distance_log import DistanceLog
from mlseg.engine.tracking import Tracker


def test_batches_add_up_by_their_voxels(tmp_path: Path) -> None:
    log = DistanceLog(margin=5.0)
    log.add(torch.tensor([[[0.0, 0.0, 0.0], [1.0, 9.0, 9.0]]]))
    log.add(torch.tensor([[[0.0], [1.0]]]))
    assert log.share() == pytest.approx(0.5)
    tracker = Tracker(tmp_path)
    DistanceLog(margin=1.0).track(tracker, 1)
    log.track(tracker, 2)
    tracker.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(p.step, p.value) for p in events.Scalars("logits/share_beyond_5")] == [(2, 0.5)]
    assert events.Histograms("logits/distance")[0].histogram_value.num == 8
