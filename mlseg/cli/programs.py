"""How programs are called where the user sits, for commands that can be typed as they are printed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def find_typed(name: str) -> tuple[str, ...]:
    """How the running command was typed: as a script, by its path, or by its name.

    Args:
        name: the name of the installed command, e.g. "mlseg-train".
    """
    script = Path(sys.argv[0])
    if script.suffix == ".py":
        return shorten(Path(sys.executable)), str(script)
    return (shorten(script) if script.is_absolute() else name,)


def find_beside_python(name: str) -> str:
    """A program that is installed with the running Python."""
    return shorten(Path(sys.executable).with_name(name))


def shorten(path: Path) -> str:
    """The path from here where it lies below, the bare name of what the PATH finds."""
    if shutil.which(path.name) == str(path):
        return path.name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
