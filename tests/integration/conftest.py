"""Whole runs through the command line on a small phantom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.preflight import find_config_problems
from mlseg.cli.train import train
from mlseg.data.phantom import write_phantom_acdc

# A network and images so small that a run takes seconds and most of those are imports.
SMALL = (
    "data=phantom",
    "loss=mbls",
    "model.widths=[4,8]",
    "model.strides=[2]",
    "data.crop=[32,32]",
    "data.batch_size=6",
    "data.workers=1",
    "trainer.max_epochs=2",
    "trainer.amp=off",
    "optimizer.lr=0.01",
)


@dataclass(frozen=True)
class Place:
    """A phantom, a cache and a folder for runs."""

    phantom: Path
    folder: Path

    def words(self, *more: str) -> list[str]:
        """A small run here; `more` overrides."""
        paths = [f"data.root={self.phantom}", f"data.cache_dir={self.folder / 'cache'}"]
        return [*SMALL, *paths, f"output_root={self.folder / 'outputs'}", *more]


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom_acdc(tmp_path_factory.mktemp("phantom"), subjects=5, shape=(3, 48, 40))


@pytest.fixture
def place(phantom: Path, tmp_path: Path) -> Place:
    return Place(phantom, tmp_path)


@pytest.fixture
def mlseg_train() -> Callable[[Sequence[str]], int]:
    """Run a command line in this process; returns its exit code."""

    def run(words: Sequence[str]) -> int:
        app = App(task=train, config_name="train", prog="mlseg-train", check=find_config_problems)
        return run_command(app, words)

    return run
