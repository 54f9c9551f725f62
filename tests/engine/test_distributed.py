"""Several processes do what one does. Real ones, over gloo: the code below is run by torchrun."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, PeerError, RunError
from mlseg.engine.distributed import Group, join_group, lost_peers

STEP = """
import sys
import torch
from torch import nn
from mlseg.data.slices import SliceLoader
from mlseg.engine.device import choose_compute
from mlseg.engine.distributed import join_group
from mlseg.engine.inference import Inference
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.seeding import seed_generators
from mlseg.engine.settings import TrainerSettings
from mlseg.engine.trainer import Trainer
from tests.engine.conftest import TinyNetwork, make_case
from pathlib import Path

folder, batch_size = Path(sys.argv[1]), int(sys.argv[2])
settings = TrainerSettings(max_epochs=1, device="cpu", amp="off", progress=False, image_every=0)
compute = choose_compute(settings)
with join_group() as group:
    from mlseg.data.sharing import Share
    seed_generators(1, 99)
    network = TinyNetwork()
    cases = [make_case(i) for i in range(3)]
    share = Share(rank=group.rank, world=group.world)
    loader = SliceLoader(cases, crop=(16, 16), batch_size=batch_size, seed=0, share=share)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    run = RunDirectory(folder, owner=group.is_first)
    folder.mkdir(exist_ok=True)
    trainer = Trainer(
        network=network, loss=nn.CrossEntropyLoss(), optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.StepLR(optimizer, 5), loader=loader, cases=cases[1:],
        inference=Inference(compute=compute, crop=(16, 16)), settings=settings, compute=compute, run=run, group=group,
    )
    trainer.fit()
"""


@contextlib.contextmanager
def start(repo_root: Path, code: Path, *words: str, processes: int) -> Iterator[subprocess.Popen[str]]:
    """The running command; what still runs of it after two minutes, or at the end of the block, is killed."""
    runner = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo_root)}
    command = [sys.executable, *runner, str(code), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        watch = threading.Timer(120, end, [process])
        watch.start()
        try:
            yield process
        finally:
            watch.cancel()
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Let torchrun end what it has started, in sessions of their own, and itself; kill it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.mark.parametrize("batch_size", [9, 4])
def test_two_processes_take_the_steps_of_one(repo_root: Path, tmp_path: Path, batch_size: int) -> None:
    """One step of 9 slices, shared 5 to 4; and steps of 4, 4 and a last one of a single slice, which is dropped."""
    import torch

    from mlseg.engine.checkpoint import load_checkpoint

    code = tmp_path / "step.py"
    code.write_text(STEP, encoding="utf-8")
    found = []
    for processes in (1, 2):
        place = tmp_path / f"run{processes}"
        with start(repo_root, code, str(place), str(batch_size), processes=processes) as process:
            output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        found.append(load_checkpoint(place / "last.pt"))
    for name, weight in found[0]["network"].items():
        torch.testing.assert_close(weight, found[1]["network"][name], rtol=1e-5, atol=1e-7)
    one, two = (state["progress"]["history"][0] for state in found)
    assert two["dice"] == pytest.approx(one["dice"], rel=1e-5)
    assert found[0]["progress"]["step"] == found[1]["progress"]["step"] == (1 if batch_size == 9 else 2)


FAIL = """
import os, sys, time
from mlseg.checks import PeerError
from mlseg.engine.distributed import join_group
with join_group() as group:
    sys.stdout.write(f"pid {group.rank} {os.getpid()}\\n")  # in one piece: the other writes to the same pipe
    try:
        while True:
            group.gather(None)
            time.sleep(0.01)
    except PeerError as error:
        sys.stdout.write(f"{error}\\n")
        sys.exit(1)
"""


def test_a_killed_process_ends_the_other_within_seconds(repo_root: Path, tmp_path: Path) -> None:
    code = tmp_path / "fail.py"
    code.write_text(FAIL, encoding="utf-8")
    with start(repo_root, code, processes=2) as process:
        assert process.stdout is not None
        pids: dict[str, int] = {}
        for line in process.stdout:
            words = line.split()
            if words and words[0] == "pid":
                pids[words[1]] = int(words[2])
            if len(pids) == 2:
                break
        time.sleep(0.5)
        killed = time.monotonic()
        os.kill(pids["1"], signal.SIGKILL)
        process.communicate(timeout=30)
        assert time.monotonic() - killed < 30
    assert process.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(pids["0"], 0)


def test_shares_come_back_in_order() -> None:
    items = list("abcdefg")
    for world in (1, 2, 3, 9):
        parts = [Group(rank=rank, world=world).share(items) for rank in range(world)]

        class Fake(Group):
            def gather(self, value: object, parts: list[list[str]] = parts) -> list[list[str]]:  # type: ignore[override]
                return parts

        assert Fake(world=world).merge(parts[0]) == items


def test_one_process_needs_nothing() -> None:
    with join_group() as group:
        assert (group.rank, group.world, group.is_first) == (0, 1, True)
        assert group.gather(3) == [3]
        with group.first_goes_ahead():
            assert group.agree("x") == "x"


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match=r"WORLD_SIZE: 2 processes need RANK.* torchrun"), join_group():
        pass


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: must be a whole number, got WORLD_SIZE=two. Start them with torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "x"}, "WORLD_SIZE: 2 processes need RANK and LOCAL_RANK too, got RANK=x."),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "got LOCAL_RANK=nothing"),
        ({"WORLD_SIZE": "2", "RANK": "5", "LOCAL_RANK": "0"}, r"RANK: must be from 0 to WORLD_SIZE - 1 \(1\), got 5"),
        ({"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}, "2 processes cannot find each other .*MASTER_ADDR"),
    ],
)
def test_an_environment_that_torchrun_did_not_make(
    environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises((ConfigError, RunError), match=message), join_group():
        pass


def test_a_lost_connection_is_the_fault_of_another() -> None:
    message = r"another process of this run has ended \(Connection closed by peer\)"
    with pytest.raises(PeerError, match=message), lost_peers():
        raise RuntimeError("Connection closed by peer")


@pytest.mark.parametrize("text", ["gloo/transport/tcp/pair.cc:561 Connection closed by peer", "NCCL error: remote"])
def test_a_connection_may_break_within_the_network(text: str) -> None:
    with pytest.raises(PeerError, match="another process"), Group(world=2).computing():
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="shapes") as caught, Group(world=2).computing():
        raise RuntimeError("shapes do not match")
    assert not isinstance(caught.value, PeerError)


BUFFERS = """
import sys
import torch
from torch import nn
from mlseg.engine.distributed import join_group
from mlseg.engine.device import choose_compute
from mlseg.engine.inference import Inference
from mlseg.engine.settings import TrainerSettings
from mlseg.engine.validation import validate
from tests.engine.conftest import TinyNetwork, make_case

class Normed(TinyNetwork):
    def __init__(self):
        super().__init__()
        self.layers.insert(1, nn.BatchNorm2d(8))

with join_group() as group:
    torch.manual_seed(1)
    network = Normed()
    network.layers[1].running_mean += group.rank
    compute = choose_compute(TrainerSettings(device="cpu", amp="off"))
    validate(network, [make_case(0)], Inference(compute=compute, crop=(16, 16)), group=group)
    sys.stdout.write(f"mean {float(network.layers[1].running_mean.sum())}\\n")
"""


def test_all_processes_judge_one_network(repo_root: Path, tmp_path: Path) -> None:
    code = tmp_path / "buffers.py"
    code.write_text(BUFFERS, encoding="utf-8")
    with start(repo_root, code, processes=2) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert output.count("mean 0.0") == 2
