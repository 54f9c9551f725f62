"""Signals that ask a run to stop: a training finishes its step and saves, everything else ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, TypeVar

from mlseg.checks import PeerError, Stopped

# Ctrl-C; the end of a job on most clusters; the warning before it that `sbatch --signal=USR1@120` asks for.
SIGNALS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGUSR1,) if hasattr(signal, "SIGUSR1") else ()))
T = TypeVar("T")


class StopSignals:
    """A context that turns the signals into `Stopped`, or keeps them in mind while they are deferred.

    A second Ctrl-C does not wait any longer. Outside the main thread, where Python handles no signals, it does nothing.

    Attributes:
        requested: the name of the signal that is waiting, or "".
    """

    def __init__(self) -> None:
        self.requested = ""
        self._deferring = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGTERM and isinstance(sys.exc_info()[1], PeerError):
            return  # on its way out already: torchrun ends those whose peer has failed, which is no stop
        if not self._deferring or (self.requested and number == signal.SIGINT):
            raise Stopped(name)
        if not self.requested and os.environ.get("RANK", "0") == "0":  # torchrun sends it to all, one tells
            more = ", Ctrl-C again to stop at once" if number == signal.SIGINT else ""
            print(f"{name}: finishing the step and saving{more}", file=sys.stderr, flush=True)
        self.requested = name

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals wait until someone asks, or until the context ends well."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()

    def check(self) -> None:
        """Raise Stopped if a signal is waiting."""
        if self.requested:
            raise Stopped(self.requested)

    def until(self, items: Sequence[T]) -> Iterator[T]:
        """The items, as long as no signal is waiting."""
        for item in items:
            if self.requested:
                return
            yield item
