"""One message for the failure of several processes: that of the first, wherever it was."""

from __future__ import annotations

import contextlib
from types import TracebackType

from torch import distributed as dist

from mlseg.checks import ConfigError, MlsegError, PeerError, RunError, Stopped

SILENT = (
    "distributed: a process of this run has ended without a word (killed, or out of memory). "
    "Type the same command to go on."
)
_FAULT = "fault"


class FirstFault:
    """A context that lets the first of several processes that fail speak for all: the others raise PeerError.

    PeerError then says what the first one says. So does the end by SIGTERM that torchrun sends to those who are left.
    Where one has been killed, the first to see it says so.

    Args:
        rank: the number of this process, from 0.
        store: where the first fault stands; None where one process works alone.
    """

    def __init__(self, *, rank: int, store: dist.Store | None) -> None:
        self._rank, self._store = rank, store

    def __enter__(self) -> FirstFault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        led = isinstance(error, PeerError | Stopped)
        if self._store is None or error is None or not (led or isinstance(error, Exception)):
            return
        text = str(error) if isinstance(error, MlsegError) else f"{type(error).__name__}: {error}"
        first = self._read() if led else self._claim(f"{self._rank} {text}")
        rank, _, reason = first.partition(" ")
        if rank and rank != str(self._rank):
            raise PeerError(reason) from error
        if isinstance(error, PeerError) and self._claim(f"{self._rank} {SILENT}").startswith(f"{self._rank} "):
            raise RunError(SILENT) from error
        if isinstance(error, ConfigError) and self._rank:
            raise RunError(text) from error  # mistakes of other processes than the first are not shown

    def _read(self) -> str:
        """What stands in the store: the number of a process and its reason, or ""."""
        with contextlib.suppress(dist.DistError, RuntimeError, ConnectionError):
            if self._store is not None and self._store.check([_FAULT]):
                return self._store.get(_FAULT).decode()
        return ""

    def _claim(self, text: str) -> str:
        """Write there if nobody has; what stands there then."""
        with contextlib.suppress(dist.DistError, RuntimeError, ConnectionError):
            if self._store is not None:
                return self._store.compare_set(_FAULT, "", text).decode()
        return ""
