"""Runs on small phantoms that predict, and the command line that makes them do so."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlseg.cli.app import App, run_command
from mlseg.cli.predict import predict
from mlseg.cli.predict_preflight import find_predict_problems
from mlseg.cli.train import train
from mlseg.data.phantom import write_phantom_brats

NETWORK = ("model.widths=[8,16]", "model.strides=[2]", "model.norm=instance", "data.crop=[32,32]", "data.batch_size=4")
QUICK = ("loss=ce_dice", "trainer.max_epochs=3", "trainer.amp=off", "trainer.image_every=0", "data.workers=1")


@pytest.fixture(scope="session")
def train_run() -> Callable[..., Path]:
    """Train a small run below a folder, without figures, which take most of the time; returns its directory."""

    def call(folder: Path, *words: str) -> Path:
        places = [f"data.cache_dir={folder / 'cache'}", f"run_dir={folder / 'run'}"]
        words = (*NETWORK, *QUICK, "optimizer.lr=0.01", "evaluation.protocols=[default]", *places, *words)
        # Only as long as this run takes: other tests look at the figures of theirs.
        with pytest.MonkeyPatch.context() as patch:
            for name in ("draw_calibration", "draw_cases"):
                patch.setattr(f"mlseg.report.judgement.{name}", lambda *args, **kwargs: [])
            assert run_command(App(task=train, config_name="train", prog="mlseg-train"), words) == 0
        return folder / "run"

    return call


@pytest.fixture(scope="session")
def trained(phantom: Path, train_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the phantom ACDC, resampled, that nobody changes."""
    words = ("data=phantom", "data.spacing_mm=[2,2]", f"data.root={phantom}", "data.split_fractions=[0.4,0.2,0.4]")
    return train_run(tmp_path_factory.mktemp("trained"), *words)


@pytest.fixture(scope="session")
def trained_lps(phantom: Path, train_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the same, each scan brought to LPS."""
    words = ("data=phantom", "data.source.orientation=LPS", f"data.root={phantom}")
    return train_run(tmp_path_factory.mktemp("trained_lps"), *words)


@pytest.fixture(scope="session")
def trained_brats(train_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two channels of the phantom BraTS, whose enhancing tumour is stored as 4."""
    folder = tmp_path_factory.mktemp("brats")
    root = write_phantom_brats(folder / "data", subjects=4, shape=(8, 40, 36))
    words = ("data=brats", f"data.root={root}", "data.source.channels=[T1,FLAIR]", "data.in_channels=2")
    return train_run(folder, *words, "data.split_fractions=[0.5,0.25,0.25]")


@pytest.fixture
def mlseg_predict(trained: Path) -> Callable[..., int]:
    """Predict with the run, unless another one is given."""

    def call(*words: str, run: Path | str = trained) -> int:
        app = App(task=predict, config_name="predict", prog="mlseg-predict", check=find_predict_problems)
        return run_command(app, [f"run={run}", *map(str, words)])

    return call


@pytest.fixture
def read_table() -> Callable[[Path], list[dict[str, str]]]:
    """The rows of a CSV file."""

    def call(path: Path) -> list[dict[str, str]]:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return call


@pytest.fixture
def list_test_files(phantom: Path) -> Callable[..., list[Path]]:
    """The scans of a run's test subjects, or with the end "_gt" their references."""

    def call(run: Path, end: str = "", *, root: Path = phantom) -> list[Path]:
        subjects = json.loads((run / "data.json").read_text())["test"]
        return [p for s in subjects for p in sorted((root / "training" / s).glob(f"*_frame??{end}.nii.gz"))]

    return call
