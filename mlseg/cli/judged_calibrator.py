"""Which calibrator is used with a checkpoint: the file beside it, another, or none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.checks import ConfigError, RunError
from mlseg.cli.suggest import suggest

if TYPE_CHECKING:
    from mlseg.engine.calibrator import Calibrator

NONE, AUTO = "none", "auto"
FIT = "mlseg-calibrate run=..."


@dataclass(frozen=True, kw_only=True)
class UsedCalibrator:
    """A calibrator in an evaluation.

    Args:
        file: where it was read from.
        method: its kind, for the folder's name.
        about: what it is, in words.
        digest: a hash of method and parameters.
        cases: case -> subject and hash of the files, for those that it was fitted to.
        module: maps logits.
    """

    file: Path
    method: str
    about: str
    digest: str
    cases: dict[str, tuple[str, str]]
    module: Calibrator

    @property
    def subjects(self) -> frozenset[str]:
        """Those that it was fitted to."""
        return frozenset(subject for subject, _ in self.cases.values())

    def describe(self) -> dict[str, Any]:
        """What run.json records."""
        return {"file": str(self.file), "method": self.method, "parameters": self.digest, "about": self.about}


def place_calibrator(checkpoint: Path) -> Path:
    """Where the calibrator of a checkpoint lies: beside it.

    Example:
        >>> place_calibrator(Path("run/best.pt")).as_posix(), place_calibrator(Path("run/last.pt")).as_posix()
        ('run/calibrator.json', 'run/calibrator_last.json')
    """
    suffix = "" if checkpoint.name == "best.pt" else f"_{checkpoint.stem}"
    return checkpoint.with_name(f"calibrator{suffix}.json")


def find_calibrator(word: Any, checkpoint: Path) -> Path | None:
    """The file that `calibrator=none|auto|<file>` means; None for none.

    Args:
        word: as it was typed. A relative file is looked for here and then beside the checkpoint.
        checkpoint: the file of the weights.

    Raises:
        ConfigError: no such file.
        RunError: none was fitted to this checkpoint yet.
    """
    if word is None or word == NONE:
        return None
    if word == AUTO:
        path = place_calibrator(checkpoint)
        if not path.is_file():
            raise RunError(f"{path}: must be there for calibrator={AUTO}, got nothing. Fit it first with {FIT}")
        return path
    path = Path(str(word)).expanduser()
    found = next((place for place in (path, checkpoint.parent / path) if place.is_file()), None)
    if found is None:
        meant = suggest(str(word), (NONE, AUTO)) or " Correct the path."
        raise ConfigError(f"calibrator: must be none, auto or a file, got '{word}'.{meant}")
    return found


def read_used(word: Any, checkpoint: Path) -> UsedCalibrator | None:
    """Find and read a calibrator; None for none.

    Raises:
        ConfigError: no such file.
        RunError: it is not there, or none.
    """
    path = find_calibrator(word, checkpoint)
    if path is None:
        return None
    from mlseg.engine.calibrator import hash_parameters, read_calibrator

    module = read_calibrator(path)
    return UsedCalibrator(
        file=path,
        method=module.method,
        about=module.describe(),
        digest=hash_parameters(module),
        cases=module.cases,
        module=module,
    )
