"""Rows of a table that are calibrated after the training: what is there of a run's, and how the rest is made.

Calibrator, scores and the record of both lie in the run's directory under names of their own, so that what was fitted
there by hand is neither taken for the table's nor replaced by it.
"""

from __future__ import annotations

import functools
import hashlib
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlseg.cli.errors import INTERRUPTED, REQUEUE
from mlseg.cli.judged_run import EVALUATIONS
from mlseg.cli.table_commands import CALIBRATE, EVALUATE, Call, Ended, call_here
from mlseg.records import read_json, write_json

VERSION = 1
# What Calibration.check_nll says where a calibrator makes things worse: trying again would end the same way.
REFUSAL = "calibrator: NLL of "
FILES = ("scores.csv", "run.json", "bins.npz", "views.npz")
_PLAIN = re.compile(r"[\w./+-]+")


@dataclass(frozen=True, kw_only=True)
class PosthocState:
    """How far the calibrated scores of a run are.

    Args:
        done: True if they are there, or if the run's own take their place.
        reason: why not, or why its own.
        final: True if trying would not help.
        as_trained: True if the run's own scores count: the calibrator made things worse and was refused, so what one
            would use is the network without it.
    """

    done: bool
    reason: str = ""
    final: bool = False
    as_trained: bool = False


@dataclass(frozen=True, kw_only=True)
class Posthoc:
    """A finished run with a calibrator of the table's.

    Args:
        run: its directory.
        method: of mlseg-calibrate.
    """

    run: Path
    method: str

    @property
    def scores(self) -> Path:
        """The folder of the evaluation with the calibrator."""
        return self.run / EVALUATIONS / self._name

    @property
    def calibrator(self) -> Path:
        """The calibrator."""
        return self.run / "posthoc" / f"{self.method}.json"

    @property
    def record(self) -> Path:
        """To which checkpoint it was fitted, or why it was not."""
        return self.run / "posthoc" / f"{self.method}_state.json"

    @property
    def _name(self) -> str:
        return f"posthoc-{self.method}"

    def find_state(self) -> PosthocState:
        """What is there, told without torch.

        Raises:
            RunError: a record cannot be read.
        """
        split = read_json(self.run / "run.json").get("split", {})
        if not split.get("val"):
            where = f" in split {split['name']}" if "name" in split else ""
            return PosthocState(done=False, reason=f"no validation subject{where} to fit to", final=True)
        record = self._read_record()
        if record.get("checkpoint") != self._hash_checkpoint(record):
            return PosthocState(done=False, reason="not calibrated yet")
        if record.get("refused"):
            # Leaving the seed out would select the runs of the row by how well the calibration went.
            reason = f"no {self.method} helped, scores as trained"
            return PosthocState(done=True, reason=reason, final=True, as_trained=True)
        if self._is_fitted(record) and self._is_judged():
            return PosthocState(done=True)
        return PosthocState(done=False, reason=str(record.get("failed") or "not calibrated yet"))

    def make(self, words: Sequence[str], *, call: Call | None = None) -> int:
        """Fit the calibrator if there is none for this checkpoint, and judge the test part if that is not done.

        Args:
            words: where the data is now, and on which device.
            call: runs a command; None does so in this process.

        Returns:
            0, also where the calibrator makes things worse and is refused; else the exit code of what failed.

        Raises:
            RunError: a record cannot be read or written.
        """
        call = call or call_here
        record = {key: value for key, value in self._read_record().items() if key in ("checkpoint", "calibrator")}
        if not self._is_fitted(record):
            self._forget()
            record = {"checkpoint": self._hash_checkpoint({})}
            own = [f"method={self.method}", f"output={quote(self.calibrator)}"]
            ended = _announce(call, CALIBRATE, [f"run={quote(self.run)}", *own, *words])
            if ended.code and ended.message.startswith(REFUSAL):
                said = _shorten(ended.message.removeprefix("calibrator: "))
                self._write(record, refused=f"calibration refused: {said}")
                return 0
            if ended.code:
                return self._fail(record, ended)
            record["calibrator"] = _hash(self.calibrator)
            self._write(record)
        # Half an evaluation is none, and would be refused as a place for one.
        shutil.rmtree(self.scores, ignore_errors=True)
        own = [f"calibrator={quote(self.calibrator)}", f"name={self._name}"]
        ended = _announce(call, EVALUATE, [f"run={quote(self.run)}", *own, *words])
        if ended.code:
            return self._fail(record, ended)
        self._write(record)
        return 0

    def _fail(self, record: dict[str, Any], ended: Ended) -> int:
        if ended.code not in (INTERRUPTED, REQUEUE):
            self._write(record, failed=f"calibration failed: {_shorten(ended.message or 'see what it printed')}")
        return ended.code

    def _is_fitted(self, record: dict[str, Any]) -> bool:
        """True if the calibrator is the one that was fitted to this very checkpoint."""
        known = record.get("calibrator"), record.get("checkpoint")
        return None not in known and known == (_hash(self.calibrator), self._hash_checkpoint(record))

    def _is_judged(self) -> bool:
        if not all((self.scores / name).is_file() for name in FILES):
            return False
        found = read_json(self.scores / "run.json")
        method, part = (found.get("calibrator") or {}).get("method"), found.get("split", {}).get("part")
        return (method, part) == (self.method, "test")

    def _hash_checkpoint(self, record: dict[str, Any]) -> str | None:
        """Of best.pt; where that was removed to save space, of the one that was there."""
        return _hash(self.run / "best.pt") or record.get("checkpoint")

    def _forget(self) -> None:
        """Remove what was fitted to another checkpoint."""
        shutil.rmtree(self.scores, ignore_errors=True)
        for path in (self.record, self.calibrator):
            path.unlink(missing_ok=True)
        self.calibrator.parent.mkdir(exist_ok=True)

    def _read_record(self) -> dict[str, Any]:
        return read_json(self.record) if self.record.is_file() else {}

    def _write(self, record: dict[str, Any], **facts: str) -> None:
        write_json(self.record, {"version": VERSION, **record, **facts})


def quote(place: Path | str) -> str:
    """A value as Hydra reads it back whole.

    Example:
        >>> quote("outputs/acdc/seed1"), quote("my data, old")
        ('outputs/acdc/seed1', "'my data, old'")
    """
    text = str(place)
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "\\'") + "'"


def _announce(call: Call, prog: str, words: Sequence[str]) -> Ended:
    print(f"  {shlex.join([prog, *words])}", flush=True)
    return call(prog, words)


def _shorten(message: str) -> str:
    """The first sentence of an error, without its remedy."""
    return message.splitlines()[0].split(". ")[0].rstrip(".")


def _hash(path: Path) -> str | None:
    """Of a file's bytes; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _hash_bytes(path.absolute(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def _hash_bytes(path: Path, size: int, time_ns: int) -> str:
    """Plans are made several times in one command, of networks of a hundred megabytes."""
    del size, time_ns
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
