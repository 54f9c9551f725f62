"""`mlseg-split data=acdc root=/my/ACDC kind=kfold folds=5 output=mine.json`: draw a split and write it to a file."""

from __future__ import annotations

import copy
import difflib
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.checks import ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from mlseg.data.splits import Split
    from mlseg.types import CaseFiles

PROG = "mlseg-split"
HELP = """\
mlseg-split draws a split by subject from what is on disk and writes it to a file, for everybody to use the same.

  mlseg-split data=NAME [root=PLACE] [kind=random] [seed=0] [fractions=0.7,0.1,0.2] [folds=5] [output=FILE.json]

  data        the data set: acdc, mrbrains18, brats, msd, nnunet, ...
  root        where it lies, as data.root of a training; other settings of the data set are written as there too,
              e.g. data.source.subject_pattern='(patient\\d+)_'
  kind        random: train, validation and test by `fractions`, stratified by group
              kfold:  one file a fold; each subject is tested once, the rest is divided as the first two `fractions`
              loso:   one file a subject, who is left out for the test, another for validation
  seed        another seed draws others
  fractions   shares of train, validation and test
  folds       of kfold
  output      the file (default: NAME_KIND.json); of several, FILE_fold0.json, FILE_fold1.json, ...

A file that holds something else is never overwritten.
Then: mlseg-train data=NAME data.root=PLACE data.split=FILE.json
"""
KINDS = ("random", "kfold", "loso")
MAX_FILES_SHOWN, MAX_GROUPS_SHOWN = 10, 8


def main() -> None:
    """Console script: write the split, or print one line that says what is wrong and exit with 1 or 2."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    if any(argument in ("--help", "-h", "help") for argument in arguments):
        print(HELP, end="")
        return 0
    # Hydra comes in here, so that --help answers at once.
    from mlseg.cli.errors import Reporter

    with Reporter(prog=PROG, outermost=True) as reporter:
        options, words = read_options(arguments)
        _draw(options, words)
        sys.stdout.flush()
    return reporter.code


def read_options(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Our own options, typed, and the words that choose and configure the data set.

    Raises:
        ConfigError: an unknown key, or a value that can't be read; the message says what to write instead.

    Example:
        >>> read_options(["data=acdc", "kind=kfold", "folds=4", "data.orientation=LPS"])
        ({'kind': 'kfold', 'folds': 4}, ['data=acdc', 'data.orientation=LPS'])
    """
    options: dict[str, Any] = {}
    words = []
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if equals and (key == "data" or key.startswith("data.")):
            words.append(argument)
            continue
        if not equals or key not in _READERS:
            near = difflib.get_close_matches(key.lstrip("-"), ["data", *_READERS], n=1)
            hint = f"Did you mean {near[0]}=...?" if near else f"See {PROG} --help."
            keys = ", ".join(f"{name}=..." for name in ("data", *_READERS))
            raise ConfigError(f"options: must be {keys} or data.<setting>=..., got {argument}. {hint}")
        try:
            options[key] = _READERS[key](text)
        except ValueError:
            raise ConfigError(f"{key}: must be like {_EXAMPLES[key]}, got {text!r}. See {PROG} --help.") from None
    return options, words


def _draw(options: Mapping[str, Any], words: Sequence[str]) -> None:
    from mlseg.cli.build import build
    from mlseg.data.splits import DEFAULT_FOLDS, read_groups, write_splits

    data = _compose_data(words, options.get("root"))
    kind, seed = options.get("kind", "random"), options.get("seed", data.split_seed)
    fractions = options.get("fractions", tuple(data.split_fractions))
    folds = options.get("folds", data.get("folds", DEFAULT_FOLDS))
    output = options.get("output", Path(f"{data.name}_{kind}.json"))
    cases = build(data.source).list_cases()
    groups = read_groups(cases)
    splits = draw_files(output, groups, kind=kind, fractions=fractions, seed=seed, folds=folds)
    how = {"random": f" fractions={_join(fractions)}", "kfold": f" folds={folds} fractions={_join(fractions)}"}
    note = f"{PROG} kind={kind} seed={seed}{how.get(kind, '')}, from {len(groups)} subjects of {data.name}"
    write_splits(splits, note=note)
    print_counts(splits, cases)
    files = ",".join(map(str, splits)) if len(splits) <= MAX_FILES_SHOWN else f"{next(iter(splits))},..."
    root = [f"data.root={data.root}"] if "root" in options else []
    typed = shlex.join([*words, *root, f"data.split={files}"])
    print(f"Next: mlseg-train {'-m ' if len(splits) > 1 else ''}{typed}")


