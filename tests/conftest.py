"""Fixtures shared by all tests: where the optional golden numbers and real data are, and phantoms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
