"""losses.md: what each loss asks of a logit distance, in words, numbers and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlseg.report.figure_losses import format_setting
from mlseg.report.loss_curves import LossCurves, find_free

# Where the table shows the gradient of the penalty.
SHOWN = (1.0, 5.0, 15.0)

SETUP = """\
One voxel with K classes. The reference class wins, and every other class lies the logit distance d below it: the
winner's logit is d, the others' are 0. Each loss object of the configuration is evaluated there, over d from 0 to
{end:g}, with its gradient against d. The *penalty* is what the loss adds to the cross-entropy at the same place.
Cross-entropy alone always gains by a larger d, which is how networks become overconfident; the penalty is what works
against it."""

VIEW = """\
Seen as penalties on logit distances, the losses differ in where they stop. d = 0 is the uniform prediction, which says
nothing. A penalty whose gradient is above 0 for every d > 0 pulls towards it without end, however sure the voxel
rightly is: that of label smoothing, here the straight line alpha (K - 1)/K d, as strongly at d = 15 as at d = 1; those
of focal loss and the confidence penalty ever more weakly. A margin-based penalty asks for d <= m only: inside the
margin it is zero and so is its gradient, and the whole loss comes to rest at m or, squared, just beyond."""


def format_loss_page(
    losses: Sequence[LossCurves], *, figure: str, plain: Mapping[str, str], whole: Mapping[str, str], command: str
) -> str:
    """The text of the page.

    Args:
        losses: those with a penalty, in the order of the figure.
        figure: the PNG's file name, relative to the page.
        plain: name -> title of losses that are the cross-entropy at such a voxel.
        whole: name -> title of losses that look at whole images, which have no such curve.
        command: what was typed.
    """
    numbers = list(losses[0].values)
    blocks = ["# What each loss asks of a logit distance", VIEW]
    blocks += [f"![Penalty, its gradient and the gradient of the whole loss against the logit distance]({figure})"]
    blocks += ["## In numbers", _format_table(losses, numbers), _describe_columns(losses[0], numbers)]
    blocks += ["## What was measured", SETUP.format(end=losses[0].distances[-1]), _list_losses(losses)]
    blocks += [_list_twins(losses), _list_rest(plain, whole), f"Written by `{command}`."]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _format_table(losses: Sequence[LossCurves], numbers: Sequence[int]) -> str:
    most, shown = numbers[-1], [d for d in SHOWN if d <= losses[0].distances[-1]]
    heads = ["loss", "settings", "pulls d down", *(f"gradient at d = {d:g}" for d in shown)]
    heads += [f"at rest, K = {number}" for number in numbers]
    lines = [heads, [":--", ":--", *["--:"] * (len(heads) - 2)]]
    for curves in losses:
        push = curves.push(most)
        gradients = [f"{float(np.interp(d, curves.distances, push)):.2g}" for d in shown]
        rests = [_format_rest(curves, number) for number in numbers]
        lines.append([f"`{curves.name}`", _format_settings(curves), _format_free(curves, most), *gradients, *rests])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _describe_columns(curves: LossCurves, numbers: Sequence[int]) -> str:
    end = curves.distances[-1]
    return (
        f"*Pulls d down*: where the gradient of the penalty is above 0, for K = {numbers[-1]}, up to d = {end:g}. "
        f"*Gradient*: of the penalty against d, for K = {numbers[-1]}. *At rest*: the d at which the whole loss is "
        f"smallest; beyond {end:g} where it goes on to gain by a larger d."
    )


def _format_settings(curves: LossCurves) -> str:
    return ", ".join(f"{key}={format_setting(value)}" for key, value in curves.settings.items()) or "none"


def _format_free(curves: LossCurves, number: int) -> str:
    free = find_free(curves, number)
    return "nowhere" if free == float("inf") else f"d > {free:g}"


def _format_rest(curves: LossCurves, number: int) -> str:
    rest = curves.rests[number]
    return f"> {curves.distances[-1]:g}" if rest == float("inf") else f"{round(rest, 2):g}"


def _list_losses(losses: Sequence[LossCurves]) -> str:
    return "\n".join(f"- `{c.name}`: {c.title}{f', `{c.formula}`' if c.formula else ''}." for c in losses)


def _list_twins(losses: Sequence[LossCurves]) -> str:
    """Losses that do the same here and need not elsewhere."""
    found = []
    for place, curves in enumerate(losses):
        for other in losses[:place]:
            if all(np.allclose(curves.slopes[number], other.slopes[number]) for number in curves.slopes):
                found.append(
                    f"`{curves.name}` and `{other.name}` agree wherever the reference class wins by d >= 0; they can "
                    "differ where it loses."
                )
    return "\n".join(found)


def _list_rest(plain: Mapping[str, str], whole: Mapping[str, str]) -> str:
    lines = []
    if plain:
        names = ", ".join(f"`{name}` ({title})" for name, title in plain.items())
        lines.append(f"The cross-entropy itself at a voxel whose neighbours have its class, so without a row: {names}.")
    if whole:
        names = ", ".join(f"`{name}` ({title})" for name, title in whole.items())
        lines.append(f"Measured on whole images, not voxel by voxel, so without a curve over d: {names}.")
    return "\n\n".join(lines)
