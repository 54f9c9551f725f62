"""One bar for the whole training: epoch, loss, Dice, images/s and the time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class TrainingBar:
    """A progress bar on stderr; silent where `show` is False or, with "auto", where stderr is no terminal.

    Args:
        total: batches in all epochs. done: those of earlier sessions.
        on: False is silent altogether, for all but one of several processes.
    """

    def __init__(self, *, total: int, done: int, show: bool | Literal["auto"], on: bool = True) -> None:
        visible = on and (sys.stderr.isatty() if show == "auto" else bool(show))
        self._on = on
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}% {task.fields[facts]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True, force_terminal=True if visible else None),
            disable=not visible,
            transient=True,
        )
        self._task: TaskID = self._bar.add_task("starting", total=total, completed=done, facts="")
        self._facts: dict[str, str] = {}
        self._images, self._since = 0, time.perf_counter()

    def __enter__(self) -> TrainingBar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def describe(self, text: str) -> None:
        """What is going on now, e.g. "epoch 3/12"."""
        self._bar.update(self._task, description=text)
        self._images, self._since = 0, time.perf_counter()

    def note(self, text: str) -> None:
        """A line that stays: above the bar, or on stdout where there is no bar."""
        if not self._on:
            return
        if self._bar.disable:
            print(text, flush=True)
        else:
            self._bar.console.print(text, highlight=False)

    def advance(self, images: int) -> None:
        """One batch of `images` is done."""
        self._images += images
        speed = self._images / max(time.perf_counter() - self._since, 1e-9)
        self.state(speed=f"{speed:.1f} images/s")
        self._bar.advance(self._task)

    def state(self, **facts: str) -> None:
        """Facts beside the bar; a later value replaces an earlier one of the same name."""
        self._facts.update(facts)
        self._bar.update(self._task, facts="  ".join(self._facts.values()))
