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
from omegaconf import DictConfig

import mlseg
from mlseg.checks import ConfigError
from mlseg.cli.complete import complete_config
from mlseg.cli.compose import Composition, compose_config, open_session
from mlseg.cli.errors import FAILED, Reporter
from mlseg.cli.help import format_help
from mlseg.cli.jobs import AppInfo as AppInfo
from mlseg.cli.jobs import Job, JobResult, Task
from mlseg.cli.naming import find_collisions
from mlseg.cli.preflight import find_config_problems
from mlseg.cli.suggest import Command, check_words, expand_jobs
from mlseg.cli.sweeps import Search, Sweep, check_launcher, forget_search, read_search

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
    check_launcher(words)
    search = read_search(app.config_name, words) if app.find_base is None else Search()
    multirun = args.multirun or search.multirun
    words = [*search.words, *words] if multirun else words
    base = app.config_name if multirun else app.name_base(words)
    command = Command(typed=app.typed or app.prog, config_name=base, words=tuple(words), multirun=multirun)
    jobs = expand_jobs(command)
    bases = [app.name_base(job) for job in jobs]
    for base in dict.fromkeys(bases):
        own = [job for job, its in zip(jobs, bases, strict=True) if its == base]
        check_words(replace(command, config_name=base), own)
    if args.cfg:
        shown = list(jobs[0]) if search.words else words
        hydra.show_cfg(bases[0], shown, args.cfg, args.package, args.resolve)
        return 0
    jobs = [forget_search(job, config_name=base) for job, base in zip(jobs, bases, strict=True)]
    composed = [compose_config(job, config_name=base) for job, base in zip(jobs, bases, strict=True)]
    composed = [replace(one, cfg=complete_config(one.cfg)) for one in composed]
    multirun = multirun or any(one.multirun for one in composed)
    _check_jobs(app, composed, multirun)
    # What all jobs share need not be read again at each.
    shared = frozenset(jobs[0]).intersection(*jobs) if len(jobs) > 1 else frozenset()
    job = Job(task=app.task, prog=app.prog, multirun=multirun, total=len(jobs), shared=shared)
    if not multirun:
        return hydra.run(bases[0], job, words).return_value.code
    if app.find_base is not None:
        # Hydra's launchers compose all jobs from one config.
        numbered = zip(jobs, bases, range(len(jobs)), strict=True)
        runs = [hydra.run(base, replace(job, numbers=(number,)), list(own)) for own, base, number in numbered]
        return _close_sweep(app, [run.return_value for run in runs])
    if not search.is_usual:
        returned = hydra.multirun(app.config_name, job, words) or []
        return _close_sweep(app, [one.return_value for batch in returned for one in batch])
    sweep = Sweep(job=job, config_name=app.config_name, words=tuple(words), jobs=tuple(jobs), composed=tuple(composed))
    results: dict[int, JobResult] = {}
    with sweep.ending(results):
        sweep.run(hydra, results)
        code = _close_sweep(app, [results[number] for number in sorted(results)])
    return code


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
    busy = [result for result in results if result.busy]
    failed = [result for result in results if result.code != 0 and not result.busy]
    if failed:
        print(f"{app.prog}: {len(failed)} of {len(results)} jobs failed, see above.", file=sys.stderr, flush=True)
    if busy:
        print(f"{app.prog}: {len(busy)} of {len(results)} jobs belong to another process.", file=sys.stderr, flush=True)
    return FAILED if failed or busy else 0


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
