"""scripts/faults.py in its short form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_kills_lose_nothing(repo_root: Path, tmp_path: Path, kills: int) -> None:
    words = ["--kills", str(kills), "--stops", str(max(2, kills // 5)), "--folder", str(tmp_path / "faults")]
    command = [sys.executable, str(repo_root / "scripts" / "faults.py"), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=90 * kills, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "signals sent" in done.stdout
