"""`torchrun train.py` on two processes, as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def torchrun(program: list[str], words: list[str]) -> subprocess.Popen[str]:
    runner = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*runner, *program, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(process: subprocess.Popen[str], *, code: int = 0) -> str:
    with process:
        output, _ = process.communicate(timeout=180)
    assert process.returncode == code, output
    return output


def test_train_evaluate_and_stop_on_two_processes(place, repo_root: Path) -> None:
    train, run = [str(repo_root / "train.py")], place.folder / "two"
    words = place.words("trainer.max_epochs=2", f"run_dir={run}")
    output = finish(torchrun(train, words))
    assert output.count("epoch 2/2: loss") == 1
    assert "2 processes that share each batch" in output
    record = json.loads((run / "run.json").read_text())
    assert record["history"][-1]["epoch"] == 2

    # One checkpoint, judged by two processes and by one: the same bytes.
    program = place.folder / "evaluate.py"
    program.write_text("from mlseg.cli.evaluate import main\n\nmain()\n", encoding="utf-8")
    finish(torchrun([str(program)], [f"run={run}", "name=both"]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    alone = [sys.executable, str(program), f"run={run}", "name=one"]
    subprocess.run(alone, check=True, env=environment, capture_output=True, timeout=120)
    one, both = (run / "evaluations" / name for name in ("one", "both"))
    assert (one / "scores.csv").read_bytes() == (both / "scores.csv").read_bytes()
    assert (one / "scores.csv").read_bytes() == (run / "scores.csv").read_bytes()
    assert (one / "bins.npz").read_bytes() == (both / "bins.npz").read_bytes()


def test_a_process_that_dies_ends_the_run_and_it_goes_on(place, repo_root: Path) -> None:
    train, run = [str(repo_root / "train.py")], place.folder / "killed"
    words = place.words("trainer.max_epochs=300", f"run_dir={run}")
    process = torchrun(train, words)
    deadline = time.monotonic() + 90
    while not (run / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    first = json.loads((run / "status.json").read_text())["pid"]
    others = [pid for pid in find_children(process.pid) if pid != first]
    assert others
    killed = time.monotonic()
    os.kill(others[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert time.monotonic() - killed < 30
    assert process.returncode != 0
    assert "Traceback" not in output.split("mlseg-train")[0]
    assert json.loads((run / "status.json").read_text())["state"] != "done"


def find_children(pid: int) -> list[int]:
    """Processes that torchrun started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


FAULTY = """
import os, time
import mlseg.engine.evaluator as evaluator
from mlseg.checks import DataError
from mlseg.cli.train import main

real = evaluator._judge

def judge(network, case, *more):
    if os.environ["RANK"] == "1":
        raise DataError(f"{case.case_id}: cannot be judged.")
    time.sleep(5)  # torchrun ends this process before it has seen that the other is gone
    return real(network, case, *more)

evaluator._judge = judge
main()
"""


def test_the_process_that_fails_tells_why_and_nobody_else(place) -> None:
    run, program = place.folder / "faulty", place.folder / "faulty.py"
    program.write_text(FAULTY, encoding="utf-8")
    output = finish(torchrun([str(program)], place.words("trainer.max_epochs=1", f"run_dir={run}")), code=1)
    told = [line for line in output.splitlines() if line.startswith("mlseg-train: ")]
    assert len(told) == 1, output
    assert "cannot be judged." in told[0]
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], f"mlseg-train: {status['error']}") == ("failed", told[0])
