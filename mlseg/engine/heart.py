"""A sign of life: a file whose time of change moves on as long as a process works."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from mlseg.run_state import BEAT_S


class Heart:
    """Touches a file every BEAT_S seconds until it is stopped; it goes with its process.

    Args:
        path: an existing file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                os.utime(self._path)
            if self._stopped.wait(BEAT_S):
                return

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        self._thread.join()
