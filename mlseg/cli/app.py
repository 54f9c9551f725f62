"""Runs a Hydra task as a command line should run: a mistake is one line, a sweep goes on, nothing is left lying around.

Hydra composes, sweeps and launches; its own entry point is not used, because it prints tracebacks and drops what the
jobs of a sweep return.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import mlseg
from mlseg.checks import ConfigError
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import Composition, compose_config, open_session, read_choices
from mlseg.cli.errors import FAILED, Reporter
from mlseg.cli.help import format_help
from mlseg.cli.naming import find_collisions, run_directory
from mlseg.cli.preflight import find_config_problems
from mlseg.cli.suggest import Command, check_words, expand_jobs


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
    """

    cfg: DictConfig
    info: AppInfo
    code: int
    error: str


Task = Callable[[DictConfig, AppInfo], int | None]
Check = Callable[[DictConfig, dict[str, str]], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class App:
    """A command: what it runs and how it introduces itself.

    Args:
        task: called once per job with the configuration and AppInfo; its result is the exit code, None means 0.
        config_name: the primary config, e.g. "train".
        prog: the command's name.
        typed: how it is typed here, if not by that name: `python train.py`.
        check: finds problems of a composed configuration; called for every job before any runs. None finds none.
        after_sweep: called with the results of all jobs of a sweep.
        find_base: gives the primary config of a job by its overrides, where that is another for each job, such as the
            configuration of the run that it is about. Its sweeps run one job after the other, whatever the launcher.
    """

    task: Task
    config_name: str
    prog: str
    typed: str = ""
    check: Check | None = find_config_problems
    after_sweep: Callable[[Sequence[JobResult]], None] | None = None
    find_base: Callable[[Sequence[str]], str] | None = None

    def name_base(self, overrides: Sequence[str]) -> str:
        """The primary config of a job with these overrides."""
        return self.config_name if self.find_base is None else self.find_base(overrides)


def run_app(
    task: Task,
    *,
    config_name: str,
    prog: str,
    check: Check | None = find_config_problems,
    after_sweep: Callable[[Sequence[JobResult]], None] | None = None,
    find_base: Callable[[Sequence[str]], str] | None = None,
) -> NoReturn:
    """Run a task under the command line of this process and exit; the arguments are those of `App`."""
    typed = f"python {sys.argv[0]}" if sys.argv[0].endswith(".py") else ""
    app = App(
        task=task,
        config_name=config_name,
        prog=prog,
        typed=typed,
        check=check,
        after_sweep=after_sweep,
        find_base=find_base,
    )
    sys.exit(run_command(app, sys.argv[1:]))


def run_command(app: App, words: Sequence[str]) -> int:
    """Run a command line.

    Returns:
        Exit code: 0, or the task's; 1 if something failed; 2 for a mistake in the command; 130 if interrupted.
    """
    # All processes of a distributed run make the same mistake: one tells.
    quiet = os.environ.get("RANK", "0") != "0"
    code = 0
    with Reporter(prog=app.prog, quiet=quiet, outermost=True) as reporter:
        args = _parse_arguments(words)
        if args.help:
            print(format_help(app.prog, app.config_name, typed=app.typed))
        elif args.version:
            print(f"mlseg {mlseg.__version__}")
        else:
            with open_session(app.prog, extra=args.config_dir) as hydra:
                code = _dispatch(app, hydra, args)
        sys.stdout.flush()
    return reporter.code or code


def _dispatch(app: App, hydra: Hydra, args: argparse.Namespace) -> int:
    words = list(args.overrides)
    if args.shell_completion:
        hydra.shell_completion(config_name=app.config_name, overrides=words)
        return 0
    base = app.config_name if args.multirun else app.name_base(words)
    command = Command(typed=app.typed or app.prog, config_name=base, words=tuple(words), multirun=args.multirun)
    jobs = expand_jobs(command)
    bases = [app.name_base(job) for job in jobs]
    for base in dict.fromkeys(bases):
        own = [job for job, its in zip(jobs, bases, strict=True) if its == base]
        check_words(replace(command, config_name=base), own)
    if args.cfg:
        hydra.show_cfg(bases[0], words, args.cfg, args.package, args.resolve)
        return 0
    composed = [compose_config(job, config_name=base) for job, base in zip(jobs, bases, strict=True)]
    composed = [replace(job, cfg=complete_config(job.cfg)) for job in composed]
    multirun = args.multirun or any(job.multirun for job in composed)
    _check_jobs(app, composed, multirun)
    # What all jobs share need not be read again at each.
    shared = frozenset(jobs[0]).intersection(*jobs) if len(jobs) > 1 else frozenset()
    job = _Job(task=app.task, prog=app.prog, multirun=multirun, total=len(jobs), shared=shared)
    if not multirun:
        return hydra.run(bases[0], job, words).return_value.code
    if app.find_base is None:
        returned = hydra.multirun(app.config_name, job, words) or []
        return _close_sweep(app, [one.return_value for batch in returned for one in batch])
    # Hydra's sweepers compose all jobs from one config.
    numbered = zip(jobs, bases, range(len(jobs)), strict=True)
    runs = [hydra.run(base, replace(job, number=number), list(own)) for own, base, number in numbered]
    return _close_sweep(app, [run.return_value for run in runs])


def _check_jobs(app: App, composed: Sequence[Composition], multirun: bool) -> None:
    """Refuse all jobs for the problems of any: better now than in the sweep's third night."""
    problems = [p for job in composed for p in (app.check(job.cfg, job.choices) if app.check else ())]
    if not problems and multirun and "run_dir" in composed[0].cfg:
        problems = find_collisions(composed)
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _close_sweep(app: App, results: Sequence[JobResult]) -> int:
    if app.after_sweep is not None:
        app.after_sweep(results)
    failed = [result for result in results if result.code != 0]
    if failed:
        print(f"{app.prog}: {len(failed)} of {len(results)} jobs failed, see above.", file=sys.stderr, flush=True)
    return FAILED if failed else 0


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What Hydra calls, here or in another process, so it must pickle: the task, with an end for its exceptions."""

    task: Task
    prog: str
    multirun: bool
    total: int
    shared: frozenset[str]
    number: int | None = None

    def __call__(self, cfg: DictConfig) -> JobResult:
        hydra, cfg = HydraConfig.get(), complete_config(cfg)
        overrides = tuple(hydra.overrides.task)
        info = AppInfo(
            choices=read_choices(hydra.runtime.choices), overrides=overrides, multirun=self.multirun, prog=self.prog
        )
        title = ""
        if self.multirun:
            own = " ".join(word for word in overrides if word not in self.shared)
            number = hydra.job.num if self.number is None else self.number
            title = f"job {number + 1} of {self.total} ({own})"
            print(f"{self.prog}: {title}", file=sys.stderr, flush=True)
        code = 0
        with Reporter(prog=self.prog, prefix=title, find_folder=lambda: _find_folder(cfg, info)) as reporter:
            code = self.task(cfg, info) or 0
        code = reporter.code or code
        if self.multirun and code > 128:
            raise SystemExit(code)  # ended by a signal: that was meant for the whole sweep
        return JobResult(cfg=cfg, info=info, code=code, error=reporter.message)


def _find_folder(cfg: DictConfig, info: AppInfo) -> Path:
    return run_directory(cfg, info.choices) if "run_dir" in cfg else Path()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"command line: {message}. See --help for what can be written.")


def _parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("overrides", nargs="*")
    args, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        meant = f" Settings have no dashes: {unknown[0].lstrip('-')}." if "=" in unknown[0] else " See --help."
        raise ConfigError(f"{unknown[0]}: no such option.{meant}")
    return args
