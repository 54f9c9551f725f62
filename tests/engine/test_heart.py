import os
import threading
import time
from pathlib import Path

import pytest

from mlseg.engine import heart
from mlseg.engine.heart import Heart


def test_it_touches_its_file_until_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "BEAT_S", 0.01)
    path = tmp_path / "lock"
    path.touch()
    os.utime(path, (0, 0))
    beating = Heart(path)
    deadline = time.monotonic() + 5
    while path.stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    beating.stop()
    assert path.stat().st_mtime > 0
    os.utime(path, (0, 0))
    time.sleep(0.05)
    assert path.stat().st_mtime == 0


def test_a_file_that_goes_is_no_reason_to_fail(tmp_path: Path) -> None:
    beating = Heart(tmp_path / "nowhere")
    beating.stop()
    assert "heart" not in [thread.name for thread in threading.enumerate()]
