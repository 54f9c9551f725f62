"""Fixtures shared by all tests: where the optional golden numbers and real data are, and phantoms."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlseg.records import Score, write_json, write_scores

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with golden numbers and real data: $MLSEG_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("MLSEG_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no golden numbers or real data at {folder}: set MLSEG_SHARED to where golden/ and realdata/ are")
    return folder


@pytest.fixture(scope="session")
def golden_dir(shared_dir: Path) -> Path:
    return shared_dir / "golden"


@pytest.fixture(scope="session")
def realdata_dir(shared_dir: Path) -> Path:
    return shared_dir / "realdata"


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """Write scores.csv and run.json of a made-up run: `write_run(folder, shift=0.1, seed=2, loss="mbls")`.

    `shift` is added to every Dice and taken from every error; `settings` are dotted keys of its configuration.
    """
    return _write_run


def _write_run(
    path: Path,
    *,
    shift: float = 0.0,
    seed: int = 1,
    subjects: int = 8,
    first: int = 0,
    loss: str = "ce",
    data: str = "acdc",
    settings: Mapping[str, Any] | None = None,
    split: Mapping[str, Any] | None = None,
    frames: tuple[str, ...] = ("ED", "ES"),
    voxels: int = 1000,
) -> Path:
    rows = []
    people = [f"p{number:02d}" for number in range(first, first + subjects)]
    for subject in people:
        draw = random.Random(f"{subject} {seed}")
        for frame in frames:
            for evaluation in ("default", "paper"):
                case = {"evaluation": evaluation, "subject_id": subject, "case_id": f"{subject}_{frame}"}
                case |= {"frame": frame, "group": ""}
                errors = [("ece", "foreground"), ("cece", "foreground")]
                errors += [("ece", "image")] if evaluation == "default" else []
                for metric, region in errors:
                    value = 0.2 - shift + draw.uniform(-0.01, 0.01)
                    about = {"label": "all", "region": region, "metric": metric, "unit": "1", "n": voxels}
                    rows.append(Score(**case, **about, value=value))
                for label in ("RV", "LV"):
                    unit = "mm" if evaluation == "default" else "voxel"
                    cells = [("dice", 0.7 + shift, "1"), ("hd95", 20 - 10 * shift, unit)]
                    cells += [("missed", 0.0, "case"), ("invented", 0.0, "case")] if evaluation == "default" else []
                    for metric, value, own in cells:
                        noise = 0.0 if own == "case" else draw.uniform(-0.01, 0.01)
                        about = {"label": label, "region": "image", "metric": metric, "unit": own, "n": voxels}
                        rows.append(Score(**case, **about, value=value + noise))
    path.mkdir(parents=True)
    write_scores(path / "scores.csv", rows)
    config: dict[str, Any] = {"seed": seed, "loss": {"_target_": loss}, "evaluation": {"default": {"bins": 15}}}
    for key, value in (settings or {}).items():
        node = config
        for part in key.split(".")[:-1]:
            node = node.setdefault(part, {})
        node[key.rpartition(".")[2]] = value
    parts = {"name": "random-0", "fingerprint": "f", "train": ["t1"], "val": ["v1"], "test": people, **(split or {})}
    choices = {"data": data, "model": "unet", "loss": loss}
    write_json(path / "run.json", {"choices": choices, "config": config, "split": parts})
    return path
