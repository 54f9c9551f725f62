"""What tells two runs apart, and what does not."""

from __future__ import annotations

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
