"""scripts/bench/train.py runs and measures both ways."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SMI = """#!/bin/sh
while true; do echo 90; echo 70; sleep 0.05; done
"""


def test_the_quick_table(repo_root: Path, tmp_path: Path) -> None:
    script = repo_root / "scripts" / "bench" / "train.py"
    words = ["--phantom", "--quick", "--batches", "--epochs", "1"]
    smi = tmp_path / "nvidia-smi"
    smi.write_text(SMI, encoding="utf-8")
    smi.chmod(0o755)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    result = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    rows = [line.split("│")[1:-1] for line in result.stdout.splitlines() if line.startswith("│")]
    assert [row[0].strip() for row in rows] == ["theirs", "ours"]
    for row in rows:
        _, batch, speed, ratio, training, step, rest, validation, ceiling, busy, peak = (
            cell.strip(" %GB") for cell in row
        )
        assert batch == "4"
        assert float(speed) > 0
        assert float(ratio) > 0
        assert float(training) > float(speed)
        assert 99.8 < float(step) + float(rest) < 100.2
        assert 0 < float(validation) < 100
        assert float(ceiling) >= 0
        assert 75 <= float(busy) <= 85
        assert 0.1 < float(peak) < 10
    assert float(rows[0][3]) == 1
