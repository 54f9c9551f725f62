from typing import Any

import pytest
import torch

from mlseg.checks import RunError
from mlseg.engine.distributed import Group
from mlseg.engine.step_log import StepLog


def test_means_since_the_last_flush_and_over_all() -> None:
    log = StepLog()
    log.add(1, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(3.0)}, ["a"])
    log.add(2, {"loss": torch.tensor(2.0)}, ["b"])
    assert log.flush() == {"loss": 1.5, "gradient_norm": 3.0}
    assert len(log) == 0
    log.add(3, {"loss": torch.tensor(6.0)}, ["c"])
    assert log.flush() == {"loss": 6.0}
    assert log.mean_loss() == 3.0
    assert log.flush() == {}


@pytest.mark.parametrize("name", ["loss", "gradient_norm", "term_margin"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_first_bad_step_is_named_with_its_cases(name: str, bad: float) -> None:
    log = StepLog()
    log.add(1, {"loss": torch.tensor(1.0)}, ["patient001_frame01"])
    log.add(2, {"loss": torch.tensor(1.0), name: torch.tensor(bad)}, ["patient002_frame01", "patient002_frame01"])
    log.add(3, {"loss": torch.tensor(bad)}, ["patient003_frame01"])
    with pytest.raises(RunError, match=rf"{name} must be finite.*step 2 \(cases patient002_frame01\).*optimizer.lr"):
        log.flush()


def test_skipped_updates_are_left_out_and_are_an_error_if_there_is_nothing_else() -> None:
    log, infinite = StepLog(tolerate_gradients=True), torch.tensor(float("inf"))
    log.check_updates()
    log.add(1, {"loss": torch.tensor(1.0), "gradient_norm": infinite}, ["a"])
    assert log.flush() == {"loss": 1.0}
    with pytest.raises(RunError, match="infinity in all 1 updates"):
        log.check_updates()
    log.add(2, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(2.0)}, ["a"])
    log.add(3, {"loss": torch.tensor(1.0), "gradient_norm": infinite}, ["a"])
    assert log.flush() == {"loss": 1.0, "gradient_norm": 2.0}
    log.check_updates()


def test_a_scaler_deals_with_gradients_but_not_with_losses() -> None:
    log = StepLog(tolerate_gradients=True)
    log.add(1, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(float("inf"))}, ["a"])
    assert log.flush()["loss"] == 1.0
    log.add(2, {"loss": torch.tensor(float("nan"))}, ["a"])
    with pytest.raises(RunError, match="loss must be finite"):
        log.flush()


class Pair(Group):
    """A process whose peer has found `other`."""

    other: Any = None

    def gather(self, value: Any) -> list[Any]:
        return [value, self.other]


def test_the_process_with_the_bad_loss_names_the_cases() -> None:
    """Gradients are averaged: what one process does wrong, another sees in its gradient, of cases that are fine."""
    bad, fine = StepLog(group=Pair(world=2)), StepLog(group=Pair(world=2))
    bad.add(4, {"loss": torch.tensor(float("nan")), "gradient_norm": torch.tensor(float("nan"))}, ["culprit"])
    fine.add(4, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(float("nan"))}, ["innocent"])
    flaws = [log._find_flaw([{name: float(v) for name, v in log._steps[0].values.items()}]) for log in (bad, fine)]
    for log, other in ((bad, flaws[1]), (fine, flaws[0])):
        object.__setattr__(log._group, "other", other)
        with pytest.raises(RunError, match=r"loss must be finite, got nan at step 4 \(cases culprit\)"):
            log.flush()


def test_a_gradient_that_no_loss_explains_names_the_cases_of_all() -> None:
    log = StepLog(group=Pair(world=2))
    log.add(2, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(float("inf"))}, ["a"])
    other = log._find_flaw([{"gradient_norm": float("inf")}])
    assert other is not None
    object.__setattr__(log._group, "other", other._replace(case_ids=("b",)))
    with pytest.raises(RunError, match=r"gradient_norm must be finite, got inf at step 2 \(cases a, b\)"):
        log.flush()


def test_what_is_not_finite_is_not_packed() -> None:
    log = StepLog()
    log.add(1, {"loss": torch.tensor(float("nan"))}, ["a"])
    with pytest.raises(RunError, match="loss must be finite, got nan at step 1"):
        log.pack()
