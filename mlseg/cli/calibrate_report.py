"""How mlseg-calibrate shows what it found: a table of the scores before and after, and how the fit ended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mlseg.engine.calibration_fit import Calibration

# A fall of Dice that is more than a few voxels at borders, relabelled when probabilities are resampled.
DICE_LOSS = 1e-3
_TITLES = {"nll": "NLL", "ece": "ECE", "cece": "CECE", "brier": "Brier", "dice": "Dice"}


def print_calibration(found: Calibration, *, region: str, console: Console | None = None) -> None:
    """Print the table, the parameters and what must be known of them.

    Args:
        found: what was fitted.
        region: whose NLL decides.
        console: where to print; None prints to the terminal, or plain text of 80 columns to a pipe.
    """
    console = console or Console(highlight=False)
    console.print()
    console.print(Text("Scores before and after", "bold cyan"))
    console.print(_build_table(found, region))
    for line in list_facts(found):
        console.print(Text(line), soft_wrap=True)
    for note in list_notes(found, region=region):
        console.print(Text(f"note: {note}", "yellow"), soft_wrap=True)


def _build_table(found: Calibration, region: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Score", no_wrap=True)
    table.add_column("Region", no_wrap=True)
    for name in ("Before", "After", "Change"):
        table.add_column(name, justify="right", no_wrap=True)
    for metric, title in _TITLES.items():
        regions = [own for name, own in found.before if name == metric]
        for own in regions:
            before, after = found.before[metric, own], found.after[metric, own]
            style = "bold" if (metric, own) == ("nll", region) else ""
            cells = (f"{before:.5f}", f"{after:.5f}", _format_change(before, after))
            table.add_row(title, own, *cells, style=style, end_section=own == regions[-1])
    return table


def list_facts(found: Calibration) -> Iterator[str]:
    """The parameters, how far they vary, and on how much they rest, a line each."""
    labels = found.calibrator.labels
    for name, value in found.fit.parameters.items():
        if name != "log_odds":
            spread = _describe_spread([fold[name] for fold in found.folds.values()], value)
            listed = value if isinstance(value, list) else [value]
            names = labels if isinstance(value, list) else ("",)
            shown = ", ".join(f"{label} {number:.4f}".strip() for label, number in zip(names, listed, strict=True))
            yield f"{name}: {shown}{spread}"
    fit = found.fit
    end = (
        ""
        if found.calibrator.method == "isotonic"
        else (
            f"; largest derivative {fit.gradient:.1e} after {fit.iterations} step{'' if fit.iterations == 1 else 's'}"
        )
    )
    yield f"NLL of the {found.voxels} fitted voxels (of {found.seen}): {found.nll_before:.5f} -> {fit.nll:.5f}{end}"
    yield (
        "After: each subject by a calibrator that was fitted without it. Means over subjects."
        if found.is_cross_fitted
        else "After: of the very subject that was fitted, so better than it will be on others."
    )


def list_notes(found: Calibration, *, region: str) -> Iterator[str]:
    """What a user must know before relying on it, a sentence each."""
    if found.fit.note:
        yield f"{found.fit.note}."
    worse = [
        f"{_TITLES[metric]} of the {own} ({before:.5f} to {found.after[metric, own]:.5f})"
        for (metric, own), before in found.before.items()
        if metric in ("nll", "ece") and (metric, own) != ("nll", region) and found.after[metric, own] > before
    ]
    dice = found.before["dice", "image"], found.after["dice", "image"]
    if dice[1] < dice[0] - DICE_LOSS:
        worse.append(f"Dice ({dice[0]:.5f} to {dice[1]:.5f}), for it changes labels")
    if worse:
        yield f"it makes worse: {', '.join(worse)}."


def _describe_spread(folds: list[Any], value: Any) -> str:
    """The range of a single number over the folds; more numbers are in calibrator.json."""
    if not folds or isinstance(value, list):
        return ""
    return f" ({min(folds):.4f} to {max(folds):.4f} with subjects left out)"


def _format_change(before: float, after: float) -> str:
    """The difference in percent of the value before.

    Example:
        >>> _format_change(0.2, 0.1), _format_change(0.0, 0.1)
        ('-50.0 %', '')
    """
    if not before or math.isnan(before) or math.isnan(after):
        return ""
    return f"{100 * (after / before - 1):+.1f} %"


def list_folds(found: Calibration) -> list[Mapping[str, Any]]:
    """Who was left out, and the parameters without them, as calibrator.json holds it; tables are too long for that."""
    return [
        {"subjects": list(subjects), **({} if "log_odds" in parameters else {"parameters": parameters})}
        for subjects, parameters in found.folds.items()
    ]
