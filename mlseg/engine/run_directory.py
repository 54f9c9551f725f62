"""One directory per run, claimed by one configuration and held by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mlseg.checks import MlsegError, RunError
from mlseg.engine.heart import Heart
from mlseg.records import read_json, write_json, write_text
from mlseg.run_state import LOCK, STATUS

CLAIM = "claim.json"
# What a run is, by its configuration and by its data.
PINNED = (CLAIM, "data.json")


class RunDirectory:
    """The files of one run and who owns them; a context that leaves the truth in status.json however it ends.

    Args:
        path: the directory; made if it is not there.
        owner: False only looks, for all but one of several processes that train together.

    Attributes:
        last, best: the checkpoints. previous: the last but one. next_best: a best that last.pt does not know of yet.
        scores, record, bins, views, log: the other files of a run.
    """

    def __init__(self, path: Path, *, owner: bool = True) -> None:
        self.path, self.owner = path, owner
        self.last = path / "last.pt"
        self.previous = path / "previous.pt"
        self.best = path / "best.pt"
        self.next_best = path / "best.next.pt"
        self.scores = path / "scores.csv"
        self.bins = path / "bins.npz"
        self.views = path / "views.npz"
        self.record = path / "run.json"
        self.log = path / "train.log"
        self._lock: IO[str] | None = None
        self._started = time.time()
        self._state = ""
        self._reached: dict[str, Any] = {}
        self._heart: Heart | None = None

    def claim(self, configuration: Mapping[str, Any]) -> None:
        """Take the directory for this configuration before anything else is written.

        Args:
            configuration: flat {key: value} of everything that changes the result.

        Raises:
            RunError: another process runs here, another configuration owns it, or it cannot be written.
        """
        if not self.owner:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._acquire()
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot write the run directory ({error.strerror}). "
                "Free space or give run_dir=..., then type the same command again."
            ) from error
        try:
            self.pin(CLAIM, configuration, what="a run with another configuration")
        except RunError:
            self.release()
            raise

    def pin(self, name: str, facts: Mapping[str, Any], *, what: str) -> None:
        """Write facts that must not change during a run, or compare them with those written before.

        Args:
            name: the JSON file.
            facts: flat {key: value}.
            what: who the directory belongs to if the facts differ.

        Raises:
            RunError: a fact differs; names the first five.
        """
        if not self.owner:
            return
        path, wanted = self.path / name, {str(key): _plain(value) for key, value in facts.items()}
        # What was never trained holds nothing that another configuration could spoil. A finished run whose checkpoints
        # were removed for room still has its scores.
        if path.exists() and (self.has_checkpoint() or self.record.exists()):
            self._compare(read_json(path), wanted, what)
            return
        write_json(path, wanted)

    def has_checkpoint(self) -> bool:
        """True if a training can go on here."""
        return self.last.exists() or self.previous.exists()

    @property
    def identity(self) -> str:
        """A hash of what has been pinned: configuration and data."""
        texts = [(self.path / name).read_bytes() for name in PINNED if (self.path / name).exists()]
        return hashlib.sha256(b"".join(texts)).hexdigest()[:32]

    def write_config(self, text: str) -> None:
        """Keep the whole resolved configuration as config.yaml."""
        if self.owner:
            write_text(self.path / "config.yaml", text)

    def _acquire(self) -> None:
        # A lock of the kernel's: it goes with the process, however that ends.
        lock = open(self.path / LOCK, "a+", encoding="utf-8")  # noqa: SIM115  (held as long as the run)
        self._lock = lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            status = self.status()
            holder = f"process {status.get('pid')} on {status.get('host')}" if status else "another process"
            raise RunError(
                f"{self.path}: {holder} is training here. Wait for it, or give run_name=... for a second run."
            ) from error
        except OSError as error:
            self.release()
            raise RunError(
                f"{self.path}: this file system cannot lock files ({error.strerror}), so two runs could not be told "
                "apart. Give output_root=... on another one."
            ) from error
        self._heart = Heart(self.path / LOCK)
        for leftover in self.path.glob(".*.tmp"):  # of processes that were killed while writing
            leftover.unlink(missing_ok=True)

    def _compare(self, owned: dict[str, Any], wanted: dict[str, Any], what: str) -> None:
        differing = sorted(key for key in owned.keys() | wanted.keys() if owned.get(key) != wanted.get(key))
        if differing:
            listed = ", ".join(f"{key} ({owned.get(key)} there, {wanted.get(key)} now)" for key in differing[:5])
            more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
            raise RunError(f"{self.path}: belongs to {what}: {listed}{more}. Give run_name=... for a second run.")

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let another process have the directory; say why the run ended, if it ran here and did not end well."""
        try:
            # If not even this can be written, what ended the run is still what the user must know.
            with contextlib.suppress(RunError):
                # A launcher that puts a job back into the queue ends it with SystemExit.
                if isinstance(error, KeyboardInterrupt | SystemExit) and self._state == "running":
                    stopped = str(error) if isinstance(error, KeyboardInterrupt) else "stopped by its launcher"
                    self.write_status("interrupted", **self._reached, error=stopped or "stopped by the user")
                elif error is not None and self._state == "running":
                    reason = str(error) if isinstance(error, MlsegError) else f"{type(error).__name__}: {error}"
                    self.write_status("failed", **self._reached, error=reason)
        finally:
            self.release()

    def release(self) -> None:
        """Let another process have the directory."""
        if self._heart is not None:
            self._heart.stop()
            self._heart = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def status(self) -> dict[str, Any]:
        """The content of status.json, or {} where there is none."""
        path = self.path / STATUS
        return read_json(path) if path.exists() else {}

    def write_status(self, state: str, **details: Any) -> None:
        """Say in status.json how the run stands.

        Args:
            state: "running", "done", "interrupted" or "failed".
            details: what else to say, e.g. epoch, max_epochs, error.
        """
        self._state = state
        self._reached |= {key: details[key] for key in ("epoch", "max_epochs") if key in details}
        if not self.owner:
            return
        record = {
            "state": state,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started": _clock(self._started),
            "updated": _clock(time.time()),
            **details,
        }
        write_json(self.path / STATUS, record)

    def open_log(self) -> logging.Logger:
        """The run's logger: to train.log with times. A second call opens no second file."""
        logger = logging.getLogger("mlseg.run")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        for old in list(logger.handlers):
            logger.removeHandler(old)
            old.close()
        if not self.owner:
            logger.addHandler(logging.NullHandler())
            return logger
        handler = logging.FileHandler(self.log, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)
        return logger


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))


def _plain(value: Any) -> Any:
    """As JSON would read it back: tuples become lists."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
