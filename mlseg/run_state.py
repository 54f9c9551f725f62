"""How a run stands, seen from outside: what its status.json says, corrected by whether its process lives."""

from __future__ import annotations

import fcntl
import socket
import time
from pathlib import Path
from typing import Any

from mlseg.records import read_json

STATUS, LOCK = "status.json", ".lock"
# Seconds between two signs of life, and after how many a process on another machine counts as dead.
BEAT_S, SILENCE_S = 15.0, 300.0


def read_state(run: Path) -> dict[str, Any]:
    """The content of status.json, with the state "dead" where it says "running" and nobody does; {} without one.

    A process of this machine holds a lock on the directory as long as it lives; one of another machine touches that
    lock every BEAT_S seconds.

    Raises:
        RunError: status.json is no JSON file.
    """
    path = run / STATUS
    status = read_json(path) if path.exists() else {}
    if status.get("state") == "running" and not _is_alive(run, str(status.get("host"))):
        return {**status, "state": "dead", "error": "its process ended without a word (killed, or a power cut)"}
    return status


def _is_alive(run: Path, host: str) -> bool:
    lock = run / LOCK
    if not lock.exists():
        return False
    if host != socket.gethostname():
        return time.time() - lock.stat().st_mtime < SILENCE_S
    with open(lock, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # this file system knows no locks
            return time.time() - lock.stat().st_mtime < SILENCE_S
    return False
