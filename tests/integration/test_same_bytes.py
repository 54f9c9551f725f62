"""The same seed gives the same scores.csv to the byte, whole or killed in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

EPOCHS = 3


def start(words: Sequence[str], repo_root: Path) -> subprocess.Popen[str]:
    """`python train.py ...` as a user starts it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(repo_root / "train.py"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(words: Sequence[str], repo_root: Path) -> str:
    with start(words, repo_root) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def wait_for_epoch(status: Path, epoch: int) -> None:
    """Until status.json says that `epoch` epochs are done and the next one runs."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if status.exists() and json.loads(status.read_text()).get("epoch") == epoch:
            return
        time.sleep(0.005)
    raise AssertionError(f"epoch {epoch} was never reached")


def test_seeds_and_sigkill(place, repo_root: Path) -> None:
    # Many steps per epoch, so that a kill after the second epoch began falls into its middle.
    common = (f"trainer.max_epochs={EPOCHS}", "data.batch_size=1", "model.norm=batch", "trainer.accumulate_steps=2")

    def words(name: str, *more: str) -> list[str]:
        return place.words(*common, f"run_dir={place.folder / name}", *more)

    finish(words("whole"), repo_root)
    finish(words("twin"), repo_root)
    finish(words("other", "seed=2"), repo_root)
    scores = {name: (place.folder / name / "scores.csv").read_bytes() for name in ("whole", "twin", "other")}
    assert scores["whole"] == scores["twin"]
    assert scores["whole"] != scores["other"]

    with start(words("killed"), repo_root) as process:
        wait_for_epoch(place.folder / "killed" / "status.json", 1)
        process.kill()
    assert process.returncode == -9
    assert not (place.folder / "killed" / "scores.csv").exists()
    finish(words("killed"), repo_root)
    assert (place.folder / "killed" / "scores.csv").read_bytes() == scores["whole"]
    assert "resumed after epoch 1" in (place.folder / "killed" / "train.log").read_text()
