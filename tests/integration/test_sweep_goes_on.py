"""A sweep with runs that fail, killed half-way and typed again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mlseg.records import read_scores

EPOCHS = 4
# In this order; each is an experiment, so that they need have nothing in common.
RUNS = ("one", "wild", "two", "three", "damaged", "four", "five", "six")
GOOD = tuple(name for name in RUNS if name not in ("wild", "damaged"))
CUT = "three"


@pytest.fixture
def sweep(place, phantom: Path) -> list[str]:
    """The words of a sweep over eight runs: one whose learning rate is far too large, one with a damaged file."""
    broken = Path(shutil.copytree(phantom, place.folder / "broken"))
    image = min(broken.rglob("*_frame01.nii.gz"))
    image.write_bytes(image.read_bytes()[:200])
    experiments = place.folder / "mine" / "experiment"
    experiments.mkdir(parents=True)
    for number, name in enumerate(RUNS, 1):
        root, rate = broken if name == "damaged" else phantom, 1e30 if name == "wild" else 0.01
        settings = f"run_name: {name}\nseed: {number}\ndata:\n  root: {root}\noptimizer:\n  lr: {rate}\n"
        (experiments / f"{name}.yaml").write_text(f"# @package _global_\n{settings}")
    # What is typed would win over the experiments.
    words = [word for word in place.words() if not word.startswith(("data.root=", "optimizer.lr="))]
    quick = (f"trainer.max_epochs={EPOCHS}", "evaluation.protocols=[default]", "trainer.image_every=0")
    return ["-m", "--config-dir", str(place.folder / "mine"), *words, *quick, f"experiment={','.join(RUNS)}"]


def find_run(place, name: str) -> Path:
    return place.folder / "outputs" / "phantom" / "unet" / "mbls" / name / f"seed{RUNS.index(name) + 1}"


def read_status(run: Path) -> dict:
    path = run / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def count_epochs(run: Path) -> Counter[int]:
    """How often each epoch was trained."""
    log = run / "train.log"
    return Counter(int(n) for n in re.findall(r"epoch (\d+)/\d+: loss", log.read_text())) if log.exists() else Counter()


def kill_half_way(words: list[str], place, repo_root: Path) -> None:
    """Type the sweep and kill it while its fourth run trains."""
    command = [sys.executable, str(repo_root / "train.py"), *words]
    with open(place.folder / "first.log", "w") as log:
        process = subprocess.Popen(
            command, cwd=place.folder, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        deadline = time.monotonic() + 240
        while not (find_run(place, CUT) / "last.pt").exists():
            assert process.poll() is None, (place.folder / "first.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_killed_and_typed_again(sweep: list[str], place, repo_root: Path, mlseg_train, capsys) -> None:
    kill_half_way(sweep, place, repo_root)
    first = {name: (find_run(place, name) / "scores.csv").read_bytes() for name in ("one", "two")}
    assert read_status(find_run(place, "wild"))["state"] == "failed"
    assert read_status(find_run(place, CUT))["state"] == "running"  # nobody could say otherwise
    assert not find_run(place, "damaged").exists()

    assert mlseg_train(sweep) == 1
    said = capsys.readouterr()
    for name in GOOD:
        run = find_run(place, name)
        assert (read_status(run)["state"], read_status(run)["epoch"]) == ("done", EPOCHS)
        again = {epoch: n for epoch, n in count_epochs(run).items() if n > 1}
        assert set(count_epochs(run)) == set(range(1, EPOCHS + 1))
        assert again == {} or (name == CUT and list(again.values()) == [2])
        assert {row.evaluation for row in read_scores(run / "scores.csv")} == {"default"}
    assert first == {name: (find_run(place, name) / "scores.csv").read_bytes() for name in first}
    assert "resumed after epoch" in (find_run(place, CUT) / "train.log").read_text()

    wild, damaged = read_status(find_run(place, "wild")), read_status(find_run(place, "damaged"))
    assert (wild["state"], damaged["state"]) == ("failed", "failed")
    assert "must be finite" in wild["error"]
    assert "_frame01.nii.gz" in damaged["error"]
    assert not (find_run(place, "wild") / "mlseg-error.log").exists()  # no surprise, so no traceback

    assert "2 of 8 runs are done already" in said.err
    assert said.err.rstrip().endswith("2 of 8 jobs failed, see above.")
    assert_table(said.out)


def assert_table(out: str) -> None:
    lines = out[out.index("Sweep of 8 runs in") :].splitlines()
    assert lines[0].endswith("4 done, 2 done already, 2 failed")
    rows = {line.split()[1].split("/")[0]: line for line in lines if re.match(r"\d  ", line)}
    assert tuple(rows) == RUNS
    for name, line in rows.items():
        state = "failed" if name not in GOOD else "done already" if name in ("one", "two") else "done"
        assert re.search(rf" experiment={name} +{state} +[\d-]", line)
        assert bool(re.search(rf"{EPOCHS}/{EPOCHS} +0\.\d{{3}} +0\.\d{{3}} +[\d.]+ s", line)) is (name in GOOD)
    errors = [line for line in lines if re.match(r"\d failed: ", line)]
    assert len(errors) == 2
    assert "must be finite" in errors[0]
    assert "_frame01.nii.gz" in errors[1]
