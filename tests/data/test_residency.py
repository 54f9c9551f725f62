"""Where slices live: what is asked for, or the first place that they fit in."""

from __future__ import annotations

import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.data import residency
from mlseg.data.residency import available_memory, choose_residency

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 1000 bytes of memory and a GPU with 400."""
    monkeypatch.setattr(residency, "available_memory", lambda: 1000)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (400, 800))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("needed", "device", "expected"),
    [
        (100, GPU, "device"),
        (101, GPU, "memory"),
        (100, CPU, "memory"),
        (500, GPU, "memory"),
        (501, GPU, "disk"),
        (501, CPU, "disk"),
    ],
)
def test_auto_takes_the_first_that_fits(needed: int, device: torch.device, expected: str) -> None:
    chosen, reason = choose_residency("auto", needed, device)
    assert chosen == expected
    assert "MB" in reason


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("asked", ["device", "memory", "disk"])
def test_what_is_asked_for_is_taken(asked: str) -> None:
    assert choose_residency(asked, 10**9, CPU) == (asked, "1.0 GB, as asked for")


def test_a_wrong_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="residency must be auto, device, memory, disk, got 'ram'"):
        choose_residency("ram", 1, CPU)


def test_available_memory_is_plausible() -> None:
    assert 0 <= available_memory() < 1 << 50
