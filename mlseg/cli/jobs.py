"""What runs for each job of a command line, in this process or in one that a launcher starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from mlseg.cli.complete import complete_config
from mlseg.cli.compose import read_choices
from mlseg.cli.done_runs import is_held
from mlseg.cli.errors import Reporter
from mlseg.cli.naming import run_directory
from mlseg.cli.parallel import share_machine


@dataclass(frozen=True, kw_only=True)
class AppInfo:
    """What a task may want to know of the command line that it runs under.

    Args:
        choices: the choice of each group, e.g. {"data": "acdc", "loss": "mbls"}; groups without one are left out.
        overrides: this job's overrides.
        multirun: True in a sweep.
        prog: the command, for messages that can be typed.
    """

    choices: dict[str, str]
    overrides: tuple[str, ...]
    multirun: bool
    prog: str


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How one job ended.

    Args:
        cfg: its configuration.
        info: what the task was told.
        code: its exit code.
        error: the message if it failed, else "".
        skipped: True if there was nothing left to do, so it was not started.
        busy: True if it failed and another process was at work in its directory.
    """

    cfg: DictConfig
    info: AppInfo
    code: int
    error: str
    skipped: bool = False
    busy: bool = False


Task = Callable[[DictConfig, AppInfo], int | None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What Hydra calls, here or in another process, so it must pickle: the task, with an end for its exceptions.

    Args:
        task: called with the configuration and AppInfo.
        prog: the command.
        multirun: True in a sweep.
        total: jobs of the sweep.
        shared: overrides that all jobs have, which need not be read again at each.
        numbers: the place in the sweep of each job that is started, from 0; () if all are, in order.
        script: how the command was called, for remedies that can be typed; another process has been called otherwise.
    """

    task: Task
    prog: str
    multirun: bool
    total: int
    shared: frozenset[str] = frozenset()
    numbers: tuple[int, ...] = ()
    script: str = field(default_factory=lambda: sys.argv[0])
    pid: int = field(default_factory=os.getpid)

    def __call__(self, cfg: DictConfig) -> JobResult:
        """Run the task. Exceptions become the result, those that were meant for the whole command pass."""
        hydra, cfg = HydraConfig.get(), complete_config(cfg)
        overrides = tuple(hydra.overrides.task)
        info = AppInfo(
            choices=read_choices(hydra.runtime.choices), overrides=overrides, multirun=self.multirun, prog=self.prog
        )
        started = 0 if OmegaConf.is_missing(hydra.job, "num") else int(hydra.job.num)
        if os.getpid() != self.pid:
            sys.argv = [self.script, *overrides]
            cfg = share_machine(cfg, launcher=str(hydra.runtime.choices["hydra/launcher"]), number=started)
        title = ""
        if self.multirun:
            number = self.numbers[started] if self.numbers else started
            title = f"job {number + 1} of {self.total} ({describe_own(overrides, self.shared)})"
            print(f"{self.prog}: {title}", file=sys.stderr, flush=True)
        code = 0
        with Reporter(prog=self.prog, prefix=title, find_folder=lambda: _find_folder(cfg, info)) as reporter:
            code = self.task(cfg, info) or 0
        code = reporter.code or code
        if self.multirun and code > 128:
            raise SystemExit(code)  # ended by a signal: that was meant for the whole sweep
        busy = code != 0 and "run_dir" in cfg and is_held(_find_folder(cfg, info))
        return JobResult(cfg=cfg, info=info, code=code, error=reporter.message, busy=busy)


def describe_own(words: Sequence[str], shared: frozenset[str]) -> str:
    """The overrides that not all jobs have."""
    return " ".join(word for word in words if word not in shared)


def _find_folder(cfg: DictConfig, info: AppInfo) -> Path:
    return run_directory(cfg, info.choices) if "run_dir" in cfg else Path()
