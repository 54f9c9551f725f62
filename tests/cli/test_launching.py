"""Jobs that are started, and jobs that take their process down."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest

from mlseg.checks import RunError
from mlseg.cli.jobs import Job
from mlseg.cli.launching import KILLED, Launch, told_losses


class FakeLaunch(Launch):
    """Runs nothing: a start with one of `killers` in it breaks the pool at it, two jobs at a time."""

    def _start(self, numbers):
        STARTS.append(list(numbers))
        for place, number in enumerate(numbers):
            if number in KILLERS:
                STARTED.update(numbers[: place + 2])
                raise BrokenProcessPool
            STARTED.add(number)
            ENDED.add(number)
        return {number: f"result {number}" for number in numbers}


STARTS: list[list[int]] = []
KILLERS: set[int] = set()
STARTED: set[int] = set()
ENDED: set[int] = set()


@pytest.fixture
def launch():
    for one in (STARTS, KILLERS, STARTED, ENDED):
        one.clear()
    return FakeLaunch(
        hydra=None,
        config_name="train",
        words=(),
        job=Job(task=print, prog="it", multirun=True, total=6),
        jobs={},
        was_started=lambda number: number in STARTED,
        find_result=lambda number: f"left {number}" if number in ENDED else None,
        give_up=lambda number, why: why,
    )


def test_all_jobs_are_started_at_once(launch):
    assert launch.run([0, 2, 3]) == {0: "result 0", 2: "result 2", 3: "result 3"}
    assert STARTS == [[0, 2, 3]]


def test_a_job_that_is_killed_is_the_only_one_that_fails(launch, capsys):
    KILLERS.add(1)
    results = launch.run([0, 1, 2, 3, 4])
    # 2 was at work beside it and is tried alone; 3 and 4 had not been started.
    assert STARTS == [[0, 1, 2, 3, 4], [3, 4], [1], [2]]
    assert results == {0: "left 0", 1: KILLED, 2: "result 2", 3: "result 3", 4: "result 4"}
    assert capsys.readouterr().err == "it: a process was killed; 4 of 6 jobs are started again\n"


def test_several_that_are_killed(launch):
    KILLERS.update({1, 4})
    results = launch.run([0, 1, 2, 3, 4, 5])
    assert [number for number, result in results.items() if result == KILLED] == [4, 1]
    assert set(results) == {0, 1, 2, 3, 4, 5}


def test_a_pool_that_breaks_before_anything_says_so_is_tried_one_by_one(launch):
    KILLERS.add(0)
    broken = FakeLaunch(**{**vars(launch), "was_started": lambda number: False})
    assert broken.run([0, 1]) == {0: KILLED, 1: "result 1"}
    assert STARTS == [[0, 1], [0], [1]]


def test_a_cluster_job_without_a_result_is_one_line():
    class UncompletedJobError(RuntimeError):
        pass

    UncompletedJobError.__module__ = "submitit.core.utils"
    with pytest.raises(RunError, match="a job ended without a result"), told_losses():
        raise UncompletedJobError("Job 12 (task: 0) has no\noutput")
    with pytest.raises(RuntimeError, match="another"), told_losses():
        raise RuntimeError("another")


def test_a_cluster_that_refuses_is_one_line():
    class FailedSubmissionError(RuntimeError):
        pass

    FailedSubmissionError.__module__ = "submitit.core.utils"
    with pytest.raises(RunError, match=r"the cluster did not take the jobs \(no such partition\)"), told_losses():
        raise FailedSubmissionError("no such\npartition")


def test_a_worker_of_joblib_that_is_killed(repo_root, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from mlseg.cli.app import run_app\n"
        "def task(cfg, info):\n"
        "    if cfg.seed == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run_app(task, config_name='train', prog='it', check=None, after_sweep=lambda r: print([x.code for x in r]))\n"
    )
    words = ["-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=1,2,3"]
    environment = {"PYTHONPATH": str(repo_root), "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, script, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1, result.stderr
    assert "[0, 1, 0]" in result.stdout.splitlines()
    assert f"2 failed: {KILLED}" in result.stdout.splitlines()
    assert "it: a process was killed; 3 of 3 jobs are started again" in result.stderr.splitlines()
    assert "Traceback" not in result.stderr
