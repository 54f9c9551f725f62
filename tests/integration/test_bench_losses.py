"""scripts/bench/losses.py runs and measures every loss."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_quick_table(repo_root: Path) -> None:
    script = repo_root / "scripts" / "bench" / "losses.py"
    words = ["--quick", "--repeats", "2", "--threads", "1", "--no-compile", "--no-step"]
    result = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, env=os.environ)
    assert result.returncode == 0, result.stderr
    about, table = result.stdout.strip().split("\n\n")
    assert "1x4x8x8x8" in about
    head, baseline, *rows = [line.split("  ") for line in table.splitlines()]
    assert head[0].strip() == "loss"
    assert baseline[0] == "torch cross_entropy"
    numbers = {row[0].strip(): [float(cell) for cell in row[1:] if cell.strip() and "%" not in cell] for row in rows}
    assert set(numbers) == {path.stem for path in (repo_root / "configs" / "loss").glob("*.yaml")}
    # Milliseconds, in units of the baseline, megabytes and their units, for two sizes: all measured, none zero.
    assert all(len(cells) == 8 and min(cells[:2] + cells[3:6] + cells[7:]) > 0 for cells in numbers.values())
