"""Ends an exception as one line for the user and an exit code; a traceback goes to a file, never to the screen."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import yaml
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

import mlseg
from mlseg.checks import ConfigError, MlsegError, PeerError, Stopped

FAILED, MISTAKE, INTERRUPTED, UNHEARD = 1, 2, 130, 141
# Stopped by a signal of the cluster, all saved: run the same command again. HTCondor's convention for such an end, and
# what scripts/slurm/train.sbatch requeues on.
REQUEUE = 85
LOG = "mlseg-error.log"
# torch's words for memory of the CPU that is not there.
_NO_MEMORY = re.compile(r"DefaultCPUAllocator: (can't allocate|not enough) memory")
# What a disk or its owner can do to any file; other errors are ours.
_OUTSIDE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EIO, errno.ESTALE)


@dataclass
class Reporter:
    """A context in which any exception ends: as a message on stderr, in `code` and in `message`.

    Args:
        prog: what the line begins with.
        prefix: what was being done, e.g. a job's overrides; "" if that is plain.
        find_folder: gives the folder for the traceback of an unexpected exception; None takes the current one.
        quiet: True leaves it to another process to tell of mistakes in the command, and of stops.
        outermost: True ends an interruption from the keyboard too; an inner one must reach the outermost.
    """

    prog: str
    prefix: str = ""
    find_folder: Callable[[], Path] | None = None
    quiet: bool = False
    outermost: bool = False
    code: int = 0
    message: str = ""

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, SystemExit | GeneratorExit):
            return False
        if not isinstance(error, Exception) and not self.outermost:
            return False
        if isinstance(error, BrokenPipeError):
            # Whoever read the output has gone (`| head`): end as quietly as the signal of that name would.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.code = UNHEARD
            return True
        known = describe_error(error)
        self.code, self.message = known or (FAILED, self._describe_unknown(error))
        # The process that failed speaks for those that lost it, and the first for all that make the same mistake.
        if not isinstance(error, PeerError) and not (self.quiet and self.code in (MISTAKE, INTERRUPTED, REQUEUE)):
            print(format_message(self.prog, self.message, prefix=self.prefix), file=sys.stderr, flush=True)
        return True

    def _describe_unknown(self, error: BaseException) -> str:
        path = Path(LOG)
        if self.find_folder is not None:
            folder = self.find_folder()
            path = folder / LOG if folder.is_dir() else path
        text = "".join(traceback.format_exception(error))
        what = f"internal error: {type(error).__name__}{_find_place(error)}: {flatten_lines(str(error))[:300]}"
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError:
            return f"{what}. The traceback could not be written to {path}; please report it."
        return f"{what}. The traceback is in {path}; please report it."


def _find_place(error: BaseException) -> str:
    """The innermost line of mlseg that the exception came through."""
    package = str(Path(mlseg.__file__).parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    if not frames:
        return ""
    return f" in mlseg{frames[-1].filename.removeprefix(package)}, line {frames[-1].lineno}"


def describe_error(error: BaseException) -> tuple[int, str] | None:
    """Exit code and message of an exception that a user can do something about; None for any other."""
    root = _find_stop(error) or error
    while isinstance(root, InstantiationException | ConfigCompositionException) and root.__cause__ is not None:
        root = root.__cause__
    if isinstance(root, MlsegError):
        return (MISTAKE if isinstance(root, ConfigError) else FAILED), str(root)
    if isinstance(root, Stopped):
        code = INTERRUPTED if root.signal == "SIGINT" else REQUEUE
        return code, f"{root}. Type the same command to go on."
    if isinstance(root, KeyboardInterrupt):
        return INTERRUPTED, "interrupted. Type the same command to go on."
    if isinstance(root, yaml.YAMLError):
        return MISTAKE, f"configuration: not readable as YAML ({flatten_lines(str(root))}). Correct the file."
    if isinstance(root, HydraException | OmegaConfBaseException):
        return MISTAKE, _describe_composition(error, root)
    if isinstance(error, InstantiationException) and isinstance(root, TypeError | ImportError):
        found = re.search(r"full_key: (\S+)", str(error))
        where = found.group(1) if found else "a component"
        return MISTAKE, f"{where}: cannot be built ({flatten_lines(str(root))}). Correct the settings of {where}."
    if type(root).__name__ == "OutOfMemoryError" or isinstance(root, MemoryError) or _NO_MEMORY.search(str(root)):
        return FAILED, (
            f"out of memory ({_shorten_reason(root)}). "
            "Give a smaller data.batch_size, evaluation.batch_size or data.crop, or data.residency=disk."
        )
    if isinstance(root, OSError) and root.errno in (errno.ENOSPC, errno.EDQUOT):
        return FAILED, f"{root.filename or 'the disk'}: no space left. Free some and type the same command to go on."
    if isinstance(root, OSError) and root.errno in _OUTSIDE and root.filename:
        return FAILED, f"{root.filename}: cannot be used ({root.strerror}). Correct it and type the same command again."
    return None


def _shorten_reason(error: BaseException) -> str:
    """The first sentence, without the place in torch's sources."""
    text = flatten_lines(str(error))
    return re.sub(r"^\[enforce fail at .*?\]\s*", "", text).split(". ")[0].rstrip(".") or type(error).__name__


def _find_stop(error: BaseException) -> BaseException | None:
    """The interruption that an exception was made of: Python wraps one that hits while a class is being made."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause


def _describe_composition(error: BaseException, root: BaseException) -> str:
    """Hydra's own message, in one line and without the parts that speak to a programmer."""
    texts = [str(error), str(root)] if root is not error else [str(error)]
    useful = [line.strip() for text in texts for line in text.splitlines() if line.strip()]
    kept = [line for line in dict.fromkeys(useful) if not re.match(r"(full_key|object_type|reference_type):?", line)]
    return f"configuration: {' '.join(kept).rstrip('.')}. See --help for what can be written."


def flatten_lines(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def format_message(prog: str, message: str, *, prefix: str = "") -> str:
    """`prog: message`; several problems stand a line each below the message's own head, or a line that counts them."""
    head, *lines = [line.strip() for line in message.splitlines() if line.strip()] or [message]
    if lines and not head.endswith(":"):
        head, lines = f"{len(lines) + 1} problems:", [head, *lines]
    start = f"{prog}: {prefix}: " if prefix else f"{prog}: "
    return "\n".join([start + head, *(f"  {line}" for line in lines)])
