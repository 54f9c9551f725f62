"""What tells two runs apart, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Settings that change no result: where things lie, how fast they go, what is logged, and how long to go on. They are
# left out of the name and of the claim, so that the same run on another machine finds its directory. trainer.device
# changes the last bits only, and a run that moves to another machine must be able to go on there.
INERT_KEYS = frozenset(
    {
        "data.root",
        "data.source.root",
        "data.cache_dir",
        "data.residency",
        "data.workers",
        "evaluation.batch_size",
        "output_root",
        "run_dir",
        "run_name",
        "trainer.device",
        "trainer.image_every",
        "trainer.log_every",
        "trainer.max_epochs",
        "trainer.progress",
    }
)

# Settings that came after runs had been made, each with the value that leaves everything as it was before. At that
# value they are no part of what tells runs apart, so that earlier runs are still known for what they are.
NEUTRAL_VALUES: dict[str, Any] = {
    "data.crop_jitter": 0,
    # what torch takes for scheduler=one_cycle
    "scheduler.cycle_momentum": True,
    "scheduler.base_momentum": 0.85,
    "scheduler.max_momentum": 0.95,
}


def select_telling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a run's flat settings that tell it apart from others, but for INERT_KEYS.

    Example:
        >>> select_telling({"data.crop_jitter": 0, "loss.margin": 5}), select_telling({"data.crop_jitter": 8})
        ({'loss.margin': 5}, {'data.crop_jitter': 8})
    """
    absent = object()
    return {key: value for key, value in settings.items() if value != NEUTRAL_VALUES.get(key, absent)}
