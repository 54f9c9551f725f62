"""scripts/faults.py in its short form."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_few_kills_lose_nothing(repo_root: Path, tmp_path: Path) -> None:
    words = ["--kills", "4", "--stops", "2", "--folder", str(tmp_path / "faults")]
    command = [sys.executable, str(repo_root / "scripts" / "faults.py"), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "signals sent" in done.stdout
