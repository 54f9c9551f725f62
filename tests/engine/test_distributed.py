"""Several processes do what one does. Real ones, over gloo: the code below is run by torchrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlseg.checks import ConfigError, PeerError
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


def start(repo_root: Path, code: Path, *words: str, processes: int) -> subprocess.Popen[str]:
    runner = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repo_root)}
    command = [sys.executable, *runner, str(code), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


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
import sys, time
from mlseg.checks import PeerError
from mlseg.engine.distributed import join_group
with join_group() as group:
    print("pid", group.rank, __import__("os").getpid(), flush=True)
    try:
        while True:
            group.gather(None)
            time.sleep(0.01)
    except PeerError as error:
        print(error, flush=True)
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


def test_a_lost_connection_is_the_fault_of_another() -> None:
    message = r"another process of this run has ended \(Connection closed by peer\)"
    with pytest.raises(PeerError, match=message), lost_peers():
        raise RuntimeError("Connection closed by peer")
