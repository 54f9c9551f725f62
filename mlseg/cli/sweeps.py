"""Sweeps: the words of a search, the launcher, and the jobs that are not done yet."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from mlseg.checks import ConfigError, MlsegError
from mlseg.cli.compose import Composition, compose_config, list_choices, list_groups
from mlseg.cli.done_runs import DoneRuns
from mlseg.cli.errors import FAILED
from mlseg.cli.jobs import AppInfo, Job, JobResult, describe_own
from mlseg.cli.launching import Launch
from mlseg.cli.naming import run_directory
from mlseg.cli.suggest import parse_word, suggest
from mlseg.cli.sweep_figure import tell_figure
from mlseg.cli.sweep_table import SweepRun, print_table
from mlseg.run_state import read_state

SEARCH, LAUNCHER = "hparams_search", "hydra/launcher"
CLUSTER = "submitit_slurm"
# The package that brings each launcher which does not come with Hydra.
PACKAGES = {
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a configuration says of sweeping.

    Args:
        words: the overrides that `hydra.sweeper.params` stands for, e.g. ("loss.margin=3,5,8",).
        multirun: True if it asks for a sweep, so that -m need not be typed.
        is_usual: False for a sweeper that chooses its jobs while it goes.
    """

    words: tuple[str, ...] = ()
    multirun: bool = False
    is_usual: bool = True


def read_search(config_name: str, words: Sequence[str]) -> Search:
    """What the configuration of a command line says of sweeping; nothing if it does not compose, which is told later.

    Raises:
        ConfigError: several searches at once.
    """
    groups, parsed = list_groups(), [parse_word(word) for word in words]
    several = [o.input_line for o in parsed if o.key_or_group == SEARCH and o.is_sweep_override()]
    if several:
        raise ConfigError(f"{several[0]}: {SEARCH} takes one choice. Type a command for each.")
    # Values say nothing of sweeping, and may be of a choice that the search will make; nor does what is swept.
    plain = [o for o in parsed if (o.key_or_group in groups or o.is_hydra_override()) and not o.is_sweep_override()]
    try:
        found = compose_config([str(o.input_line) for o in plain], config_name=config_name)
    except (HydraException, OmegaConfBaseException, ValueError):  # the last for a group that is given null
        return Search()
    is_usual = found.sweeper["_target_"] == f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"
    params: Mapping[str, str] = (found.sweeper.get("params") or {}) if is_usual else {}
    return Search(words=tuple(f"{k}={v}" for k, v in params.items()), multirun=found.multirun, is_usual=is_usual)


def forget_search(job: Sequence[str], *, config_name: str) -> tuple[str, ...]:
    """A job's overrides without the name of the search, where that only said which jobs there are.

    So a run knows itself by words that make it alone, and is the same run as one that was typed without a search.
    """
    own = tuple(word for word in job if not word.startswith(f"{SEARCH}="))
    same = compose_config(own, config_name=config_name).cfg == compose_config(job, config_name=config_name).cfg
    return own if same else tuple(job)