def _compose_data(words: Sequence[str], root: str | None) -> DictConfig:
    """The configuration of the data set, as a training with these words would have it."""
    from mlseg.cli.compose import compose_config, open_session
    from mlseg.cli.suggest import Command, check_words, expand_jobs

    with open_session(PROG):
        command = Command(typed=PROG, config_name="train", words=tuple(words), multirun=False)
        (job,) = jobs = expand_jobs(command)
        check_words(command, jobs)
        cfg = copy.deepcopy(compose_config(job).cfg)
    if root is not None:
        # Not as a word, which would need Hydra's quotes around some characters.
        cfg.data.root = root
    return cfg.data


def draw_files(
    output: Path, groups: Mapping[str, str], *, kind: str, fractions: Sequence[float], seed: int, folds: int
) -> dict[Path, Split]:
    """The splits by the file that each goes to, and by whose name it is called.

    Raises:
        ConfigError: fractions or folds that can't be used.
        DataError: too few subjects.
    """
    from mlseg.data.splits import draw_split, split_problems

    count = {"random": 1, "kfold": folds, "loso": len(groups)}[kind]
    splits: dict[Path, Split] = {}
    for fold in range(max(1, count)):
        path = output if kind == "random" else output.with_name(f"{output.stem}_fold{fold}.json")
        split = draw_split(kind, groups, fractions=fractions, seed=seed, fold=fold, folds=folds)
        assert split is not None, kind
        problems = split_problems(split, groups)
        if problems:
            raise DataError("\n".join(problems))
        splits[path] = replace(split, name=path.stem)
    return splits


def print_counts(splits: Mapping[Path, Split], cases: Sequence[CaseFiles]) -> None:
    """A table of how many subjects and cases, and how many subjects of each group, are in each part."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mlseg.data.splits import PARTS, read_groups

    groups, scans = read_groups(cases), Counter(case.subject_id for case in cases)
    names = sorted({*groups.values()})
    names = names if 1 < len(names) <= MAX_GROUPS_SHOWN else []
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("file", overflow="fold")
    table.add_column("part")
    for title in ("subjects", "cases", *(name or "no group" for name in names)):
        table.add_column(title, justify="right")
    for path, split in [*splits.items()][:MAX_FILES_SHOWN]:
        for number, part in enumerate(PARTS):
            subjects = getattr(split, part)
            counts = Counter(groups[subject] for subject in subjects)
            numbers = [len(subjects), sum(scans[subject] for subject in subjects), *(counts[name] for name in names)]
            last = number == len(PARTS) - 1
            table.add_row("" if number else str(path), part, *map(str, numbers), end_section=last and len(splits) > 1)
    Console(highlight=False, markup=False).print(table)
    if len(splits) > MAX_FILES_SHOWN:
        print(f"and {len(splits) - MAX_FILES_SHOWN} files more")


def _join(numbers: Sequence[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _read_fractions(text: str) -> tuple[float, ...]:
    numbers = tuple(float(part) for part in text.strip("[]()").split(","))
    if len(numbers) != 3:
        raise ValueError(text)
    return numbers


def _read_kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(text)
    return text


def _read_output(text: str) -> Path:
    if not text.endswith(".json") or text == ".json":
        raise ValueError(text)
    return Path(text).expanduser()


def _read_root(text: str) -> str:
    if not text:
        raise ValueError(text)
    return str(Path(text).expanduser())


_READERS: dict[str, Callable[[str], Any]] = {
    "root": _read_root,
    "kind": _read_kind,
    "seed": int,
    "fractions": _read_fractions,
    "folds": int,
    "output": _read_output,
}
_EXAMPLES = {
    "root": "root=/my/ACDC",
    "kind": "kind=random, kind=kfold or kind=loso",
    "seed": "seed=0",
    "fractions": "fractions=0.7,0.1,0.2",
    "folds": "folds=5",
    "output": "output=my_split.json",
}

if __name__ == "__main__":
    main()
