"""`mlseg-explain losses`: a figure and a page of the penalty that each loss puts on a logit distance."""

from __future__ import annotations

import difflib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlseg.checks import POSITIVE, ConfigError, check_range

if TYPE_CHECKING:
    from mlseg.types import SegLoss

PROG = "mlseg-explain"
HELP = """\
mlseg-explain shows what a loss does: the penalty that it puts on a logit distance d, the gradient of the penalty, and
the distance at which the whole loss comes to rest. It writes a figure (losses.png) and a page (losses.md).

  mlseg-explain losses [names=ls,fl,mbls] [LOSS.SETTING=VALUE ...] [output=explain] [max_distance=20]

  names         which of configs/loss/*.yaml (default: all)
  LOSS.SETTING  another value than in the YAML, e.g. mbls.margin=5 ls.alpha=0.2
  output        the folder to write to
  max_distance  the largest d, in logits
"""
CLASSES = (2, 4)
POINTS = 161
FIGURE, PAGE = "losses.png", "losses.md"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for; `settings` are words like "mbls.margin=5"."""

    names: tuple[str, ...] = ()
    output: Path = Path("explain")
    max_distance: float = 20.0
    settings: tuple[str, ...] = field(default=())


def main() -> None:
    """Console script: write figure and page, or print one line that says what is wrong and exit with 1 or 2."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Do what `arguments` say; returns the exit status."""
    if any(argument in ("--help", "-h", "help") for argument in arguments) or not arguments:
        print(HELP, end="")
        return 0
    # Hydra comes in here, so that --help answers at once.
    from mlseg.cli.errors import Reporter

    with Reporter(prog=PROG, outermost=True) as reporter:
        options = read_options(arguments)
        losses = build_losses(options)
        _write(losses, options, shlex.join([PROG, *arguments]))
    return reporter.code


def read_options(arguments: Sequence[str]) -> Options:
    """The words after the command.

    Raises:
        ConfigError: not `losses`, an unknown key, or a value that can't be read; the message says what to write.

    Example:
        >>> options = read_options(["losses", "names=ls,mbls", "mbls.margin=5"])
        >>> options.names, options.settings
        (('ls', 'mbls'), ('mbls.margin=5',))
    """
    topic, *words = arguments
    if topic != "losses":
        raise ConfigError(f"what to explain: must be losses, got {topic}. Write {PROG} losses.")
    found: dict[str, Any] = {}
    settings = []
    for word in words:
        key, equals, text = word.partition("=")
        if equals and "." in key.strip("."):
            settings.append(word)
            continue
        if not equals or key not in _READERS:
            near = difflib.get_close_matches(key.lstrip("-"), _READERS, n=1)
            hint = f"Did you mean {near[0]}=...?" if near else f"See {PROG} --help."
            keys = ", ".join(f"{name}=..." for name in _READERS)
            raise ConfigError(f"options: must be {keys} or <loss>.<setting>=..., got {word}. {hint}")
        try:
            found[key] = _READERS[key](text)
        except ValueError:
            raise ConfigError(f"{key}: must be like {_EXAMPLES[key]}, got {text!r}. See {PROG} --help.") from None
    options = Options(**found, settings=tuple(settings))
    check_range(PROG, "max_distance", options.max_distance, POSITIVE)
    return options


def build_losses(options: Options) -> dict[str, SegLoss]:
    """The loss objects by name, as a training with the same settings would build them.

    Raises:
        ConfigError: a loss or a setting that does not exist, or a value out of range.
    """
    from mlseg.cli.build import build
    from mlseg.cli.compose import compose_config, list_choices, open_session
    from mlseg.cli.suggest import Command, check_words, expand_jobs, suggest

    losses = {}
    with open_session(PROG):
        choices = list_choices("loss")
        names = options.names or tuple(choices)
        for name in (*names, *(word.split(".", 1)[0] for word in options.settings)):
            if name not in choices:
                raise ConfigError(f"{name}: no such loss.{suggest(name, choices)} Choices: {', '.join(choices)}.")
        for name in names:
            own = [word.split(".", 1)[1] for word in options.settings if word.startswith(f"{name}.")]
            words = (f"loss={name}", *(f"loss.{word}" for word in own))
            command = Command(typed=PROG, config_name="train", words=words, multirun=False)
            (job,) = jobs = expand_jobs(command)
            check_words(command, jobs)
            losses[name] = build(compose_config(job).cfg.loss)
    return losses


def _write(losses: Mapping[str, SegLoss], options: Options, command: str) -> None:
    import numpy as np

    from mlseg.cli.measure_loss import describe_loss, is_mean_over_voxels, measure_loss
    from mlseg.records import write_text
    from mlseg.report.figure_losses import build_loss_figure
    from mlseg.report.figure_style import save_figure
    from mlseg.report.loss_curves import find_free
    from mlseg.report.loss_page import format_loss_page

    distances = np.linspace(0, options.max_distance, POINTS)
    titles = {name: describe_loss(loss)[0] or name for name, loss in losses.items()}
    local = [name for name, loss in losses.items() if is_mean_over_voxels(loss)]
    curves = [measure_loss(name, losses[name], classes=CLASSES, distances=distances) for name in local]
    # First those that never stop, then those that do, by where they do.
    drawn = sorted((c for c in curves if c.push(CLASSES[-1]).any()), key=lambda c: find_free(c, CLASSES[-1]))
    if not drawn:
        raise ConfigError(f"names: must hold a loss with a penalty on distances, got {', '.join(losses)}. Add mbls.")
    plain = {name: titles[name] for name in local if name not in {c.name for c in drawn}}
    whole = {name: titles[name] for name in losses if name not in local}
    options.output.mkdir(parents=True, exist_ok=True)
    save_figure(build_loss_figure(drawn), options.output / FIGURE)
    page = format_loss_page(drawn, figure=FIGURE, plain=plain, whole=whole, command=command)
    write_text(options.output / PAGE, page)
    print(f"{options.output / PAGE} and {options.output / FIGURE} show {', '.join(c.name for c in drawn)}.")


def _read_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.strip("[]()").split(",") if part.strip()))
    if not names:
        raise ValueError(text)
    return names


def _read_output(text: str) -> Path:
    if not text:
        raise ValueError(text)
    return Path(text).expanduser()


_READERS: dict[str, Callable[[str], Any]] = {"names": _read_names, "output": _read_output, "max_distance": float}
_EXAMPLES = {"names": "names=ls,fl,mbls", "output": "output=explain", "max_distance": "max_distance=20"}

if __name__ == "__main__":
    main()
