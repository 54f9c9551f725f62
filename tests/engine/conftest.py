"""A miniature run without files: a three-class network, four subjects, batches of random blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.engine.device import choose_compute
from mlseg.engine.inference import Inference
from mlseg.engine.run_directory import RunDirectory
from mlseg.engine.seeding import seed_generators
from mlseg.engine.settings import TrainerSettings
from mlseg.engine.trainer import Trainer
from mlseg.types import PreparedCase, SegBatch

SIZE = 16


class TinyNetwork(nn.Module):
    stride = (4, 4)

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(8, 3, 3, padding=1)
        )

    def forward(self, image: Tensor) -> Tensor:
        assert all(n % s == 0 for n, s in zip(image.shape[2:], self.stride, strict=True))
        return self.layers(image)


def make_case(index: int, *, depth: int = 3, size: tuple[int, int] = (SIZE, SIZE)) -> PreparedCase:
    random = np.random.default_rng(index)
    target = np.zeros((depth, *size), dtype=np.uint8)
    target[:, 4:10, 4:10], target[:, 6:8, 6:8] = 1, 2
    image = (target[:, None] + 0.3 * random.standard_normal((depth, 1, *size))).astype(np.float32)
    return PreparedCase(
        case_id=f"case{index}",
        subject_id=f"subject{index // 2}",
        image=image,
        target=target,
        spacing_mm=(10.0, 1.5, 1.5),
        native_target=target,
        native_spacing_mm=(10.0, 1.5, 1.5),
        affine=np.eye(4),
    )


class Batches:
    """Slices of some cases in an order that follows from (seed, epoch)."""

    def __init__(self, cases: list[PreparedCase], batch_size: int = 4, poison: int | None = None) -> None:
        self.slices = [(case, index) for case in cases for index in range(len(case.image))]
        self.batch_size, self.poison = batch_size, poison

    def __len__(self) -> int:
        return -(-len(self.slices) // self.batch_size)

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[SegBatch]:
        order = np.random.default_rng([7, epoch]).permutation(len(self.slices))
        for number in range(start, len(self)):
            chosen = [self.slices[i] for i in order[number * self.batch_size : (number + 1) * self.batch_size]]
            image = torch.tensor(np.stack([case.image[i] for case, i in chosen]))
            if number == self.poison:
                image[0, 0, 0, 0] = float("nan")
            yield SegBatch(
                image=image,
                target=torch.tensor(np.stack([case.target[i] for case, i in chosen])).long(),
                case_id=[case.case_id for case, _ in chosen],
                slice_index=[i for _, i in chosen],
            )


@pytest.fixture(name="tiny_network")
def provide_network() -> type[TinyNetwork]:
    return TinyNetwork


@pytest.fixture(name="make_case")
def provide_case() -> Callable[..., PreparedCase]:
    return make_case


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """Build a trainer; keyword arguments replace its parts, `settings` its settings, `sgd` (a rate) its Adam."""

    def make(
        *,
        run: str = "run",
        dropout: float = 0.0,
        sgd: float | None = None,
        settings: dict[str, Any] | None = None,
        **parts: Any,
    ) -> Trainer:
        chosen = TrainerSettings(
            **{"max_epochs": 3, "device": "cpu", "amp": "off", "progress": False, "image_every": 0, **(settings or {})}
        )
        compute = choose_compute(chosen)
        seed_generators(1, 99)
        network = compute.place(TinyNetwork(dropout))
        adam = torch.optim.Adam(network.parameters(), lr=1e-2)
        optimizer = adam if sgd is None else torch.optim.SGD(network.parameters(), lr=sgd)
        cases = [make_case(i) for i in range(4)]
        directory = RunDirectory(tmp_path / run)
        directory.path.mkdir(exist_ok=True)
        arguments: dict[str, Any] = {
            "network": network,
            "loss": nn.CrossEntropyLoss(),
            "optimizer": optimizer,
            "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 2),
            "loader": Batches(cases),
            "cases": cases[2:],
            "inference": Inference(compute=compute, crop=(SIZE, SIZE)),
            "settings": chosen,
            "compute": compute,
            "run": directory,
        }
        return Trainer(**{**arguments, **parts})

    return make
