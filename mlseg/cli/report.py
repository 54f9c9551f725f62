"""`mlseg-report RUN RUN ...`: one HTML file with the tables, figures and slices of a set of runs."""

from __future__ import annotations

import glob
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlseg.checks import ConfigError, RunError
from mlseg.cli.typed_words import split_words

PROG = "mlseg-report"
KEYS = ("output", "title")
OUTPUT = Path("report.html")
HELP = f"""\
mlseg-report writes one HTML file about finished runs, which needs no network and nothing beside it: scores with
intervals, paired differences, a table of all cases, a viewer of their slices, and the figures of each run.

  mlseg-report RUN [RUN ...] [output={OUTPUT}] [title=TEXT]

  RUN     a run directory, a folder that holds runs at any depth, or a pattern such as 'outputs/acdc/unet/*/default'
  output  the file
  title   its heading (default: the names of the data sets)

Runs that differ in nothing but the seed count as one set. Runs that were tested on other cases, against another
reference or under other definitions stand in groups of their own.
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was typed.

    Args:
        places: run directories, folders or patterns.
        output, title: see HELP.
    """

    places: tuple[str, ...]
    output: Path = OUTPUT
    title: str = ""


def main() -> None:
    """Console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    if any(argument in ("--help", "-h", "help") for argument in arguments):
        print(HELP, end="")
        return 0
    # What imports more comes in here, so that --help answers at once.
    from mlseg.cli.errors import Reporter

    with Reporter(prog=PROG, outermost=True) as reporter:
        _report(read_options(arguments), shlex.join([PROG, *arguments]))
        sys.stdout.flush()
    return reporter.code


def read_options(arguments: Sequence[str]) -> Options:
    """Turn words into options.

    Raises:
        ConfigError: no place, or a value that can't be used.

    Example:
        >>> read_options(["outputs", "output=a.html"])
        Options(places=('outputs',), output=PosixPath('a.html'), title='')
    """
    places, given = split_words(arguments, KEYS, prog=PROG)
    if not places:
        raise ConfigError(f"runs: at least one is needed, got none. See {PROG} --help.")
    output = Path(given.get("output") or OUTPUT).expanduser()
    if output.suffix not in (".html", ".htm") or output.is_dir():
        raise ConfigError(f"output: must be a file whose name ends in .html, got {output}. Write e.g. output={OUTPUT}.")
    return Options(places=tuple(places), output=output, title=given.get("title", ""))


def find_runs(places: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Run directories in the order in which they were named, each once, and those that were passed over.

    A run that is named itself must be finished; of those that are found in a folder, unfinished ones are passed over.
    What lies inside a run, such as its evaluations, is no run of its own unless it is named.

    Returns:
        Finished runs; runs without scores.

    Raises:
        RunError: a place is a run without scores.
        ConfigError: a place is no run and holds no finished one.
    """
    finished: list[Path] = []
    waiting: list[Path] = []
    for place in places:
        matches = sorted(glob.glob(os.path.expanduser(place))) or [os.path.expanduser(place)]
        own: list[Path] = []
        for match in map(Path, matches):
            runs, unfinished = _list_runs(match)
            own += runs
            waiting += unfinished
        if not own:
            raise ConfigError(
                f"{place}: must be a finished run with scores.csv and run.json or hold one, got none. "
                f"See {PROG} --help."
            )
        finished += own
    return [list({path.resolve(): path for path in found}.values()) for found in (finished, waiting)]  # type: ignore[return-value]


def _list_runs(place: Path) -> tuple[list[Path], list[Path]]:
    if _is_finished(place):
        return [place], []
    if (place / "status.json").is_file() or (place / "claim.json").is_file() or (place / "run.json").is_file():
        raise RunError(f"{place}: must be a finished run with scores.csv, got none. Type the run's command again.")
    finished: list[Path] = []
    waiting: list[Path] = []
    for folder, below, names in os.walk(place):
        below.sort(key=_count_up)
        own = Path(folder)
        if _is_finished(own) or "status.json" in names:
            (finished if _is_finished(own) else waiting).append(own)
            below.clear()
    return finished, waiting


def _count_up(name: str) -> list[tuple[int, str]]:
    """An order in which margin-5 comes before margin-10."""
    # Every second part is a number.
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(re.split(r"([0-9]+)", name))]


def _is_finished(place: Path) -> bool:
    return (place / "scores.csv").is_file() and (place / "run.json").is_file()


def _report(options: Options, command: str) -> None:
    from mlseg.report.html_page import write_report
    from mlseg.report.run_set import group_runs, read_run

    finished, waiting = find_runs(options.places)
    for path in waiting:
        print(f"{PROG}: left out, not finished: {path}", file=sys.stderr)
    sets = group_runs([read_run(path) for path in finished])
    made = write_report(options.output, sets, command=command, title=options.title)
    groups = f", {made.n_groups} groups" if made.n_groups > 1 else ""
    runs = f"{made.n_runs} run{'' if made.n_runs == 1 else 's'}"
    print(f"{made.path}: {runs}{groups}, {made.n_cases} cases, {made.size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