def check_launcher(words: Sequence[str]) -> None:
    """Raise ConfigError for a launcher that is not there, with the command that installs it."""
    for word in words:
        key, _, choice = word.partition("=")
        if key != LAUNCHER:
            continue
        if choice in (known := list_choices(LAUNCHER)):
            if choice == CLUSTER and shutil.which("sbatch") is None:
                raise ConfigError(
                    f"{word}: needs SLURM, found no sbatch here. Use hydra/launcher=joblib, or log in there."
                )
            continue
        if choice in PACKAGES:
            package = PACKAGES[choice]
            raise ConfigError(f"{word}: needs the package {package}, which is missing. Type pip install {package}.")
        raise ConfigError(f"{word}: no such choice.{suggest(choice, known)} Choices: {', '.join(known)}.")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The jobs of a command line with many.

    Args:
        job: what is called for each.
        config_name: the primary config.
        words: the command line.
        jobs: the overrides of each job.
        composed: its configuration.
    """

    job: Job
    config_name: str
    words: tuple[str, ...]
    jobs: tuple[tuple[str, ...], ...]
    composed: tuple[Composition, ...]

    @contextmanager
    def ending(self, results: dict[int, JobResult]) -> Iterator[None]:
        """Whatever ends the sweep, there is a table of what has become of its runs; at its own end a figure too.

        Args:
            results: by job; those that are there when the context ends are shown.
        """
        # Of all processes of a distributed sweep, one tells.
        tells = os.environ.get("RANK", "0") == "0" and self._trains()
        try:
            yield
        finally:
            runs = [self._describe(number, results.get(number)) for number in range(len(self.jobs))] if tells else []
            if tells:
                print_table(runs)
        if tells:
            own = [[word for word in job if word not in self.job.shared] for job in self.jobs]
            tell_figure(runs, own, prog=self.job.prog)

    def run(self, hydra: Hydra, results: dict[int, JobResult]) -> None:
        """Run the jobs that are not done, and put all results into `results`."""
        done = self._find_done(range(len(self.jobs)))
        results.update({number: self._build_result(number, skipped=True) for number in done})
        pending = [number for number in range(len(self.jobs)) if number not in results]
        if results:
            print(f"{self.job.prog}: {len(results)} of {len(self.jobs)} runs are done already", file=sys.stderr)
        if not pending:
            return
        before = {number: self._read_state(number) for number in pending}
        launch = Launch(
            hydra=hydra,
            config_name=self.config_name,
            words=self.words,
            job=self.job,
            jobs={number: self._list_own_settings(number) for number in pending},
            was_started=lambda number: self._read_state(number) != before[number],
            find_result=self._find_result,
            give_up=lambda number, why: self._build_result(number, code=FAILED, error=why),
        )
        results.update(launch.run(pending))
        # What another process was at may have ended well in the meantime.
        busy = [number for number in pending if results[number].busy]
        results.update({number: self._build_result(number) for number in self._find_done(busy)})

    def _read_state(self, number: int) -> dict[str, Any]:
        """How the run of a job stands by its own files."""
        one = self.composed[number]
        try:
            return read_state(run_directory(one.cfg, one.choices)) if self._trains() else {}
        except (MlsegError, OSError):
            return {}

    def _find_result(self, number: int) -> JobResult | None:
        """What became of a job whose process is gone, by the files of its run."""
        status = self._read_state(number)
        if status.get("state") == "failed":
            return self._build_result(number, code=FAILED, error=str(status.get("error") or ""))
        return self._build_result(number) if self._find_done([number]) else None

    def _build_result(self, number: int, *, code: int = 0, error: str = "", skipped: bool = False) -> JobResult:
        one, words = self.composed[number], tuple(self._list_own_settings(number))
        info = AppInfo(choices=one.choices, overrides=words, multirun=True, prog=self.job.prog)
        return JobResult(cfg=one.cfg, info=info, code=code, error=error, skipped=skipped)

    def _trains(self) -> bool:
        return "run_dir" in self.composed[0].cfg

    def _find_done(self, numbers: Sequence[int]) -> list[int]:
        runs = DoneRuns()
        asked = {number: self.composed[number] for number in numbers if self._trains()}
        return [number for number, one in asked.items() if runs.has(one.cfg, one.choices)]

    def _list_own_settings(self, number: int) -> list[str]:
        """A job's overrides; Hydra adds those about itself, such as the launcher, to each."""
        return [word for word in self.jobs[number] if not parse_word(word).is_hydra_override()]

    def _describe(self, number: int, result: JobResult | None) -> SweepRun:
        one = self.composed[number]
        folder = run_directory(one.cfg, one.choices)
        own = describe_own(self.jobs[number], self.job.shared)
        return SweepRun(folder=folder, own=own, cfg=one.cfg, choices=one.choices, result=result)
