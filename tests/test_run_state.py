import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlseg.checks import RunError
from mlseg.engine.run_directory import RunDirectory
from mlseg.run_state import LOCK, SILENCE_S, STATUS, read_state


def write(run: Path, **status: object) -> None:
    (run / STATUS).write_text(json.dumps({"state": "running", "host": socket.gethostname(), **status}))


def test_without_a_status_there_is_no_state(tmp_path: Path) -> None:
    assert read_state(tmp_path) == {}


def test_a_run_is_running_as_long_as_its_process_holds_it(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.claim({"seed": 1})
    run.write_status("running", epoch=3)
    assert read_state(run.path)["state"] == "running"
    run.release()
    dead = read_state(run.path)
    assert (dead["state"], dead["epoch"]) == ("dead", 3)
    assert "ended without a word" in dead["error"]


def test_a_killed_process_is_seen_dead_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from mlseg.engine.run_directory import RunDirectory;"
        "run = RunDirectory(Path(sys.argv[1])); run.claim({}); run.write_status('running'); print('up', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert read_state(tmp_path)["state"] == "running"
        process.kill()
    assert read_state(tmp_path)["state"] == "dead"


def test_a_process_elsewhere_lives_by_its_heartbeat(tmp_path: Path) -> None:
    write(tmp_path, host="another-machine")
    (tmp_path / LOCK).touch()
    assert read_state(tmp_path)["state"] == "running"
    long_ago = time.time() - SILENCE_S - 1
    os.utime(tmp_path / LOCK, (long_ago, long_ago))
    assert read_state(tmp_path)["state"] == "dead"
    (tmp_path / LOCK).unlink()
    assert read_state(tmp_path)["state"] == "dead"


@pytest.mark.parametrize("state", ["done", "failed", "interrupted"])
def test_other_states_are_true_by_themselves(tmp_path: Path, state: str) -> None:
    write(tmp_path, state=state)
    assert read_state(tmp_path)["state"] == state


def test_a_damaged_status_is_told(tmp_path: Path) -> None:
    (tmp_path / STATUS).write_text("{")
    with pytest.raises(RunError, match="must be a JSON file"):
        read_state(tmp_path)
