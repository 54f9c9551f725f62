"""Commands that a table types by itself: they run here, and what ends one is heard as well as printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlseg.checks import MlsegError
from mlseg.cli.programs import find_beside_python

if TYPE_CHECKING:
    from mlseg.cli.app import App

CALIBRATE, EVALUATE = "mlseg-calibrate", "mlseg-evaluate"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code, and what it said of its failure."""

    code: int
    message: str = ""


# Takes the name of a command and its words.
Call = Callable[[str, Sequence[str]], Ended]


def call_here(prog: str, words: Sequence[str]) -> Ended:
    """`mlseg-calibrate` or `mlseg-evaluate` in this process, so that its imports are paid for once.

    Args:
        prog: which.
        words: what would be typed behind it.
    """
    from mlseg.cli.app import run_command
    from mlseg.engine.stopping import StopSignals

    heard: list[str] = []
    typed, sys.argv = sys.argv, [find_beside_python(prog), *words]
    try:
        with StopSignals():
            code = run_command(listen(_find_app(prog), heard), words)
    finally:
        sys.argv = typed
    return Ended(code=code, message=heard[-1] if heard else "")


def listen(app: App, heard: list[str]) -> App:
    """The same command; what ends it is kept in `heard` as well as printed."""

    def note(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except MlsegError as error:
                heard.append(str(error))
                raise

        return call

    def check(*arguments: Any) -> Sequence[str]:
        problems = app.check(*arguments) if app.check else ()
        heard.extend(problems[:1])
        return problems

    find_base = note(app.find_base) if app.find_base else None
    return replace(app, task=note(app.task), check=note(check), find_base=find_base)


def _find_app(prog: str) -> App:
    from mlseg.cli import calibrate, evaluate
    from mlseg.cli.app import App

    if prog == CALIBRATE:
        check, base = calibrate.find_calibrate_problems, calibrate.find_calibrate_base
        return App(task=calibrate.calibrate, config_name=calibrate.CONFIG, prog=prog, check=check, find_base=base)
    own = evaluate.find_evaluate_problems
    return App(task=evaluate.evaluate, config_name=evaluate.CONFIG, prog=prog, check=own, find_base=evaluate.find_base)
