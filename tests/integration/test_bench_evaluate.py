"""scripts/bench/evaluate.py runs, and both ways find the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_quick_table(repo_root: Path) -> None:
    script = repo_root / "scripts" / "bench" / "evaluate.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), "--phantom", "--quick"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    rows = [[cell.strip(" s") for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    assert [row[0] for row in rows] == ["their", "evaluation=paper", "paper and default"]
    for row in rows:
        network, metrics, both = map(float, row[1:4])
        assert abs(network + metrics - both) < 0.02
        assert both > 0
    theirs, ours = ([float(value) for value in row[6].split()] for row in rows[:2])
    assert len(theirs) == 4
    assert all(abs(one - two) <= 2e-4 for one, two in zip(theirs, ours, strict=True))
    assert all(value > 0 for value in theirs)
