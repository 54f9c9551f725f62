"""scripts/bench/scaling.py runs and fills its three tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_quick_tables(repo_root: Path) -> None:
    script = repo_root / "scripts" / "bench" / "scaling.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([sys.executable, str(script), "--quick"], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    assert [row[0] for row in rows] == ["16", "4", "6", "3x24x24", "4x32x32"]
    assert 0.3 < float(rows[0][5].removesuffix(" GB")) < 5
    assert all(float(cell.removesuffix(" s")) >= 0 for cell in rows[0][1:5])
    # Two more foreground labels have seven scores each.
    assert int(rows[2][5]) - int(rows[1][5]) == 14
    assert all(float(row[2].removesuffix(" s")) > 0 for row in rows[3:])
