import contextlib
import os
import signal
import threading

import pytest

from mlseg.checks import PeerError, Stopped
from mlseg.engine.stopping import SIGNALS, StopSignals


def send(*numbers: signal.Signals) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_at_once_what_does_not_defer_it(number: signal.Signals) -> None:
    with StopSignals(), pytest.raises(Stopped, match=f"stopped by {number.name}") as caught:
        send(number)
    assert caught.value.signal == number.name


def test_a_deferred_signal_waits_for_someone_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def work(stop: StopSignals) -> None:
        with stop.deferred():
            for item in stop.until([1, 2, 3]):
                seen.append(item)
                if item == 2:
                    send(signal.SIGTERM)
                    assert stop.requested == "SIGTERM"

    with StopSignals() as stop, pytest.raises(Stopped, match="SIGTERM"):
        work(stop)
    assert seen == [1, 2]
    assert "SIGTERM: finishing the step and saving" in capsys.readouterr().err


def test_what_nobody_asked_for_is_raised_at_the_end() -> None:
    done = []

    def work(stop: StopSignals) -> None:
        with stop.deferred():
            send(signal.SIGUSR1)
            done.append("the step")
        done.append("what follows")

    with StopSignals() as stop, pytest.raises(Stopped, match="SIGUSR1"):
        work(stop)
    assert done == ["the step"]


def test_a_second_ctrl_c_does_not_wait() -> None:
    with StopSignals() as stop, stop.deferred():
        with pytest.raises(Stopped, match="SIGINT"):
            send(signal.SIGINT, signal.SIGINT)
        stop.requested = ""


def test_the_handlers_from_before_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_may_use_it() -> None:
    found = []

    def work() -> None:
        with StopSignals() as stop, stop.deferred():
            found.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [""]


def test_the_end_that_torchrun_sends_after_a_failure_is_no_stop() -> None:
    with StopSignals():
        try:
            raise PeerError("another process")
        except PeerError:
            send(signal.SIGTERM)


def test_one_of_several_processes_tells_of_a_signal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    with StopSignals() as stop, contextlib.suppress(Stopped), stop.deferred():
        send(signal.SIGTERM)
    assert capsys.readouterr().err == ""
