"""The page about penalties: its table, and what it says of losses without a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlseg.report.loss_curves import LossCurves
from mlseg.report.loss_page import format_loss_page

DISTANCES = np.linspace(0, 20, 161)


def make_curves(name: str, push: np.ndarray, rest: float = np.inf) -> LossCurves:
    pull = -np.exp(-DISTANCES)
    return LossCurves(
        name=name,
        title="A loss",
        formula="a_b * c_d",
        settings={"alpha": 0.1},
        distances=DISTANCES,
        values={2: push, 4: push},
        slopes={2: pull + push, 4: pull + push},
        baseline_values={2: 0 * push, 4: 0 * push},
        baseline_slopes={2: pull, 4: pull},
        rests={2: rest, 4: rest},
    )


@pytest.fixture
def losses() -> list[LossCurves]:
    return [
        make_curves("soft", np.full(161, 0.1), 2.3026),
        make_curves("margin", np.where(DISTANCES > 10, 0.1, 0.0), 10.0),
    ]


def write(losses: list[LossCurves], **changes: object) -> str:
    arguments = {"figure": "f.png", "plain": {}, "whole": {}, "command": "mlseg-explain losses"}
    return format_loss_page(losses, **{**arguments, **changes})


def test_table(losses):
    lines = write(losses).splitlines()
    assert "| `soft` | alpha=0.1 | d > 0 | 0.1 | 0.1 | 0.1 | 2.3 | 2.3 |" in lines
    assert "| `margin` | alpha=0.1 | d > 10 | 0 | 0 | 0.1 | 10 | 10 |" in lines


def test_a_loss_without_end_and_a_short_axis(losses):
    idle = make_curves("idle", np.full(161, -0.1))
    short = replace(idle, distances=DISTANCES / 4)
    assert "| `idle` | alpha=0.1 | nowhere | -0.1 | -0.1 | -0.1 | > 20 | > 20 |" in write([idle])
    assert "gradient at d = 15" not in write([short])


def test_it_shows_the_figure_and_what_was_typed(losses):
    text = write(losses, command="mlseg-explain losses mbls.margin=5")
    assert "](f.png)" in text
    assert "from 0 to\n20, with its" in text
    assert "- `soft`: A loss, `a_b * c_d`." in text
    assert "`mlseg-explain losses mbls.margin=5`" in text


def test_losses_without_a_row_are_named_with_the_reason(losses):
    text = write(losses, plain={"ce": "Cross-entropy"}, whole={"dice": "Soft Dice loss"})
    assert "without a row: `ce` (Cross-entropy)." in text
    assert "without a curve over d: `dice` (Soft Dice loss)." in text
    assert "without a" not in write(losses)


def test_losses_that_agree_are_said_to(losses):
    assert "`twin` and `soft` agree" in write([*losses, make_curves("twin", np.full(161, 0.1))])
    assert "agree" not in write(losses)
