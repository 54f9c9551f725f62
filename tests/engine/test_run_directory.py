import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlseg.checks import RunError, Stopped
from mlseg.engine.run_directory import RunDirectory


def test_the_same_configuration_comes_back_another_is_refused(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "run")
    first.claim({"loss.margin": 3})
    first.release()  # nothing was trained under the first claim: another may take its place
    first.claim({"loss.margin": 5, "data.crop": (192, 192)})
    first.last.write_text("a checkpoint")
    first.release()
    again = RunDirectory(tmp_path / "run")
    again.claim({"loss.margin": 5, "data.crop": [192, 192]})
    again.release()
    with pytest.raises(RunError, match=r"loss.margin \(5 there, 8 now\).*run_name="):
        RunDirectory(tmp_path / "run").claim({"loss.margin": 8, "data.crop": (192, 192)})


def test_a_live_twin_is_refused_and_a_dead_one_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from mlseg.engine.run_directory import RunDirectory; "
        "run = RunDirectory(pathlib.Path(sys.argv[1])); run.claim({}); run.write_status('running'); "
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as twin:
        assert twin.stdout is not None
        assert twin.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=rf"process {twin.pid} on .* is training here"):
            RunDirectory(tmp_path).claim({})
        twin.kill()
    survivor = RunDirectory(tmp_path)
    survivor.claim({})
    survivor.release()


def test_status_tells_how_the_run_ended(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.claim({})
    with pytest.raises(RunError), run:
        raise RunError("data: before anything began")
    assert run.status() == {}
    run.claim({})
    run.write_status("running")
    with pytest.raises(RunError), run:
        raise RunError("training: loss must be finite, got nan")
    assert run.status()["state"] == "failed"
    assert run.status()["error"] == "training: loss must be finite, got nan"
    run.claim({})
    run.write_status("running")
    with pytest.raises(KeyboardInterrupt), run:
        raise KeyboardInterrupt
    assert run.status()["state"] == "interrupted"
    run.claim({})
    run.write_status("running")
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError("division by zero")
    assert run.status()["error"] == "ZeroDivisionError: division by zero"
    assert set(run.status()) >= {"pid", "host", "started", "updated"}


def test_a_full_disk_does_not_hide_what_ended_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDirectory(tmp_path)
    run.claim({})
    run.write_status("running")

    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(RunError, match="training: loss must be finite"), run:
        raise RunError("training: loss must be finite, got nan")
    assert run.status()["state"] == "running"  # of a process that holds the directory no more: dead to those who ask


def test_a_finished_run_stays_done_whatever_happens_after(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.claim({})
    run.write_status("done")
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    assert run.status()["state"] == "done"


def test_half_written_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".last.pt.123.tmp").write_text("half")
    (tmp_path / "last.pt").write_text("whole")
    run = RunDirectory(tmp_path)
    run.claim({})
    run.release()
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", ".lock", "claim.json"}


def test_facts_are_pinned(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.pin("data.json", {"fingerprint": "xyz"}, what="a run on other files")
    run.pin("data.json", {"fingerprint": "abc"}, what="a run on other files")
    run.last.write_text("a checkpoint")
    run.pin("data.json", {"fingerprint": "abc"}, what="a run on other files")
    with pytest.raises(RunError, match=r"belongs to a run on other files: fingerprint \(abc there, def now\)"):
        run.pin("data.json", {"fingerprint": "def"}, what="a run on other files")


def test_an_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot write the run directory \(Not a directory\)") as caught:
        RunDirectory(tmp_path / "file" / "run").claim({})
    assert "\n" not in str(caught.value)


def test_a_damaged_claim_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "claim.json").write_text('{"loss.mar')
    (tmp_path / "last.pt").write_text("a checkpoint")
    with pytest.raises(RunError, match=r"claim.json: must be a JSON file"):
        RunDirectory(tmp_path).claim({})


def test_the_log_has_times_and_one_handler(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.open_log()
    logger = run.open_log()
    logger.info("hello")
    assert len(logger.handlers) == 1
    assert run.log.read_text().strip().endswith("INFO hello")
    logger.handlers[0].close()
    logger.handlers.clear()


def test_status_is_json_that_anyone_can_read(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_status("running", epoch=3, best=float("nan"))
    record = json.loads((tmp_path / "status.json").read_text())
    assert record["epoch"] == 3
    assert record["best"] is None


def test_a_finished_run_without_its_checkpoints_is_still_owned(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.claim({"loss.margin": 5})
    run.release()
    run.record.write_text("{}")
    before = (tmp_path / "claim.json").read_bytes()
    with pytest.raises(RunError, match=r"loss.margin \(5 there, 8 now\)"):
        RunDirectory(tmp_path).claim({"loss.margin": 8})
    assert (tmp_path / "claim.json").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (SystemExit(-1), "interrupted", "stopped by its launcher"),
        (Stopped("SIGTERM", saved="saved after batch 3"), "interrupted", "stopped by SIGTERM, saved after batch 3"),
        (KeyboardInterrupt(), "interrupted", "stopped by the user"),
        (RunError("full"), "failed", "full"),
        (OSError("odd"), "failed", "OSError: odd"),
    ],
)
def test_how_a_run_ended_and_how_far_it_had_come(tmp_path: Path, error: BaseException, state: str, reason: str) -> None:
    run = RunDirectory(tmp_path / "run")
    run.claim({"seed": 1})

    def end() -> None:
        with run:
            run.write_status("running", epoch=2, max_epochs=5, phase="evaluation")
            raise error

    with pytest.raises(type(error)):
        end()
    status = run.status()
    assert (status["state"], status["error"]) == (state, reason)
    assert (status["epoch"], status["max_epochs"]) == (2, 5)
    assert "phase" not in status
