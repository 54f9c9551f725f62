"""An epoch as the authors' code trains one, rebuilt from what is known of it, and the clock that times both ways."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlseg.cli.build import Data, build, build_optimizer
from mlseg.data.framing import crop_or_pad
from mlseg.engine.device import Compute


@dataclass
class Clock:
    """Seconds by stage."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Add the time of what happens inside; a GPU is waited for."""
        started = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds[stage] += time.perf_counter() - started


def train_their_way(cfg: Any, data: Data, compute: Compute, clock: Clock) -> int:
    """A whole volume read for each slice, overlap in NumPy after every step. Returns the number of slices."""
    network, loss = compute.place(build(cfg.model)), build(cfg.loss)
    optimizer, _ = build_optimizer(cfg, network.parameters())
    crop, classes, size = tuple(cfg.data.crop), cfg.data.num_classes, cfg.data.batch_size
    with tempfile.TemporaryDirectory() as folder:
        train, val = (store_volumes(cases, Path(folder)) for cases in (data.train, data.val))
        order = np.random.default_rng(0).permutation(len(train))
        with clock.of("all"):
            network.train()
            for first in range(0, len(order), size):
                with clock.of("loading"):
                    chosen = [read_slice(*train[n], crop) for n in order[first : first + size]]
                    image, target = (torch.stack(part).to(compute.device) for part in zip(*chosen, strict=True))
                with clock.of("step"):
                    logits = network(image)
                    loss(logits, target).backward()
                    optimizer.step()
                    optimizer.zero_grad()
                with clock.of("metrics"):
                    overlap_in_numpy(logits.detach(), target, classes)
            with clock.of("validation"), torch.no_grad():
                network.eval()
                for place in val:
                    image, target = read_slice(*place, crop)
                    overlap_in_numpy(network(image[None].to(compute.device)), target[None], classes)
    return len(train)


def store_volumes(cases: Any, folder: Path) -> list[tuple[Path, int]]:
    """A file per volume, and the places of its slices."""
    places = []
    for case in cases:
        path = folder / f"{case.case_id}.npz"
        np.savez(path, image=np.asarray(case.image), target=np.asarray(case.target))
        places += [(path, index) for index in range(len(case.image))]
    return places


def read_slice(path: Path, index: int, crop: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (C,h,w) and target (h,w) of one slice, out of its volume."""
    with np.load(path) as volume:
        image, target = volume["image"], volume["target"]
    cut = crop_or_pad(image[index], crop), crop_or_pad(target[index], crop)
    return torch.from_numpy(np.array(cut[0])), torch.from_numpy(np.array(cut[1])).long()


def overlap_in_numpy(logits: torch.Tensor, target: torch.Tensor, classes: int) -> list[float]:
    """Dice of each foreground class."""
    found, wanted = logits.argmax(1).cpu().numpy(), target.cpu().numpy()
    scores = []
    for k in range(1, classes):
        one, other = found == k, wanted == k
        scores.append(2 * (one & other).sum() / max(one.sum() + other.sum(), 1))
    return scores
