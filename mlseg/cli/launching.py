"""Starts jobs with the launcher that was chosen, and goes on without those that take their process down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode

from mlseg.checks import RunError
from mlseg.cli.jobs import Job, JobResult

KILLED = (
    "its process was killed (out of memory?). Type the same command to go on, with a smaller hydra.launcher.n_jobs or "
    "data.residency=disk if it was memory."
)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A command line whose jobs are started.

    Args:
        hydra: the session.
        config_name: the primary config.
        words: the command line, for the launcher and its settings.
        job: what is called for each.
        jobs: by number, the overrides of each.
        was_started: tells of a job whose process is gone, by its number, whether it had been started.
        find_result: gives the result that such a job left behind, or None.
        give_up: makes the result of a job, by number, that takes its process down with it.
    """

    hydra: Hydra
    config_name: str
    words: tuple[str, ...]
    job: Job
    jobs: dict[int, list[str]]
    was_started: Callable[[int], bool]
    find_result: Callable[[int], JobResult | None]
    give_up: Callable[[int, str], JobResult]

    def run(self, numbers: Sequence[int]) -> dict[int, JobResult]:
        """Run these jobs.

        A worker that is killed takes the others with it. So what had not been started then is started again, and what
        had been is tried alone: only a job that is killed once more has failed.
        """
        try:
            return self._start(numbers)
        except BrokenProcessPool:
            left = {number: self.find_result(number) for number in numbers if self.was_started(number)}
        results = {number: result for number, result in left.items() if result is not None}
        suspects = [number for number in left if number not in results]
        waiting = [number for number in numbers if number not in left]
        if not suspects:
            suspects, waiting = waiting, []
        count = f"{len(waiting) + len(suspects)} of {self.job.total} jobs"
        print(f"{self.job.prog}: a process was killed; {count} are started again", file=sys.stderr, flush=True)
        if waiting:
            results |= self.run(waiting)
        for number in suspects:
            try:
                results |= self._start([number])
            except BrokenProcessPool:
                results[number] = self.give_up(number, KILLED)
        return results

    def _start(self, numbers: Sequence[int]) -> dict[int, JobResult]:
        """Hand jobs to the launcher: what Hydra's usual sweeper does, for some of the jobs."""
        job = replace(self.job, numbers=tuple(numbers))
        words = list(self.words)
        cfg = self.hydra.compose_config(self.config_name, words, run_mode=RunMode.MULTIRUN, with_log_configuration=True)
        callbacks = Callbacks(cfg)
        callbacks.on_multirun_start(config=cfg, config_name=self.config_name)
        context = HydraContext(config_loader=self.hydra.config_loader, callbacks=callbacks)
        launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=cfg)
        size = cfg.hydra.sweeper.get("max_batch_size") or len(numbers)
        returned: list[JobReturn] = []
        with told_losses():
            for first in range(0, len(numbers), size):
                batch = [self.jobs[number] for number in numbers[first : first + size]]
                returned += launcher.launch(batch, initial_job_idx=first)
        callbacks.on_multirun_end(config=cfg, config_name=self.config_name)
        return dict(zip(numbers, [one.return_value for one in returned], strict=True))


@contextmanager
def told_losses() -> Iterator[None]:
    """Jobs that a cluster refused, or one that ended without a result, become one line."""
    try:
        yield
    except RuntimeError as error:
        if not type(error).__module__.startswith("submitit"):
            raise
        # What a job printed is in its own files.
        reason = " ".join(str(error).split("Error stream")[0].split())[:200]
        if type(error).__name__ == "FailedSubmissionError":
            raise RunError(f"sweep: the cluster did not take the jobs ({reason}). Correct hydra.launcher.*") from error
        raise RunError(
            f"sweep: a job ended without a result ({reason}). Others go on; type the same command when they have ended."
        ) from error
