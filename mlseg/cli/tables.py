"""`mlseg-tables main margin profile=quick`: train what the paper's tables lack, then write tables and figures."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.checks import ConfigError

if TYPE_CHECKING:
    from mlseg.cli.table_plan import TablePlan
    from mlseg.report.paper_cells import TableSpec

PROG = "mlseg-tables"
PROFILE = "paper"
KEYS = ("profile", "data", "seeds", "train", "write", "tables", "figures")
KINDS = ("tables", "figures")
HELP = """\
mlseg-tables trains the runs that the paper's tables lack, calibrates those that a table calibrates after the training,
and writes the tables, ours beside theirs. What is done is not done again; a stopped one goes on where it was.

  mlseg-tables [TABLE ...] [profile=paper] [data=acdc,brats] [seeds=1,2,3] [setting=value ...]

  TABLE       {tables} (default: all)
  profile     {profiles}: how the runs are trained, see configs/profile
  data        data sets to train on (default: those of the table); cells of others show what is done already
  seeds       others than the profile's
  train       false writes what is there, trains and calibrates nothing
  write       tables, figures, or both (default)
  tables      folder of the tables (default: tables)
  figures     folder of the figures (default: figures)
  setting     every run gets it, e.g. data.split=random trainer.max_epochs=50

Results: tables/<table>.md, .tex, .csv, <table>_differences.csv and <table>_ranks.csv; figures/*.pdf and .png.
Exit status: 0, 1 if a training or a calibration failed (its cells say why), 2 for a mistake in the command.
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was typed.

    Args:
        names: tables; none means all.
        profile, data, seeds, train, write: see HELP.
        tables, figures: folders.
        extra: settings for every run.
    """

    names: tuple[str, ...] = ()
    profile: str = PROFILE
    data: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    train: bool = True
    write: tuple[str, ...] = KINDS
    tables: Path = Path("tables")
    figures: Path = Path("figures")
    extra: tuple[str, ...] = ()


def main() -> None:
    """Console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    # What imports more comes in here, so that a wrong word answers at once.
    from mlseg.cli.errors import Reporter

    failed = 0
    with Reporter(prog=PROG, outermost=True) as reporter:
        if any(argument in ("--help", "-h", "help") for argument in arguments):
            from mlseg.cli.table_plan import PROFILES, TABLES, list_names

            print(HELP.format(tables=", ".join(list_names(TABLES)), profiles=", ".join(list_names(PROFILES))), end="")
        else:
            failed = _run(read_options(arguments), arguments)
        sys.stdout.flush()
    return reporter.code or int(failed > 0)


def read_options(arguments: Sequence[str]) -> Options:
    """Turn words into options.

    Raises:
        ConfigError: a value that can't be read.

    Example:
        >>> options = read_options(["main", "profile=quick", "seeds=1,2", "data.split=random"])
        >>> options.names, options.profile, options.seeds, options.extra
        (('main',), 'quick', (1, 2), ('data.split=random',))
    """
    given: dict[str, str] = {}
    names, extra = [], []
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals and key.startswith("-"):
            raise ConfigError(f"{key}: no such option. See {PROG} --help.")
        if not equals:
            names.append(key)
        elif key in KEYS:
            given[key] = text
        else:
            extra.append(argument)
    values: dict[str, Any] = {
        key: tuple(given[key].replace(" ", ",").split(",")) for key in ("data", "write", "seeds") if given.get(key)
    }
    if "seeds" in values:
        if not all(text.isdigit() for text in values["seeds"]):
            raise ConfigError(f"seeds: must be like seeds=1,2,3, got {given['seeds']!r}. Write whole numbers.")
        values["seeds"] = tuple(map(int, values["seeds"]))
    if not set(values.get("write", KINDS)) <= set(KINDS):
        raise ConfigError(f"write: must be some of {', '.join(KINDS)}, got {given['write']!r}. Write one or both.")
    if given.get("train", "true") not in ("true", "false"):
        raise ConfigError(f"train: must be true or false, got {given['train']!r}. Write one of these.")
    values["train"] = given.get("train", "true") == "true"
    values |= {key: Path(given[key]).expanduser() for key in KINDS if given.get(key)}
    return Options(names=tuple(names), profile=given.get("profile") or PROFILE, extra=tuple(extra), **values)


def _run(options: Options, arguments: Sequence[str]) -> int:
    from mlseg.cli.table_plan import TABLES, list_names
    from mlseg.cli.table_runs import calibrate_missing, train_missing

    options = replace(options, names=options.names or tuple(list_names(TABLES)))
    plans, failed = _plan(options), 0
    if options.train:
        failed = train_missing(plans)
        plans = _plan(options) if any(cell.missing for plan in plans for cell in plan.cells.values()) else plans
        if any(cell.uncalibrated and not cell.reason for plan in plans for cell in plan.cells.values()):
            failed += calibrate_missing(plans)
            plans = _plan(options)
    specs = [build_spec(plan, command=shlex.join([PROG, *arguments])) for plan in plans]
    for plan, spec in zip(plans, specs, strict=True):
        _write(spec, f"{plan.name}{plan.settings['suffix']}", options)
    return failed


def _plan(options: Options) -> list[TablePlan]:
    from mlseg.cli.compose import open_session
    from mlseg.cli.table_plan import plan_table

    given = {"data": options.data, "seeds": options.seeds, "extra": options.extra}
    with open_session(PROG):
        plans = [plan_table(name, options.profile, **given) for name in options.names]  # type: ignore[arg-type]
    for plan in plans:
        print(f"{PROG}: {plan.name}: {_count_runs(plan)}", flush=True)
    return plans


def _count_runs(plan: TablePlan) -> str:
    """How much there is and how much is to be done; rows may share runs."""
    cells = plan.cells.values()
    missing = {cell.runs[seed] for cell in cells for seed in cell.missing}
    waiting = {cell.runs[seed] for cell in cells if not cell.reason for seed in cell.missing}
    runs = {run for cell in cells for run in cell.runs.values()}
    text = f"{len(runs)} runs, {len(runs - missing)} done, {len(waiting)} to train"
    if any(cell.method for cell in cells):
        open_ones = [len(cell.missing) + len(cell.uncalibrated) for cell in cells if cell.method and not cell.reason]
        text += f", {sum(open_ones)} to calibrate"
    return text


def build_spec(plan: TablePlan, *, command: str) -> TableSpec:
    """Read the finished runs of a table.

    Raises:
        RunError: runs of one cell differ in more than the seed; names the differing key.
    """
    from mlseg.cli.table_runs import describe_missing, describe_refused, list_shown
    from mlseg.report.paper_cells import TableCell, TableSpec
    from mlseg.report.run_set import build_set, read_run

    cells = {}
    for (data, row), cell in plan.cells.items():
        runs = []
        for seed in list_shown(cell):
            own = None if seed in cell.states and cell.states[seed].as_trained else cell.find_posthoc(seed)
            runs.append(read_run(cell.runs[seed], judged=own.scores if own else None))
        name = f"{plan.name}, {data}, {row}"
        found = build_set(name, runs) if runs else None
        cells[data, row] = TableCell(runs=found, reason=describe_missing(cell), words=cell.words)
    about = [str(plan.settings["about"]), str(plan.table.get("about", "")), describe_refused(plan.cells.values())]
    return TableSpec(
        name=plan.name,
        title=str(plan.table["title"]),
        profile=plan.profile,
        about=" ".join(sentence for sentence in about if sentence),
        rows=tuple(plan.table["rows"]),
        data=tuple(dict.fromkeys(data for data, _ in plan.cells)),
        cells=cells,
        pairs=tuple((first, second) for first, second in plan.table["pairs"]),
        command=command,
    )


def _write(spec: TableSpec, stem: str, options: Options) -> None:
    from mlseg.report.paper_cells import analyse
    from mlseg.report.paper_figures import draw_figures
    from mlseg.report.paper_table import write_table

    result = analyse(spec)
    paths = write_table(options.tables, stem, result) if "tables" in options.write else []
    if "figures" in options.write:
        paths += draw_figures(options.figures, stem, result)
    print("\n".join(map(str, paths)))


if __name__ == "__main__":
    main()
