"""`mlseg-compare RUN RUN ...`: runs against the first one, paired by subject, as a table and one figure."""

from __future__ import annotations

import glob
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlseg.checks import ConfigError
from mlseg.cli.typed_words import split_words

if TYPE_CHECKING:
    from mlseg.report.subject_values import Measure

PROG = "mlseg-compare"
SCORES = ("dice", "hd95", "ece:foreground", "cece:foreground", "ece:image")
EVALUATIONS = ("default", "paper", "merged")
REGIONS = ("image", "foreground", "boundary", "roi")
KEYS = ("scores", "evaluation", "common", "output")
HELP = """\
mlseg-compare compares finished runs with the first one, paired by test subject. Runs that differ in nothing but the
seed count as one set: frames are averaged within a subject, then seeds.

  mlseg-compare RUN RUN ... [scores={scores}] [evaluation=default] [common=false] [output=DIR]

  RUN         a run directory, a folder of seeds, or a pattern such as 'outputs/acdc/unet/ce/default/seed*'
  scores      names as in summary.md, with the region behind a colon (image where there is none)
  evaluation  default, paper or merged
  common      true compares the subjects that all runs have tested where these differ
  output      folder of comparison.md, .csv, .png and .pdf (default: {output})

Mean difference with its 95% interval, p of the paired sign-flip test after Holm over the compared sets, effect sizes.
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was typed.

    Args:
        places: run directories, folders of seeds or patterns.
        measures: scores.
        common: see HELP.
        output: the folder; None means the default.
    """

    places: tuple[str, ...]
    measures: tuple[Measure, ...]
    common: bool = False
    output: Path | None = None


def main() -> None:
    """Console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    default = Path(os.environ.get("MLSEG_OUTPUTS", "outputs")) / "compared"
    if any(argument in ("--help", "-h", "help") for argument in arguments):
        print(HELP.format(scores=",".join(SCORES), output=f"{default}/<sets>"), end="")
        return 0
    # What imports more comes in here, so that --help answers at once.
    from mlseg.cli.errors import Reporter

    with Reporter(prog=PROG, outermost=True) as reporter:
        _compare(read_options(arguments), default, shlex.join([PROG, *arguments]))
        sys.stdout.flush()
    return reporter.code


def read_options(arguments: Sequence[str]) -> Options:
    """Turn words into options.

    Raises:
        ConfigError: fewer than two places, or a value that can't be read.

    Example:
        >>> options = read_options(["a", "b", "scores=dice,ece:roi"])
        >>> [(m.metric, m.region) for m in options.measures]
        [('dice', 'image'), ('ece', 'roi')]
    """
    places, given = split_words(arguments, KEYS, prog=PROG)
    if not places:
        raise ConfigError(f"runs: at least two are needed, got none. See {PROG} --help.")
    evaluation = given.get("evaluation", "default")
    if evaluation not in EVALUATIONS:
        raise ConfigError(
            f"evaluation: must be one of {', '.join(EVALUATIONS)}, got {evaluation!r}. Write one of these."
        )
    if given.get("common", "false") not in ("true", "false"):
        raise ConfigError(f"common: must be true or false, got {given['common']!r}. Write one of these.")
    words = given["scores"].split(",") if "scores" in given else list(SCORES)
    return Options(
        places=tuple(places),
        measures=tuple(_read_measure(word, evaluation) for word in words),
        common=given.get("common") == "true",
        output=Path(given["output"]).expanduser() if given.get("output") else None,
    )


def find_runs(places: Sequence[str]) -> list[Path]:
    """Run directories in the order in which they were named, each once.

    Raises:
        ConfigError: a place is no run and holds none.
    """
    found: list[Path] = []
    for place in places:
        matches = sorted(glob.glob(os.path.expanduser(place))) or [os.path.expanduser(place)]
        own = [run for match in matches for run in _list_runs(Path(match))]
        if not own:
            raise ConfigError(
                f"{place}: must be a finished run with scores.csv and run.json, got none. See {PROG} --help."
            )
        found += own
    return list({path.resolve(): path for path in found}.values())


def _list_runs(place: Path) -> list[Path]:
    if (place / "scores.csv").is_file():
        return [place]
    return sorted(path.parent for path in place.glob("seed*/scores.csv"))


def _read_measure(word: str, evaluation: str) -> Measure:
    from mlseg.report.subject_values import Measure

    metric, _, region = word.partition(":")
    if region and region not in REGIONS:
        raise ConfigError(f"scores: region must be one of {', '.join(REGIONS)}, got {word!r}. Write one of these.")
    return Measure(evaluation=evaluation, metric=metric, region=region or "image")


def _compare(options: Options, default: Path, command: str) -> None:
    from mlseg.report.compared_runs import compare_sets
    from mlseg.report.comparison_page import format_differences, format_means, write_comparison
    from mlseg.report.run_set import group_runs, read_run

    sets = group_runs([read_run(path) for path in find_runs(options.places)])
    found = compare_sets(sets, options.measures, common=options.common)
    name = "+".join(one.name.replace(" ", "-").replace("/", "-") for one in sets)[:100]
    paths = write_comparison(options.output or default / name, found, command=command)
    print(format_means(found), format_differences(found), "\n".join(map(str, paths)), sep="\n\n")


if __name__ == "__main__":
    main()
