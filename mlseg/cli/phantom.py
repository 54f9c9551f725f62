"""`mlseg-phantom data=brats root=PLACE subjects=10`: write a synthetic twin of a data set in its official layout."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError, MlsegError

HELP = """\
mlseg-phantom writes a phantom: synthetic scans in the official layout of a data set, to try everything out without
patients.

  mlseg-phantom [data=acdc] [root=PLACE] [subjects=10] [seed=0] [shape=8,112,104] [spacing_mm=10,1.5,1.5]

  data        {data}
  root        where to write (default: {root}, and {root}_DATA for another
              than acdc); refused if it holds anything but a phantom
  subjects    people: of acdc each with an ED and an ES frame, of mrbrains18 up to 7
  seed        the same seed writes the same scans
  shape       voxels d,h,w of a typical scan
  spacing_mm  voxel size d,h,w of a typical scan
  year        of brats: 2018, 2019, 2020, 2021 or 2023, whose layouts differ
  channels    of msd and nnunet: 1 to 9
  labels      of msd and nnunet: 2 to 9, background included
  version     of nnunet: 1 or 2, the style of its dataset.json

Then: mlseg-train experiment=demo data.root=PLACE, or for another than acdc mlseg-train data=DATA data.root=PLACE
"""

# What the writers take; `mlseg.data.phantom` is imported when something is to be written, not to answer.
COMMON = ("subjects", "seed", "shape", "spacing_mm")
OPTIONS: dict[str, tuple[str, ...]] = {
    "acdc": COMMON,
    "mrbrains18": COMMON,
    "brats": (*COMMON, "year"),
    "msd": (*COMMON, "channels", "labels"),
    "nnunet": (*COMMON, "channels", "labels", "version"),
}


def main() -> None:
    """Console script: write the phantom, or print one line that says what is wrong and exit with 1."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    default_root = Path(os.environ.get("MLSEG_DATA", "data/raw")) / "phantom"
    if any(argument in ("--help", "-h", "help") for argument in arguments):
        print(HELP.format(root=default_root, data=", ".join(OPTIONS)), end="")
        return 0
    try:
        options = read_options(arguments)
        data = options.pop("data", "acdc")
        root = options.pop("root", default_root if data == "acdc" else Path(f"{default_root}_{data}"))
        # numpy and nibabel come in here, so that --help and a wrong word answer at once.
        from mlseg.data.phantom import find_shape, write_phantom

        write_phantom(data, root, **options)
        _, height, width = options.get("shape", find_shape(data))
    except MlsegError as error:
        print(f"mlseg-phantom: {error}", file=sys.stderr)
        return 1
    words = "experiment=demo" if data == "acdc" else f"data={data} 'data.crop=[{height},{width}]'"
    print(f"A phantom of {data} lies in {root}. Next: mlseg-train {words} data.root={root}")
    return 0


def read_options(arguments: list[str]) -> dict[str, Any]:
    """Turn `key=value` words into keyword arguments of the writer, and `data`.

    Raises:
        ConfigError: an unknown key or one that this data set has not, or a value that can't be read; the message says
            what to write instead.

    Example:
        >>> read_options(["subjects=5", "shape=4,64,64"])
        {'subjects': 5, 'shape': (4, 64, 64)}
    """
    options: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or key not in _READERS:
            near = difflib.get_close_matches(key.lstrip("-"), _READERS, n=1)
            hint = f"Did you mean {near[0]}=...?" if near else "See mlseg-phantom --help."
            raise ConfigError(
                f"options: must be {', '.join(f'{name}=...' for name in _READERS)}, got {argument}. {hint}"
            )
        try:
            options[key] = _READERS[key](text)
        except ValueError:
            raise ConfigError(
                f"{key}: must be like {_EXAMPLES[key]}, got {text!r}. See mlseg-phantom --help."
            ) from None
    data = options.get("data", "acdc")
    if data not in OPTIONS:
        near = difflib.get_close_matches(data, OPTIONS, n=1)
        hint = f"Did you mean data={near[0]}?" if near else "Write one of these."
        raise ConfigError(f"data: must be one of {', '.join(OPTIONS)}, got {data!r}. {hint}")
    wrong = [key for key in options if key not in ("data", "root", *OPTIONS[data])]
    if wrong:
        raise ConfigError(
            f"{wrong[0]}: data={data} has no such option, got {wrong[0]}={options[wrong[0]]}. Leave it out."
        )
    return options


def _read_triple(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def read(text: str) -> tuple[Any, ...]:
        numbers = tuple(kind(part) for part in text.strip("[]()").split(","))
        if len(numbers) != 3:
            raise ValueError(text)
        return numbers

    return read


def _read_path(text: str) -> Path:
    if not text:
        raise ValueError(text)
    return Path(text).expanduser()


_READERS: dict[str, Callable[[str], Any]] = {
    "data": str,
    "root": _read_path,
    "subjects": int,
    "seed": int,
    "shape": _read_triple(int),
    "spacing_mm": _read_triple(float),
    "year": int,
    "channels": int,
    "labels": int,
    "version": int,
}
_EXAMPLES = {
    "root": "root=data/raw/phantom",
    "subjects": "subjects=10",
    "seed": "seed=0",
    "shape": "shape=8,112,104",
    "spacing_mm": "spacing_mm=10,1.5,1.5",
    "year": "year=2023",
    "channels": "channels=2",
    "labels": "labels=3",
    "version": "version=2",
}

if __name__ == "__main__":
    main()
