"""How exceptions end."""

from __future__ import annotations

import errno

import pytest
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from omegaconf.errors import ConfigKeyError

from mlseg.checks import ConfigError, RunError, Stopped
from mlseg.cli.errors import FAILED, INTERRUPTED, MISTAKE, REQUEUE, Reporter, describe_error, format_message


def chain(outer, inner):
    """`outer` as raised from `inner`."""
    outer.__cause__ = inner
    return outer


class OutOfMemoryError(RuntimeError):
    """As torch.cuda names its own."""


BUILDING = "Error in call to target 'torch.optim.adam.Adam':\nTypeError(...)\nfull_key: optimizer"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("a: b. C."), MISTAKE, "a: b. C."),
        (RunError("a: b. C."), FAILED, "a: b. C."),
        (chain(InstantiationException("Error in\ncall"), ConfigError("a: b. C.")), MISTAKE, "a: b. C."),
        (
            chain(InstantiationException(BUILDING), TypeError("__init__() got an unexpected\n keyword argument 'foo'")),
            MISTAKE,
            "optimizer: cannot be built (__init__() got an unexpected keyword argument 'foo'). "
            "Correct the settings of optimizer.",
        ),
        (
            chain(InstantiationException(BUILDING), ImportError("Error loading 'x'")),
            MISTAKE,
            "optimizer: cannot be built (Error loading 'x'). Correct the settings of optimizer.",
        ),
        (
            chain(ConfigCompositionException("Could not override 'a.b'.\nTo append"), ConfigKeyError("Key 'b'")),
            MISTAKE,
            "configuration: Could not override 'a.b'. To append Key 'b'. See --help for what can be written.",
        ),
        (
            HydraException("bad\n    full_key: x\n    object_type=dict"),
            MISTAKE,
            "configuration: bad. See --help for what can be written.",
        ),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has"),
            FAILED,
            "out of memory (CUDA out of memory). Give a smaller data.batch_size, evaluation.batch_size or data.crop, "
            "or data.residency=disk.",
        ),
        (
            RuntimeError(
                "[enforce fail at alloc.cpp:1] err == 0. DefaultCPUAllocator: can't allocate memory: 2 bytes."
            ),
            FAILED,
            "out of memory (err == 0). Give a smaller data.batch_size, evaluation.batch_size or data.crop, or "
            "data.residency=disk.",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/runs/x"),
            FAILED,
            "/runs/x: cannot be used (Read-only file system). Correct it and type the same command again.",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/runs/last.pt"),
            FAILED,
            "/runs/last.pt: no space left. Free some and type the same command to go on.",
        ),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted. Type the same command to go on."),
    ],
)
def test_what_a_user_can_do_something_about(error, code, message):
    assert describe_error(error) == (code, message)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        TypeError("x"),
        OSError(errno.EIO, "broken"),
        chain(InstantiationException("full_key: loss"), ZeroDivisionError("x")),
    ],
)
def test_what_only_a_developer_can_mend(error):
    assert describe_error(error) is None


def test_a_reporter_that_saw_nothing(capsys):
    with Reporter(prog="it") as reporter:
        pass
    assert (reporter.code, reporter.message) == (0, "")
    assert capsys.readouterr().err == ""


def test_a_reporter_lets_an_exit_pass():
    with pytest.raises(SystemExit), Reporter(prog="it", outermost=True):
        raise SystemExit(3)


def test_only_the_outermost_reporter_ends_an_interruption(capsys):
    with Reporter(prog="it", outermost=True) as outer, Reporter(prog="it") as inner:
        raise KeyboardInterrupt
    assert (outer.code, inner.code) == (INTERRUPTED, 0)
    assert capsys.readouterr().err == "it: interrupted. Type the same command to go on.\n"


def test_a_traceback_that_cannot_be_written_is_not_one_more_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlseg-error.log").mkdir()
    with Reporter(prog="it") as reporter:
        raise KeyError("boom")
    assert reporter.code == FAILED
    said = capsys.readouterr().err
    assert said.startswith("it: internal error: KeyError: 'boom'. The traceback could not be written to mlseg-error")
    assert len(said.splitlines()) == 1


def test_tracebacks_of_several_jobs_stand_in_one_file(tmp_path):
    for name in ("one", "two"):
        with Reporter(prog="it", find_folder=lambda: tmp_path, quiet=True):
            raise KeyError(name)
    log = (tmp_path / "mlseg-error.log").read_text()
    assert "KeyError: 'one'" in log
    assert "KeyError: 'two'" in log


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        ("a: b. C.", ["it: a: b. C."]),
        ("a: b. C.\n", ["it: a: b. C."]),
        ("a.\nb.", ["it: 2 problems:", "  a.", "  b."]),
        ("3 files are damaged:\na.\n\nb.", ["it: 3 files are damaged:", "  a.", "  b."]),
        ("", ["it: "]),
    ],
)
def test_a_line_or_a_list(message, lines):
    assert format_message("it", message).splitlines() == lines


def test_a_job_is_named():
    assert format_message("it", "a. B.", prefix="job 2 of 3 (seed=2)") == "it: job 2 of 3 (seed=2): a. B."


def test_a_stop_that_python_wrapped_is_a_stop() -> None:
    """A signal that hits while a class is being made comes out as the cause of a RuntimeError (before Python 3.12)."""
    error = RuntimeError("Error calling __set_name__")
    error.__cause__ = Stopped("SIGTERM", saved="saved after batch 3")
    message = "stopped by SIGTERM, saved after batch 3. Type the same command to go on."
    assert describe_error(error) == (REQUEUE, message)
    assert describe_error(Stopped("SIGINT")) == (INTERRUPTED, "stopped by SIGINT. Type the same command to go on.")
