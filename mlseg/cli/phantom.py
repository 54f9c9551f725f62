"""`mlseg-phantom root=data/raw/phantom subjects=10 seed=0`: write a synthetic ACDC in its official layout."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlseg.checks import ConfigError, MlsegError

HELP = """\
mlseg-phantom writes a phantom of ACDC: synthetic hearts in the official layout, to try everything out without patients.

  mlseg-phantom [root=PLACE] [subjects=10] [seed=0] [shape=8,112,104] [spacing_mm=10,1.5,1.5]

  root        where to write (default: {root}); refused if it holds anything but a phantom
  subjects    patients, each with an ED and an ES frame; the five groups in turn
  seed        the same seed writes the same hearts
  shape       voxels d,h,w of a typical patient
  spacing_mm  voxel size d,h,w of a typical patient

Then: mlseg-train experiment=demo data.root=PLACE
"""


def main() -> None:
    """Console script: write the phantom, or print one line that says what is wrong and exit with 1."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    default_root = Path(os.environ.get("MLSEG_DATA", "data/raw")) / "phantom"
    if any(argument in ("--help", "-h", "help") for argument in arguments):
        print(HELP.format(root=default_root), end="")
        return 0
    try:
        options = read_options(arguments)
        root = options.pop("root", default_root)
        # numpy and nibabel come in here, so that --help and a wrong word answer at once.
        from mlseg.data.phantom import write_phantom_acdc

        write_phantom_acdc(root, **options)
    except MlsegError as error:
        print(f"mlseg-phantom: {error}", file=sys.stderr)
        return 1
    print(f"A phantom ACDC lies in {root}. Next: mlseg-train experiment=demo data.root={root}")
    return 0


def read_options(arguments: list[str]) -> dict[str, Any]:
    """Turn `key=value` words into keyword arguments of the writer.

    Raises:
        ConfigError: an unknown key, or a value that can't be read; the message says what to write instead.

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
    "root": _read_path,
    "subjects": int,
    "seed": int,
    "shape": _read_triple(int),
    "spacing_mm": _read_triple(float),
}
_EXAMPLES = {
    "root": "root=data/raw/phantom",
    "subjects": "subjects=10",
    "seed": "seed=0",
    "shape": "shape=8,112,104",
    "spacing_mm": "spacing_mm=10,1.5,1.5",
}

if __name__ == "__main__":
    main()
